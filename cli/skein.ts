#!/usr/bin/env node
import { exitCodes } from './exit-code.ts';
import { runSkein } from './program.ts';

process.once('SIGINT', () => process.exit(exitCodes.interrupted));

try {
  process.exitCode = await runSkein(process.argv.slice(2), {
    out: (text) => process.stdout.write(text),
    err: (text) => process.stderr.write(text),
  });
} catch (error) {
  console.error(error);
  process.exitCode = exitCodes.failed;
}
