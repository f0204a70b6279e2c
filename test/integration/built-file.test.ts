import { expect, test } from 'vitest';
import { builtFile } from '../../shared/adapters/built-file.ts';

const house = new URL('../../', import.meta.url);

test('when the caller runs from source, the built file lies below dist', () => {
  const caller = new URL('shared/runtime/worker/worker-line.ts', house).href;
  const built = new URL('dist/shared/runtime/worker/worker.js', house).href;
  expect(builtFile(caller, './worker.ts').href).toBe(built);
  expect(builtFile(caller, '../../runtime/worker/worker.ts').href).toBe(built);
});

test('when the caller runs from dist, the built file lies beside it', () => {
  const caller = new URL('dist/shared/runtime/worker/worker-line.js', house).href;
  expect(builtFile(caller, './worker.ts').href).toBe(
    new URL('dist/shared/runtime/worker/worker.js', house).href,
  );
});

test('when the file is no source or lies outside of the house, that is a bug', () => {
  const caller = new URL('shared/x.ts', house).href;
  expect(() => builtFile(caller, './worker.js')).toThrow('not a source file');
  expect(() => builtFile(caller, '../../elsewhere.ts')).toThrow('outside of the house');
});
