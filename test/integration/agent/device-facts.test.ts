import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { expect, test } from 'vitest';
import { readDeviceFacts } from '../../../agent/adapters/device-facts.ts';
import type { RuntimeProof } from '../../../shared/ports/inference-runtime.ts';
import { createOnnxRuntime } from '../../../shared/runtime/onnx-runtime.ts';

const factsOf = (probe: () => Promise<RuntimeProof>) =>
  readDeviceFacts({
    runtime: { probe, open: () => Promise.reject(new Error('not asked')) },
    ...{ agentVersion: '0.1.0', isCloud: false, inputsMayLeave: false },
  });

test('when the runtime answers, its own word for its version is the fact, and it is what is installed', async () => {
  const facts = await factsOf(() => createOnnxRuntime().probe());
  const path = createRequire(import.meta.url).resolve('onnxruntime-node/package.json');
  const installed = JSON.parse(readFileSync(path, 'utf8')) as { readonly version: string };
  expect(facts['runtime.version']).toBe(installed.version);
  expect(String(facts['providers']).split(',')).toContain('cpu');
});

test('when nothing answers, no version is claimed', async () => {
  const facts = await factsOf(async () => ({ providers: [], version: undefined }));
  expect([facts['runtime.version'], facts['providers']]).toEqual(['unknown', '']);
});
