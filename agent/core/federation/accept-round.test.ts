import { describe, expect, it } from 'vitest';
import type { BundleConfig } from '../../../shared/contracts/bundle-config.ts';
import { type RoundOrder, roundUploadPath } from '../../../shared/contracts/federation.ts';
import type {
  AppName,
  DeviceId,
  Digest,
  Epoch,
  FleetId,
  RoundId,
  TargetPath,
} from '../../../shared/core/ids.ts';
import { acceptRound, type RoundScene } from './accept-round.ts';
import { clipDelta } from './clip-delta.ts';

const hourMs = 3_600_000;
const nowMs = 100 * 24 * hourMs;
const bundle = `sha256:${'1'.repeat(64)}` as Digest;
const round = 'rnd-0000000000000001' as RoundId;
const identity = {
  fleet: 'plant' as FleetId,
  device: 'edge-1' as DeviceId,
  deviceKey: 'a'.repeat(64),
  epoch: 'e'.repeat(32) as Epoch,
};
const training: NonNullable<BundleConfig['training']> = {
  ...{ graph: bundle, parameters: [], clipNorm: 1 },
  floors: { devices: 6, samples: 8, epochsMax: 5 },
};
const order: RoundOrder = {
  ...{ ...identity, round, number: 1, app: 'filetype' as AppName },
  bundle: { path: 'bundles/filetype@1.0.0' as TargetPath, digest: bundle },
  task: { epochs: 5, batchRows: 8, learningRate: 1, goalDevices: 6, weightSamplesMax: 40 },
  ...{ issuedAtMs: nowMs, expiresAtMs: nowMs + hourMs, uploadPath: roundUploadPath(round) },
};
const scene: RoundScene = {
  ...{ identity, trustedNowMs: nowMs, running: bundle, training, samples: 8, ledger: [] },
  ...{ roundsPerDay: 2, roundTriesMax: 3 },
};
const begun = (digit: string, atMs: number, tries = 1) => ({
  ...{ round: `rnd-${digit.repeat(16)}` as RoundId, bundle, atMs, tries },
});
const codeOf = (change: Partial<RoundScene>, changed: Partial<RoundOrder> = {}): string => {
  const accepted = acceptRound({ ...order, ...changed }, { ...scene, ...change });
  return accepted.ok ? 'accepted' : accepted.error;
};

describe('acceptRound', () => {
  it('given an order for this device that keeps the signed floors, takes part', () => {
    expect(codeOf({})).toBe('accepted');
  });

  it.each<[string, Partial<RoundScene>]>([
    ['round-expired', { trustedNowMs: nowMs + hourMs }],
    ['round-expired', { trustedNowMs: undefined }],
    ['round-repeated', { ledger: [{ ...begun('1', nowMs, 3), round }] }],
    ['round-bundle-not-running', { running: undefined }],
    ['not-federable', { training: undefined }],
    ['too-few-examples', { samples: 7 }],
    ['round-budget-spent', { ledger: [begun('2', nowMs - hourMs), begun('3', nowMs + hourMs)] }],
  ])('answers %s where the device is not ready: %j', (code, change) => {
    expect(codeOf(change)).toBe(code);
  });

  it('given rounds of the day before, has a new budget; a begun round needs none', () => {
    const older = [begun('2', nowMs - 25 * hourMs), begun('3', nowMs - 25 * hourMs)];
    expect(codeOf({ ledger: older })).toBe('accepted');
    const spent = [begun('2', nowMs), { ...begun('1', nowMs), round }];
    expect(codeOf({ ledger: spent })).toBe('accepted');
  });

  it('given an order below the signed floors, does nothing', () => {
    const task = { ...order.task };
    expect(codeOf({}, { task: { ...task, goalDevices: 5 } })).toBe('below-round-floor');
    expect(codeOf({}, { task: { ...task, epochs: 6 } })).toBe('below-round-floor');
  });

  it('given another device, epoch or place to send to, does nothing', () => {
    expect(codeOf({}, { device: 'edge-2' as DeviceId })).toBe('round-for-another');
    expect(codeOf({}, { epoch: 'f'.repeat(32) as Epoch })).toBe('round-for-another');
    const uploadPath = roundUploadPath('rnd-0000000000000002' as RoundId);
    expect(codeOf({}, { uploadPath })).toBe('round-for-another');
  });
});

describe('clipDelta', () => {
  it('given a long update, scales it to the norm; given a short one, leaves it', () => {
    const [start, trained] = [[new Float32Array(2)], [Float32Array.of(3, 4)]];
    const clipped = clipDelta(start, trained, 1);
    expect(clipped.ok && clipped.value.norm).toBe(5);
    expect(clipped.ok && [...(clipped.value.tensors[0] ?? [])]).toEqual([
      expect.closeTo(0.6, 6),
      expect.closeTo(0.8, 6),
    ]);
    expect(clipDelta(start, trained, 5)).toMatchObject({ ok: true, value: { norm: 5 } });
  });

  it('given a training that ended in no number, says so', () => {
    const start = [new Float32Array(2)];
    for (const value of [Number.NaN, Number.POSITIVE_INFINITY]) {
      const ended = clipDelta(start, [Float32Array.of(0, value)], 1);
      expect(ended).toEqual({ ok: false, error: 'training-diverged' });
    }
    expect(clipDelta(start, [], 1)).toEqual({ ok: false, error: 'training-diverged' });
  });
});
