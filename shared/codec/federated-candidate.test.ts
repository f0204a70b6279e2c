import { describe, expect, it } from 'vitest';
import type { BundleConfig } from '../contracts/bundle-config.ts';
import { mediaTypes, type OciManifest } from '../contracts/oci-manifest.ts';
import type { AppName, Digest } from '../core/ids.ts';
import { type BundleForm, checkCandidate, checkCandidateTensors } from './federated-candidate.ts';

const digest = (digit: string): Digest => `sha256:${digit.repeat(64)}` as Digest;
const federable = ['weights', 'weights_scale'];

const config: BundleConfig = {
  schemaVersion: 1,
  name: 'filetype' as AppName,
  version: '1.0.0',
  inputs: [{ name: 'x', type: 'float32', shape: ['batch', 2], meaning: '' }],
  outputs: [{ name: 'y', type: 'float32', shape: ['batch', 2], meaning: '' }],
  preprocessing: { kind: 'none' },
  postprocessing: { kind: 'classify', output: 'y', labels: ['a', 'b'] },
  variants: [
    {
      id: 'int8',
      graph: digest('1'),
      tensors: [
        { location: 'weights', digest: digest('2') },
        { location: 'weights_scale', digest: digest('3') },
        { location: 'other', digest: digest('4') },
      ],
      constraints: { provider: 'cpu', cpuFeatures: [], memoryBytesMax: 1 },
      session: { threads: 1, graphOptimization: 'all' },
      evidence: { agreement: 1, bytes: 1, latencyP50Ms: 1, machineClass: '', runtime: '' },
    },
  ],
  golden: { blob: digest('5'), tolerance: [{ provider: 'cpu', absolute: 0.1 }] },
  profile: { n: 0, monitored: [] },
  probation: { inferences: 1, durationMs: 1 },
  limits: { memoryBytesMax: 1, loadTimeoutMs: 1, runTimeoutMs: 1 },
  guards: { errorShareMax: 1, latencyP95MsMax: 1, confidenceMin: 0, inferencesMin: 1 },
  stale: { maxDays: 1, then: 'keep' },
  training: {
    graph: digest('6'),
    parameters: [{ name: 'weights', shape: [1, 2], blob: digest('7'), distanceMax: 1 }],
    clipNorm: 1,
    floors: { devices: 1, samples: 1, epochsMax: 1 },
  },
  chunks: [],
  minAgent: '0.0.0',
  lineage: { createdAtMs: 0 },
};
const manifestOf = (weightsBytes: number, weights: Digest): OciManifest => ({
  schemaVersion: 2,
  mediaType: mediaTypes.manifest,
  artifactType: mediaTypes.artifact,
  config: { mediaType: mediaTypes.config, digest: digest('0'), size: 1 },
  layers: [{ mediaType: mediaTypes.tensor, digest: weights, size: weightsBytes }],
});
const parent: BundleForm = { digest: digest('a'), manifest: manifestOf(2, digest('2')), config };

const [variant] = config.variants;
const withTensor = (location: string, to: Digest): BundleConfig['variants'] => [
  {
    ...variant!,
    tensors: variant!.tensors.map((tensor) =>
      tensor.location === location ? { location, digest: to } : tensor,
    ),
  },
];
const good: BundleConfig = {
  ...config,
  version: '2.0.0',
  parent: digest('a'),
  variants: withTensor('weights', digest('8')),
  lineage: { round: 'rnd-1', createdAtMs: 9 },
};
const formOf = (change: Partial<BundleConfig>, bytes = 2): BundleForm => ({
  digest: digest('b'),
  manifest: manifestOf(bytes, digest('8')),
  config: { ...good, ...change },
});
const codeOf = (candidate: BundleForm, listed = federable): string => {
  const checked = checkCandidate(parent, candidate, listed);
  return checked.ok ? 'accepted' : checked.error.code;
};

describe('checkCandidate', () => {
  it('when only listed tensors, version and lineage differ, accepts', () => {
    expect(codeOf(formOf({}))).toBe('accepted');
  });

  it.each<[string, Partial<BundleConfig>]>([
    ['graph', { variants: [{ ...variant!, graph: digest('9') }] }],
    ['an unlisted tensor', { variants: withTensor('other', digest('9')) }],
    ['golden', { golden: { ...config.golden, blob: digest('9') } }],
    ['limits', { limits: { ...config.limits, memoryBytesMax: 2 } }],
    ['distance', { training: { ...config.training!, clipNorm: 2 } }],
    ['profile', { profile: { n: 1, monitored: [] } }],
    ['guards', { guards: { ...config.guards, errorShareMax: 0 } }],
    ['parent', { parent: digest('c') }],
    ['round', { lineage: { createdAtMs: 9 } }],
    ['variants', { variants: [] }],
  ])('when the %s differs, refuses', (_what, change) => {
    expect(codeOf(formOf(change))).toBe('candidate-differs');
  });

  it('when a replaced blob has another size, or is not listed, refuses', () => {
    expect(codeOf(formOf({}, 3))).toBe('candidate-differs');
    expect(codeOf(formOf({}), ['bias'])).toBe('candidate-differs');
    expect(codeOf(formOf({}), [])).toBe('not-federable');
  });

  it('when a listed location belongs to no parameter, it stays as signed: nobody could measure it', () => {
    const other = formOf({ variants: withTensor('other', digest('9')) });
    expect(codeOf(other, [...federable, 'other'])).toBe('candidate-differs');
  });
});

describe('checkCandidateTensors', () => {
  const floats = (...values: number[]): Uint8Array =>
    new Uint8Array(Float32Array.from(values).buffer);
  const blobs = (weights: readonly number[], parameter: readonly number[]) =>
    new Map<Digest, Uint8Array>([
      [digest('2'), Uint8Array.from(Int8Array.of(10, 20))],
      [digest('3'), floats(0.1, 0.1)],
      [digest('8'), Uint8Array.from(Int8Array.from(weights))],
      [digest('7'), floats(1, 2)],
      [digest('9'), floats(...parameter)],
    ]);
  const check = (weights: readonly number[], parameter: readonly number[]) => {
    const all = blobs(weights, parameter);
    const [first] = config.training!.parameters;
    const training = { ...config.training!, parameters: [{ ...first!, blob: digest('9') }] };
    return checkCandidateTensors(config, { ...good, training }, (name) => all.get(name));
  };

  it('when values stay within the distance, accepts', () => {
    expect(check([15, 25], [1.5, 2.5])).toMatchObject({ ok: true });
  });

  it.each([
    ['what runs is too far', [21, 20], [1, 2]],
    ['the parameters are too far', [10, 20], [2.1, 2]],
    ['a parameter is not finite', [10, 20], [Number.NaN, 2]],
  ])('when %s, refuses', (_what, weights, parameter) => {
    expect(check(weights, parameter)).toMatchObject({ error: { code: 'candidate-too-far' } });
  });

  it('when a tensor has lost elements, refuses', () => {
    expect(check([10], [1, 2])).toMatchObject({ error: { code: 'candidate-differs' } });
  });
});
