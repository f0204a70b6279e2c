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

test('when nothing fits, nothing is chosen', () => {
  expect(chosen({ 'memory.bytes': 10 })).toBeUndefined();
});
