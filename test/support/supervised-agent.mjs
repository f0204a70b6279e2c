// Runs the built supervisor over the built agent; arguments: state folder, policy as JSON, then `--set` pairs. The
// policy is the test's own, because a supervisor that sees dozens of kills in a row waits a minute between starts.
import { join } from 'node:path';
import { supervise } from '../../dist/agent/supervisor/main.js';

const [state, policy, ...settings] = process.argv.slice(2);
process.exitCode = await supervise({
  program: new URL('../../dist/cli/agent/agent-entry.js', import.meta.url),
  arguments: ['--state', state, ...settings],
  stateFolder: join(state, 'supervisor'),
  policy: JSON.parse(policy),
});
