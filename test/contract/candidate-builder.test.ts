import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'vitest';
import { ProcessCandidateBuilder } from '../../fleet-server/adapters/candidate-builder/process-candidate-builder.ts';
import { learningForm } from '../../sim/scenarios/learning-bundle.ts';
import { virtualWorkshop } from '../../sim/scenarios/virtual-workshop.ts';
import { InThreadCandidateBuilder } from '../../sim/world/in-thread-candidate-builder.ts';
import { MemoryBlobStore } from '../../sim/world/memory-blob-store.ts';
import { describeCandidateBuilder } from './candidate-builder.suite.ts';

describeCandidateBuilder('process', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'skein-builder-'));
  const blobs = new MemoryBlobStore();
  return {
    ...{ blobs, builder: new ProcessCandidateBuilder({ blobs, folder }) },
    end: async () => {
      expect(await readdir(folder)).toEqual([]);
      await rm(folder, { recursive: true, force: true });
    },
  };
});

describeCandidateBuilder('in-thread', async () => {
  const blobs = new MemoryBlobStore();
  const work = virtualWorkshop(learningForm);
  return {
    ...{ blobs, builder: new InThreadCandidateBuilder({ blobs, work }) },
    end: async () => undefined,
  };
});
