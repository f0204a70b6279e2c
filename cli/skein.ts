#!/usr/bin/env node
import { exitCodes } from './exit-code.ts';
import { keepDaemonSmall } from './small-daemon.ts';

process.once('SIGINT', () => process.exit(exitCodes.interrupted));
const args = process.argv.slice(2);
keepDaemonSmall(args);

try {
  const { runSkein } = await import('./program.ts');
  process.exitCode = await runSkein(args, {
    out: (text) => process.stdout.write(text),
    err: (text) => process.stderr.write(text),
  });
} catch (error) {
  console.error(error);
  process.exitCode = exitCodes.failed;
}
