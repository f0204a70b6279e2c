import { expect, test } from 'vitest';
import { decodeManifest } from '../../../shared/codec/bundle.ts';
import { sampleBundle } from '../../../test/support/sample-bundle.ts';
import { type CandidateBundle, checkCandidate } from './candidate-rules.ts';

function bundleOf(change: Parameters<typeof sampleBundle>[0]): CandidateBundle {
  const { manifest, config } = sampleBundle(change);
  const decoded = decodeManifest(manifest);
  if (!decoded.ok) throw new Error(decoded.error.message);
  return { manifest: decoded.value, config };
}

const parent = bundleOf({ version: '1.0.0' });
const candidate = bundleOf({ version: '1.0.1', fill: 7 });

const codeOf = (next: CandidateBundle, federable = ['w']): string => {
  const checked = checkCandidate(parent, next, federable);
  return checked.ok ? 'ok' : checked.error.code;
};

test('when only federable tensors differ, the candidate is the same program', () => {
  expect(codeOf(candidate)).toBe('ok');
  expect(codeOf(candidate, [])).toBe('candidate-differs');
});

test('when limits, guards, golden vectors or the graph differ, it is another program', () => {
  const { config } = candidate;
  const changes: CandidateBundle['config'][] = [
    { ...config, guards: { ...config.guards, errorShareMax: 1 } },
    { ...config, limits: { ...config.limits, memoryBytesMax: 1 } },
    { ...config, golden: { ...config.golden, blob: config.variants[0]!.graph } },
    { ...config, variants: config.variants.map((v) => ({ ...v, graph: config.golden.blob })) },
    { ...config, variants: [] },
  ];
  for (const changed of changes) {
    expect(codeOf({ ...candidate, config: changed })).toBe('candidate-differs');
  }
});

test('when a federable tensor has another size, it is another program', () => {
  const layers = candidate.manifest.layers.map((layer) => ({ ...layer, size: layer.size + 4 }));
  expect(codeOf({ ...candidate, manifest: { ...candidate.manifest, layers } })).toBe(
    'candidate-differs',
  );
});
