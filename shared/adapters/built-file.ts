import { invariant } from '../core/invariant.ts';

/** `shared/adapters/` lies two folders below the root, in the sources and in `dist/` alike. */
const root = new URL('../../', import.meta.url);

/**
 * The built `.js` of a source file named relative to the calling module: `builtFile(import.meta.url, './worker.ts')`.
 * Workers and child processes always run from `dist/`, because Node runs no TypeScript; the caller may itself run
 * from `dist/` (production) or from source (tests, after a build).
 */
export function builtFile(moduleUrl: string, sourcePath: string): URL {
  invariant(sourcePath.endsWith('.ts'), `not a source file: ${sourcePath}`);
  const beside = new URL(`${sourcePath.slice(0, -'.ts'.length)}.js`, moduleUrl);
  if (!moduleUrl.endsWith('.ts')) return beside;
  invariant(beside.href.startsWith(root.href), `outside of the house: ${beside.href}`);
  return new URL(`dist/${beside.href.slice(root.href.length)}`, root);
}
