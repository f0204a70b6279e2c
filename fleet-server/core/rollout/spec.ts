import type {
  ApprovalBinding,
  Gates,
  RolloutRequest,
  RolloutSpec,
  Wave,
} from '../../../shared/contracts/rollout.ts';
import { utf8 } from '../../../shared/core/bytes.ts';
import { canonicalJson } from '../../../shared/core/canonical-json.ts';
import { err, ok, type Result } from '../../../shared/core/result.ts';
import { sha256Hex } from '../../../shared/trust/hash.ts';
import { type FilterError, showFilterError } from '../targeting/filter-error.ts';
import { parseFilter } from '../targeting/parse-filter.ts';
import { printFilter } from '../targeting/print-filter.ts';

export interface SpecError {
  readonly code: 'rollout-spec-invalid' | FilterError['code'];
  /** JSON pointer into the request. */
  readonly pointer: string;
  readonly message: string;
}

/** An ordinary policy: a wave of a few devices passes unless it shows harm, and proven harm aborts. */
export const defaultGates: Gates = {
  minimumSample: { devices: 2, inferences: 200 },
  failedUpdates: { shareMax: 0.05 },
  errorRate: { increaseMax: 0.01, ceiling: 0.2 },
  latencyP95: { ratioMax: 1.5, ceilingMs: null },
  accuracy: { dropMax: 0.05, floor: null, labelledMin: 50 },
  classShift: { distanceMax: 0.25 },
  promote: 'unless-harm',
  falseAbortShare: 0.05,
  // Design effect 5.95 at 100 inferences a device: the usual guess for readings of one machine.
  intraclass: 0.05,
};

const hourMs = 3_600_000;

/**
 * Fills in the defaults and checks what a schema cannot: the filter, that waves ascend to everyone, and that devices
 * which spread their fetches over `jitterMs` are not counted as late for it.
 */
export function resolveSpec(
  request: RolloutRequest,
  { jitterMs }: { readonly jitterMs: number },
): Result<RolloutSpec, SpecError> {
  const target = parseFilter(request.target);
  if (!target.ok) {
    const message = showFilterError(request.target, target.error);
    return err({ code: target.error.code, pointer: '/target', message });
  }
  const deadlineMs = request.deadlineMs ?? hourMs;
  const reachMs = request.reachMs ?? 24 * hourMs;
  const mistake =
    mistakeInWaves(request.waves) ?? mistakeInTimes({ deadlineMs, reachMs }, jitterMs);
  if (mistake !== undefined) return err({ code: 'rollout-spec-invalid', ...mistake });
  return ok({
    app: request.app,
    path: request.path,
    digest: request.digest,
    target: printFilter(target.value),
    waves: request.waves,
    membership: request.membership ?? 'static',
    holdback: request.holdback ?? null,
    stratifyBy: [...(request.stratifyBy ?? [])].sort(),
    soakMs: request.soakMs ?? hourMs,
    deadlineMs,
    reachMs,
    approval: request.approval ?? 'none',
    window: request.window ?? null,
    gates: { ...defaultGates, ...request.gates },
    supersede: request.supersede ?? false,
    overrideStop: request.overrideStop ?? false,
    comment: request.comment ?? '',
  });
}

/** What the approver sees and binds. */
export function bindingOf(spec: RolloutSpec): ApprovalBinding {
  const { digest, target, ...policy } = spec;
  const policyHash = sha256Hex(utf8(canonicalJson(policy)));
  return { digest, policyHash, target };
}

export const isSameBinding = (a: ApprovalBinding, b: ApprovalBinding): boolean =>
  a.digest === b.digest && a.policyHash === b.policyHash && a.target === b.target;

type Mistake = { readonly pointer: string; readonly message: string };

function mistakeInWaves(waves: readonly Wave[]): Mistake | undefined {
  const last = waves.at(-1);
  if (last === undefined || !('percent' in last) || last.percent !== 100) {
    const message =
      'The last wave must be { "percent": 100 }, so that the plan ends with everyone.';
    return { pointer: `/waves/${waves.length - 1}`, message };
  }
  for (let i = 1; i < waves.length; i += 1) {
    const [before, wave] = [waves[i - 1], waves[i]];
    if (before === undefined || wave === undefined || ascends(before, wave)) continue;
    return { pointer: `/waves/${i}`, message: 'Each wave must be larger than the one before.' };
  }
  return undefined;
}

function mistakeInTimes(
  times: Readonly<Record<'deadlineMs' | 'reachMs', number>>,
  jitterMs: number,
): Mistake | undefined {
  for (const name of ['deadlineMs', 'reachMs'] as const) {
    if (times[name] >= jitterMs) continue;
    const message = `${name} is ${times[name]}, but devices take up to jitterMs, ${jitterMs}, to begin.`;
    return { pointer: `/${name}`, message };
  }
  return undefined;
}

/** Percent and count compare only once the members are counted; the assignment then keeps them ascending. */
const ascends = (before: Wave, wave: Wave): boolean => {
  if ('percent' in before && 'percent' in wave) return before.percent < wave.percent;
  if ('count' in before && 'count' in wave) return before.count < wave.count;
  return true;
};
