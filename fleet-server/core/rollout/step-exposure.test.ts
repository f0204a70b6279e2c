import { describe, expect, it } from 'vitest';
import { noUpdates } from '../../../shared/contracts/cohort-totals.ts';
import type { DesiredEntry } from '../../../shared/contracts/desired.ts';
import type { ReportedApp } from '../../../shared/contracts/reported.ts';
import {
  deviceId,
  digestOfVersion,
  filetype,
  pathOfVersion,
  rolloutId,
  startMs,
  utcOnly,
} from '../../../test/support/rollout-samples.ts';
import { countTransition, type Exposure, openExposure, stepExposure } from './step-exposure.ts';

const entryOf = (version: number, n: number) => ({
  app: filetype,
  path: pathOfVersion(version),
  digest: digestOfVersion(version),
  rollout: rolloutId(n),
  retry: 0,
});
const previous: DesiredEntry = entryOf(1, 1);
const context = {
  nowMs: startMs,
  zone: 'Etc/UTC',
  zones: utcOnly,
  window: null,
  deadlineMs: 60_000,
  reachMs: 30_000,
};
const later = (ms: number) => ({ ...context, nowMs: startMs + ms });
const offered = openExposure(
  { device: deviceId(1), wave: 0, generation: 5, previous, entry: entryOf(2, 2) },
  context,
);
const reported = (change: Partial<ReportedApp>, generation = 5) => ({
  type: 'reported' as const,
  generation,
  app: {
    app: filetype,
    phase: 'idle' as const,
    target: { path: pathOfVersion(2), digest: digestOfVersion(2), generation: 5, retry: 0 },
    ...change,
  },
});
const acknowledged = stepExposure(offered, reported({ phase: 'fetching' }), later(10_000));

describe('stepExposure', () => {
  it('starts the deadline at the acknowledgement, not at the offer', () => {
    expect(offered).toMatchObject({ phase: 'offered', dueAtMs: startMs + 30_000 });
    expect(acknowledged).toMatchObject({ phase: 'acknowledged', dueAtMs: startMs + 70_000 });
    const again = stepExposure(acknowledged, reported({ phase: 'probation' }), later(50_000));
    expect(again).toBe(acknowledged);
  });

  it('remembers at which retry a committed bundle was taken back, whatever is said later', () => {
    const committed = stepExposure(acknowledged, reported({ phase: 'committed' }), later(20_000));
    expect(committed).toMatchObject({ phase: 'committed', regressedRetry: null });
    const sour = reported({ phase: 'reverted', regressed: true, reason: 'accuracy' });
    const regressed = stepExposure(committed, sour, later(90_000));
    expect(regressed).toMatchObject({ phase: 'failed', code: 'accuracy', regressedRetry: 0 });
    const again = stepExposure(regressed, reported({ phase: 'committed' }), later(91_000));
    expect(again.regressedRetry).toBe(0);
    const failed = stepExposure(acknowledged, reported({ phase: 'reverted' }), later(20_000));
    expect(failed).toMatchObject({ phase: 'failed', regressedRetry: null });
  });

  it('counts the deadline inside the maintenance window alone', () => {
    // startMs is 2027-01-15T08:00Z.
    const windowed = { ...later(0), window: { from: '09:00', to: '10:00' } };
    const step = stepExposure(offered, reported({ phase: 'fetching' }), windowed);
    expect(step.dueAtMs).toBe(startMs + 3_600_000 + 60_000);
  });

  it('calls a device unreached before its acknowledgement and failed after it, when it stays silent', () => {
    expect(stepExposure(offered, { type: 'due' }, later(29_999))).toBe(offered);
    const unreached = stepExposure(offered, { type: 'due' }, later(30_000));
    expect(unreached).toMatchObject({ phase: 'unreached', dueAtMs: null });
    const silent = stepExposure(acknowledged, { type: 'due' }, later(70_000));
    expect(silent).toMatchObject({ phase: 'failed', code: 'silent-past-deadline' });
    const back = stepExposure(unreached, reported({ phase: 'fetching' }), later(90_000));
    expect(back).toMatchObject({ phase: 'acknowledged', dueAtMs: startMs + 150_000 });
    const late = stepExposure(silent, reported({ phase: 'committed' }), later(90_000));
    expect(late).toMatchObject({ phase: 'committed', code: null });
  });

  it.each([
    [{ phase: 'committed' as const }, 'committed', null],
    [{ phase: 'reverted' as const, reason: 'self-test-failed' }, 'failed', 'self-test-failed'],
    [{ phase: 'refused' as const, reason: 'digest-mismatch' }, 'failed', 'digest-mismatch'],
    [{ phase: 'no-model' as const }, 'failed', 'failed-updates'],
    [{ phase: 'default-answer' as const, reason: 'crash-loop' }, 'failed', 'crash-loop'],
    [{ phase: 'idle' as const, regressed: true, reason: 'latency' }, 'failed', 'latency'],
    [{ phase: 'idle' as const, regressed: true }, 'failed', 'regressed'],
  ])('settles on the report %j', (app, phase, code) => {
    expect(stepExposure(acknowledged, reported(app), later(20_000))).toMatchObject({ phase, code });
  });

  it.each(['refused', 'no-model', 'default-answer', 'probation'] as const)(
    'when the device is %s because its metadata is old, blames the bundle for nothing',
    (phase) => {
      const app = { phase, reason: 'metadata-stale' };
      const committed = stepExposure(acknowledged, reported({ phase: 'committed' }), later(20_000));
      expect(stepExposure(committed, reported(app), later(40_000))).toBe(committed);
      expect(stepExposure(acknowledged, reported(app), later(40_000))).toBe(acknowledged);
    },
  );

  it('reopens a committed record that regressed', () => {
    const committed = stepExposure(acknowledged, reported({ phase: 'committed' }), later(20_000));
    const regressed = reported({ phase: 'reverted', regressed: true, reason: 'error-rate' });
    expect(stepExposure(committed, regressed, later(40_000))).toMatchObject({
      phase: 'failed',
      code: 'error-rate',
    });
  });

  it('ignores reports of an older generation, another digest or an older retry', () => {
    expect(stepExposure(offered, reported({ phase: 'committed' }, 4), later(1))).toBe(offered);
    const other = { path: pathOfVersion(1), digest: digestOfVersion(1), generation: 5, retry: 0 };
    const still = stepExposure(
      acknowledged,
      reported({ phase: 'committed', target: other }),
      later(1),
    );
    expect(still).toBe(acknowledged);
    const again = stepExposure(
      { ...acknowledged, phase: 'failed', dueAtMs: null },
      { type: 'offer-again', generation: 6, retry: 1 },
      later(2),
    );
    expect(again).toMatchObject({ phase: 'offered', retry: 1, generation: 6 });
    const stale = stepExposure(again, reported({ phase: 'reverted' }, 6), later(3));
    expect(stale.phase).toBe('acknowledged');
  });

  it('is restored once the device runs its own previous bundle again', () => {
    const committed = stepExposure(acknowledged, reported({ phase: 'committed' }), later(20_000));
    const restoring = stepExposure(committed, { type: 'restore', generation: 6 }, later(30_000));
    expect(restoring.phase).toBe('restoring');
    const active = (version: number) =>
      reported({ phase: 'committed', active: digestOfVersion(version) }, 6);
    expect(stepExposure(restoring, active(2), later(31_000)).phase).toBe('restoring');
    expect(stepExposure(restoring, active(1), later(31_000)).phase).toBe('restored');
    const away = stepExposure(restoring, { type: 'due' }, later(60_000));
    expect(away.phase).toBe('unrestored');
    expect(stepExposure(away, active(1), later(90_000)).phase).toBe('restored');
  });

  it('keeps counts in step with the phases', () => {
    const steps: Exposure[] = [offered, acknowledged];
    let counts = countTransition(noUpdates, null, 'offered');
    counts = countTransition(counts, steps[0]!.phase, steps[1]!.phase);
    expect(counts).toEqual({ ...noUpdates, acknowledged: 1 });
    expect(countTransition(counts, 'failed', 'failed')).toBe(counts);
  });
});
