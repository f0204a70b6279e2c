import type { Device } from '../../fleet-server/core/model/device.ts';
import type { DeviceApp } from '../../fleet-server/core/model/device-app.ts';
import type { Rollout } from '../../fleet-server/core/model/rollout.ts';
import type { Exposure } from '../../fleet-server/core/rollout/step-exposure.ts';
import type { ReceivedWindow } from '../../fleet-server/runner/commit-windows.ts';
import type { Window, WindowModel } from '../../shared/contracts/window.ts';
import { utf8 } from '../../shared/core/bytes.ts';
import type {
  AppName,
  BootId,
  DeviceId,
  Digest,
  Epoch,
  FleetId,
  OutboxId,
  RolloutId,
  RoundId,
  TargetPath,
} from '../../shared/core/ids.ts';

/** Nouns of a small plant, each valid by itself, with one field or two of a test's own. */
export const plant = 'plant' as FleetId;
export const harbour = 'harbour' as FleetId;
export const filetype = 'filetype' as AppName;
export const deviceId = (name: string): DeviceId => name as DeviceId;
export const digest = (digit: string): Digest => `sha256:${digit.repeat(64)}` as Digest;
export const outboxId = (digit: string): OutboxId => digit.repeat(32) as OutboxId;
export const bootId = (digit: string): BootId => digit.repeat(32) as BootId;
export const epochOf = (digit: string): Epoch => digit.repeat(32) as Epoch;
export const rolloutId = (digit: string): RolloutId => `rol-${digit.repeat(16)}` as RolloutId;
export const roundId = (digit: string): RoundId => `rnd-${digit.repeat(16)}` as RoundId;
export const targetPath = (version: string): TargetPath =>
  `bundles/filetype@${version}` as TargetPath;

export const device = (name: string, change: Partial<Device> = {}): Device => ({
  fleet: plant,
  device: deviceId(name),
  publicKey: 'aa'.repeat(32),
  keyDigest: 'bb'.repeat(32),
  state: 'accepted',
  epoch: epochOf('e'),
  cell: 7,
  tags: { site: 'oslo' },
  claimHash: null,
  enrolledAtMs: 1000,
  facts: { 'cpu.arch': 'arm64', 'memory.mib': 512 },
  zone: 'Europe/Oslo',
  agentVersion: '0.1.0',
  protocolMin: 1,
  protocolMax: 1,
  online: false,
  lastSeenMs: null,
  presenceBoot: null,
  presenceSeq: 0,
  reportedNumber: null,
  seenDirectorVersion: 0,
  seenGeneration: 0,
  issuedDirectorVersion: 0,
  issuedGeneration: 0,
  needsReport: false,
  ...change,
});

export const deviceApp = (name: string, change: Partial<DeviceApp> = {}): DeviceApp => ({
  fleet: plant,
  device: deviceId(name),
  app: filetype,
  desired: {
    path: targetPath('2.0.0'),
    digest: digest('2'),
    rollout: rolloutId('a'),
    retry: 0,
    sinceMs: 5,
  },
  previous: null,
  phase: 'committed',
  active: digest('1'),
  lastGood: digest('1'),
  target: null,
  reason: null,
  regressed: false,
  firstCommittedAtMs: 900,
  revertMs: null,
  refused: [{ digest: digest('9'), retry: 0, reason: 'hang' }],
  ...change,
});

export const rollout = (digit: string, change: Partial<Rollout> = {}): Rollout => ({
  fleet: plant,
  rollout: rolloutId(digit),
  app: filetype,
  digest: digest('2'),
  status: 'running',
  wave: 1,
  version: 1,
  spec: { waves: [{ percent: 1 }] },
  reducerState: { phase: 'offering' },
  author: 'ada',
  createdAtMs: 1000,
  updatedAtMs: 1000,
  ...change,
});

export const exposure = (name: string, change: Partial<Exposure> = {}): Exposure => ({
  rollout: rolloutId('a'),
  device: deviceId(name),
  app: filetype,
  digest: digest('2'),
  retry: 0,
  wave: 1,
  generation: 4,
  previous: { app: filetype, path: targetPath('1.0.0'), digest: digest('1'), retry: 0 },
  offeredAtMs: 2000,
  acknowledgedAtMs: null,
  phase: 'offered',
  code: null,
  dueAtMs: 9000,
  regressedRetry: null,
  ...change,
});

export const windowModel = (change: Partial<WindowModel> = {}): WindowModel => ({
  app: filetype,
  digest: digest('2'),
  phase: 'committed',
  inferences: 10,
  errors: [],
  latency: [1, 9],
  predicted: [4, 6],
  labelled: 10,
  correct: 9,
  confidenceMicros: 9_000_000,
  monitored: [],
  ...change,
});

/** A window of one number, sealed as a device would. */
export function received(name: string, number: number, change: Partial<Window> = {}) {
  const window: Window = {
    outbox: outboxId('0'),
    first: number,
    last: number,
    fromMs: 1000 * number,
    toMs: 1000 * number + 999,
    models: [windowModel()],
    ...change,
  };
  const sealed = utf8(JSON.stringify(window));
  const result: ReceivedWindow = {
    fleet: plant,
    device: deviceId(name),
    window,
    sealed,
    receivedAtMs: 1000 * number,
  };
  return result;
}
