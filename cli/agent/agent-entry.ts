import { readConfigFile } from '../../agent/adapters/config-file.ts';
import { collectStartGarbage } from '../../agent/adapters/start-garbage.ts';
import { createSupervisorLink } from '../../agent/adapters/supervisor-link.ts';
import { parseAgentConfig } from '../../agent/config.ts';
import { runAgent } from '../../agent/main.ts';
import { supervisionPolicy } from '../../agent/supervisor/core/supervision-policy.ts';
import { limits } from '../../shared/contracts/limits.ts';
import { codeOf, OperatingError } from '../../shared/core/operating-error.ts';
import { readAgentArguments } from './agent-arguments.ts';

/** The child process of `skein agent run` and `skein serve`. The heartbeat begins before anything is loaded or read. */
const link = createSupervisorLink({
  heartbeatMs: limits.heartbeatMs,
  arguments: process.argv.slice(2),
});
const stop = new AbortController();
process.once('SIGTERM', () => stop.abort());
process.once('SIGINT', () => stop.abort());

/** Trying again would give the same answer: a person has to look. */
const hopeless = new Set([
  'config-invalid',
  'not-enrolled',
  'key-file-exposed',
  'key-unreadable',
  'plaintext-refused',
  'token-missing',
]);

async function run(): Promise<void> {
  const { state, configFile, settings } = readAgentArguments(process.argv.slice(2));
  const file = configFile === undefined ? undefined : await readConfigFile(configFile);
  const config = parseAgentConfig({ file, environment: process.env, settings });
  if (!config.ok) throw new OperatingError(config.error.code, config.error.message);
  collectStartGarbage();
  await runAgent({ config: config.value, state, link, stop: stop.signal });
}

try {
  await run();
  link.close();
  process.exit(0);
} catch (error) {
  const code = codeOf(error);
  const message = error instanceof Error ? (error.stack ?? error.message) : String(error);
  process.stderr.write(
    `${JSON.stringify({ level: 'error', event: 'agent-failed', code, message })}\n`,
  );
  process.exit(hopeless.has(code) ? supervisionPolicy.hopelessExitCode : 1);
}
