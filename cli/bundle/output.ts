import type { Command } from 'commander';
import type { Json } from '../../shared/core/canonical-json.ts';
import { printable } from '../../shared/core/printable.ts';
import { outputOption } from '../api/output-option.ts';
import { CommandEnded, type ExitCode, exitCodes } from '../exit-code.ts';

export type OutputForm = 'table' | 'json';

export const withOutput = (command: Command): Command => command.addOption(outputOption());

/** Rows with one word in front, or the machine form on one line. */
export function answer(form: OutputForm, value: Json, rows: readonly (readonly string[])[]): void {
  if (form === 'json') {
    console.log(JSON.stringify(value));
    return;
  }
  const widths = (rows[0] ?? []).map((_, at) =>
    Math.max(...rows.map((row) => (row[at] ?? '').length)),
  );
  for (const row of rows) {
    const cells = row.map((cell, at) => cell.padEnd(at === row.length - 1 ? 0 : (widths[at] ?? 0)));
    console.log(printable(cells.join('  ')));
  }
}

export function endWith(exitCode: ExitCode, sentence: string): never {
  console.error(printable(`error: ${sentence}`));
  throw new CommandEnded(exitCode);
}

/** The exit code that belongs to a failure's code. */
export function exitCodeOf(code: string): ExitCode {
  if (notFound.has(code)) return exitCodes.notFound;
  if (signature.test(code)) return exitCodes.signature;
  if (code === 'wrong-passphrase' || code.startsWith('token-') || code.startsWith('role-')) {
    return exitCodes.auth;
  }
  return conflict.has(code) ? exitCodes.conflict : exitCodes.failed;
}

const notFound: ReadonlySet<string> = new Set([
  'not-published',
  'tuf-target-not-found',
  'layout-unreadable',
]);
const signature = /^tuf-|^onnx-|^root-mismatch$|digest-mismatch$|^bundle-inconsistent$|^signature-/;
const conflict: ReadonlySet<string> = new Set([
  ...['metadata-not-next', 'release-changed', 'release-lost', 'release-counter-low'],
  ...['rollback-floor-lowered', 'below-rollback-floor', 'revocation-lost'],
  ...['store-conflict', 'bundle-incomplete', 'fixed-target-missing', 'director-keys-older'],
  ...['repository-begun', 'base-unseen', 'share-unlisted', 'root-already-published'],
  ...['secret-file-exists', 'role-lost'],
]);
