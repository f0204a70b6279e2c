// Runs the built supervisor over `supervised-child.mjs`; arguments: state folder, policy as JSON, then the child's own.
import { supervise } from '../../dist/agent/supervisor/main.js';

const [stateFolder, policy, ...childArguments] = process.argv.slice(2);
process.exitCode = await supervise({
  program: new URL('./supervised-child.mjs', import.meta.url),
  arguments: childArguments,
  stateFolder,
  policy: JSON.parse(policy),
});
