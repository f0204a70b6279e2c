import type { RolloutContext } from '../../fleet-server/core/rollout/rollout-state.ts';
import { resolveSpec } from '../../fleet-server/core/rollout/spec.ts';
import type { TargetableDevice } from '../../fleet-server/core/targeting/filter-ast.ts';
import { emptyArm, noUpdates } from '../../shared/contracts/cohort-totals.ts';
import type { RolloutRequest, RolloutSpec } from '../../shared/contracts/rollout.ts';
import type {
  AppName,
  DeviceId,
  Digest,
  FleetId,
  RolloutId,
  TargetPath,
} from '../../shared/core/ids.ts';
import type { Zones } from '../../shared/ports/zones.ts';

/** Named values for tests of the rollout core. Instants are milliseconds of a fixed day. */
export const startMs = 1_800_000_000_000;
export const fleet = 'demo' as FleetId;
export const filetype = 'filetype' as AppName;
export const digestOfVersion = (version: number): Digest =>
  `sha256:${String(version).padStart(64, '0')}` as Digest;
export const pathOfVersion = (version: number): TargetPath =>
  `bundles/filetype@${version}.0.0` as TargetPath;
export const rolloutId = (n: number): RolloutId =>
  `rol-${n.toString(16).padStart(16, '0')}` as RolloutId;
export const deviceId = (n: number): DeviceId => `edge-${String(n).padStart(4, '0')}` as DeviceId;

/** No zone has rules of its own; enough wherever zones are not the matter. */
export const utcOnly: Zones = { offsetMinutes: () => 0 };

export const requestOf = (
  version: number,
  change: Partial<RolloutRequest> = {},
): RolloutRequest => ({
  app: filetype,
  path: pathOfVersion(version),
  digest: digestOfVersion(version),
  target: 'state = accepted',
  waves: [{ percent: 1 }, { percent: 10 }, { percent: 50 }, { percent: 100 }],
  soakMs: 3_000,
  deadlineMs: 60_000,
  reachMs: 30_000,
  ...change,
});

export function specOf(version: number, change: Partial<RolloutRequest> = {}): RolloutSpec {
  const resolved = resolveSpec(requestOf(version, change), { jitterMs: 0 });
  if (!resolved.ok) throw new Error(resolved.error.message);
  return resolved.value;
}

export const targetableOf = (
  id: DeviceId,
  change: Partial<TargetableDevice> = {},
): TargetableDevice => ({
  device: id,
  state: 'accepted',
  zone: 'Etc/UTC',
  online: true,
  lastSeenMs: startMs,
  enrolledAtMs: startMs - 86_400_000,
  tags: new Map(),
  facts: new Map(),
  ...change,
});

export const quietContext: RolloutContext = {
  nowMs: startMs,
  totals: { updates: noUpdates, failures: [], wave: emptyArm, control: null },
  waveUpdates: noUpdates,
  offerable: 0,
  blocked: 0,
  digest: 'clear',
};
