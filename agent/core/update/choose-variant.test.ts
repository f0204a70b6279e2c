import { expect, test } from 'vitest';
import type { BundleVariant } from '../../../shared/contracts/bundle-config.ts';
import type { CpuFeature } from '../../../shared/contracts/cpu-features.ts';
import { chooseVariant } from './choose-variant.ts';

const variant = (id: string, needs: Partial<BundleVariant['constraints']> = {}): BundleVariant =>
  ({
    id,
    constraints: { provider: 'cpu', cpuFeatures: [], memoryBytesMax: 1_000, ...needs },
  }) as unknown as BundleVariant;
const vnni: CpuFeature[] = ['avx2', 'avx512_vnni'];
const bundle = {
  variants: [
    variant('gpu', { provider: 'webgpu' }),
    variant('int8', { cpuFeatures: vnni }),
    variant('large', { memoryBytesMax: 2_000 }),
    variant('plain'),
  ],
};
const chosen = (facts: Readonly<Record<string, string | number>>) =>
  chooseVariant(bundle, facts)?.id;

test('when several variants fit, the one the bundle names first is taken', () => {
  const able = { providers: 'cpu,webgpu', 'cpu.features': vnni.join(','), 'memory.bytes': 4_000 };
  expect(chosen(able)).toBe('gpu');
  expect(chosen({ ...able, providers: 'cpu' })).toBe('int8');
});

test('when one feature that a variant asks for is missing, or none is known, it is passed over', () => {
  expect(chosen({ 'cpu.features': 'avx,avx2', 'memory.bytes': 1_500 })).toBe('plain');
  expect(chosen({ 'memory.bytes': 1_500 })).toBe('plain');
  expect(chosen({ 'memory.bytes': 2_500 })).toBe('large');
});

test('when a variant names a range of runtimes, both its ends are in it and nothing beyond', () => {
  const on = (runtime: BundleVariant['constraints']['runtime'], version?: string) => {
    const only = { variants: [variant('ranged', runtime === undefined ? {} : { runtime })] };
    const facts = version === undefined ? {} : { 'runtime.version': version };
    return chooseVariant(only, facts) !== undefined;
  };
  const range = { min: '1.20.0', max: '1.30.1' };
  const within = ['1.20.0', '1.29.11', '1.30.1', '1.30.1-dev.20260101'];
  for (const version of within) expect(on(range, version), version).toBe(true);
  for (const version of ['1.19.9', '1.30.2', '1.31.0', '2.0.0']) {
    expect(on(range, version), version).toBe(false);
  }
  expect([on({ min: '1.9.0' }, '1.10.0'), on({ min: '1.9.0' }, '1.8.9')]).toEqual([true, false]);
  expect([on({ max: '1.9.0' }, '0.1.0'), on({ max: '1.9.0' }, '1.10.0')]).toEqual([true, false]);
});

test('when the version of the runtime is not known, a variant with a range is passed over and one without is not', () => {
  const ranged = variant('ranged', { runtime: { min: '0.0.1' } });
  const variants = [ranged, variant('any')];
  expect(chooseVariant({ variants }, {})?.id).toBe('any');
  expect(chooseVariant({ variants }, { 'runtime.version': 'unknown' })?.id).toBe('any');
  expect(chooseVariant({ variants }, { 'runtime.version': '1.0.0' })?.id).toBe('ranged');
  expect(chooseVariant({ variants: [ranged] }, { 'runtime.version': 'unknown' })).toBeUndefined();
});

test('when nothing fits, nothing is chosen', () => {
  expect(chosen({ 'memory.bytes': 10 })).toBeUndefined();
});
