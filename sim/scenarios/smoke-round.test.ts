import { describe, expect, it } from 'vitest';
import type { DeviceId, Digest } from '../../shared/core/ids.ts';
import { exaggerating, interrupted, late, runSmokeRound } from './smoke-round.ts';

const everyone = (digest: Digest): readonly Digest[] => Array<Digest>(7).fill(digest);

describe('a federated round in the smoke world', () => {
  it('with one update too far, one too late and one cut off, goes by canary to everybody, twice to the last byte', async () => {
    const first = await runSmokeRound('smoke');
    const { round, rollout, contributions, ledgers } = first;
    expect(first.serverErrors).toEqual([]);
    expect(round).toMatchObject({ phase: 'completed', counted: 5, refused: 1 });
    if (round.phase !== 'completed') throw new Error(round.phase);
    expect(round.invited).toHaveLength(7);
    const { path, digest, evidence } = round.candidate;
    expect(path).toBe('federated/smoke/smoke@1.1.0');
    expect(evidence.candidate.correct).toBeGreaterThan(evidence.base.correct);

    const verdicts = new Map(contributions.map(({ device, verdict }) => [device, verdict]));
    expect(verdicts.get(exaggerating)).toBe('update-norm-exceeded');
    expect(verdicts.get(interrupted)).toBe('counted');
    expect(verdicts.has(late)).toBe(false);
    expect(first.uploads.at(-1)).toEqual({ device: late, answer: 'round-closed' });
    const triesOf = (device: DeviceId) =>
      ledgers.get(device)?.map(({ tries, report }) => [tries, report !== undefined]);
    expect(triesOf(interrupted)).toEqual([[2, true]]);
    expect(triesOf(exaggerating)).toEqual([[1, true]]);
    expect(triesOf(late)).toEqual([[1, false]]);

    expect(rollout).toMatchObject({ kind: 'completed', spec: { path, digest } });
    expect([...first.running.values()]).toEqual(everyone(digest));

    const second = await runSmokeRound('smoke');
    expect(second.traceHash).toBe(first.traceHash);
  });

  it('when the candidate is not better on what was held out, rejects it and leaves every device alone', async () => {
    const seen = await runSmokeRound('worse', { heldOut: 'contrary' });
    const { round, rollout, running, parent } = seen;
    expect(seen.serverErrors).toEqual([]);
    expect(round).toMatchObject({ phase: 'candidate-rejected', reason: 'candidate-not-better' });
    expect(round).toMatchObject({ counted: 5, refused: 1, evidence: { n: 100 } });
    expect(rollout).toBeUndefined();
    expect([...running.values()]).toEqual(everyone(parent));
  });

  it('when the candidate fails on the first device that has it, ends with it taken back and rejected', async () => {
    const seen = await runSmokeRound('sour', { candidateSoursAfterRuns: 4 });
    const { round, rollout, running, parent } = seen;
    const reason = 'error-share-exceeded';
    expect(seen.serverErrors).toEqual([]);
    expect(round).toMatchObject({ phase: 'candidate-rejected', reason, counted: 5, refused: 1 });
    expect(rollout).toMatchObject({ kind: 'aborted', code: reason });
    // The canary was one device, and it went back by itself.
    expect(rollout?.last.because).toContainEqual(
      expect.objectContaining({ name: 'restored-devices', value: 1 }),
    );
    expect([...running.values()]).toEqual(everyone(parent));
  });
});
