import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createDecoder } from '../../shared/codec/validator.ts';
import { CandidateJobSchema, type CandidateOutcome } from '../../shared/contracts/federation.ts';
import { utf8 } from '../../shared/core/bytes.ts';
import { canonicalJson } from '../../shared/core/canonical-json.ts';
import { readLayout, writeLayout } from '../pack/oci-layout.ts';
import { buildCandidate } from './candidate-bundle.ts';
import { readHeldOutSet } from './held-out-set.ts';
import { nativeBench } from './native-bench.ts';

/**
 * Program of the disposable process that builds a candidate: `node candidate-entry.js FOLDER`. Reads `job.json`,
 * `parent/`, `base/`, `parameters.bin` and `held-out.bin`, writes `candidate/` and, last, `outcome.json`. It has no
 * network and no key; a crash here costs the candidate only.
 */
const decodeJob = createDecoder(CandidateJobSchema, 4096);

async function run(folder: string): Promise<CandidateOutcome> {
  const job = decodeJob(await readFile(join(folder, 'job.json')));
  if (!job.ok) return refused(job.error.code, job.error.message);
  const parent = await readLayout(join(folder, 'parent'));
  if (!parent.ok) return refused(parent.error.code, parent.error.message);
  const base = await readLayout(join(folder, 'base'));
  if (!base.ok) return refused(base.error.code, base.error.message);
  const heldOut = readHeldOutSet(await readFile(join(folder, 'held-out.bin')));
  if (!heldOut.ok) return refused(heldOut.error.code, heldOut.error.message);
  const built = await buildCandidate({
    job: job.value,
    ...{ parent: parent.value, base: base.value },
    parameters: await readFile(join(folder, 'parameters.bin')),
    heldOut: heldOut.value,
    bench: nativeBench,
  });
  if (!built.ok) {
    const { code, message, evidence } = built.error;
    return { ...refused(code, message), ...(evidence === undefined ? {} : { evidence }) };
  }
  await writeLayout(join(folder, 'candidate'), built.value.bundle);
  return { kind: 'built', digest: built.value.bundle.digest, evidence: built.value.evidence };
}

const refused = (code: string, message: string): CandidateOutcome => ({
  kind: 'refused',
  code,
  message: message.slice(0, 1024),
});

const folder = process.argv[2] ?? '.';
const outcome = await run(folder);
await writeFile(join(folder, 'outcome.json'), utf8(canonicalJson(outcome)));
