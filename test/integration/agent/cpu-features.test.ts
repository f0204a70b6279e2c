import { expect, test } from 'vitest';
import { cpuFeaturesIn, readCpuFeatures } from '../../../agent/adapters/cpu-features.ts';
import { cpuFeatures } from '../../../shared/contracts/cpu-features.ts';

test('when the system lists flags, those that a variant may ask for are told, in one order', () => {
  const x86 = 'processor\t: 0\nflags\t\t: fpu vme avx512_vnni avx avx2 sse4_2 fma\nbugs\t: x\n';
  expect(cpuFeaturesIn(x86)).toEqual(['avx', 'avx2', 'avx512_vnni', 'fma']);
  const arm = 'processor\t: 0\nFeatures\t: fp asimd evtstrm asimddp i8mm\n';
  expect(cpuFeaturesIn(arm)).toEqual(['asimd', 'asimddp', 'i8mm']);
});

test('when it lists none, nothing is claimed', () => {
  expect(cpuFeaturesIn('')).toEqual([]);
  expect(cpuFeaturesIn('model name\t: avx2\n')).toEqual([]);
});

test('when this machine is asked, all it names together fit a fact', () => {
  expect(readCpuFeatures().every((feature) => cpuFeatures.includes(feature))).toBe(true);
  expect(cpuFeatures.join(',').length).toBeLessThanOrEqual(128);
});
