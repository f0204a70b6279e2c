import type { Accuracy } from '../../firmware-bundles/evaluate/classifier-answers.ts';
import type { FederatedResult } from './play-federated.ts';
import { complaintOf, type ResultRow } from './result-row.ts';

export interface DemoResult {
  readonly devices: number;
  readonly daemons: number;
  readonly inferences: number;
  readonly accuracy: ReadonlyMap<string, Accuracy>;
  readonly rows: readonly ResultRow[];
  /** Undefined when the play ended before its round. */
  readonly federated: FederatedResult | undefined;
  readonly auditOk: boolean;
  readonly confidence: { readonly v2: number; readonly wrong: number };
}

/** The order rows stand in, whatever was played. */
const promised: readonly ResultRow['kind'][] = [
  'good',
  'good',
  'tampered',
  'unsigned',
  'golden',
  'crash',
  'slow',
  'wrong',
  'federated',
];

/** Everything that is not as promised, one sentence each; empty when all of it was so. */
export function complaintsOf(result: DemoResult): readonly string[] {
  const { rows, devices, auditOk, confidence, federated } = result;
  const kinds = new Set(rows.map(({ kind }) => kind));
  const missing = [...new Set(promised)].filter((kind) => !kinds.has(kind));
  const notPlayed = missing.length === 0 ? [] : [`not played: ${missing.join(', ')}`];
  const surer = confidence.wrong >= confidence.v2 - confidenceRounding;
  return [
    ...rows.flatMap((row) => complaintOf(row, devices) ?? []),
    ...(surer ? [] : [`wrong is less sure (${confidence.wrong}) than v2 (${confidence.v2})`]),
    ...(auditOk ? [] : ['the audit chain does not verify']),
    ...(result.daemons === 0 ? ['no device ran as a daemon of its own'] : []),
    ...(federated === undefined || federated.state === 'completed'
      ? []
      : [`the federated round ended ${federated.state}`]),
    ...notPlayed,
  ];
}

/** The last line. What was not measured stands in no key. */
export function jsonOf(result: DemoResult) {
  const { devices, daemons, inferences, accuracy, rows, federated, auditOk } = result;
  const share = (value: number): number => Math.round(value * 10_000) / 10_000;
  const intervals = [...accuracy].map(
    ([version, { estimate, low, high }]) =>
      [version, [share(estimate), share(low), share(high)]] as const,
  );
  return {
    devices,
    daemons,
    inferences,
    accuracy: Object.fromEntries(intervals),
    rollouts: rows.map((row) => ({
      bundle: row.bundle,
      kind: row.kind,
      state: row.state,
      reason: row.reason,
      exposed: row.exposed,
      activated: row.activated,
      reverted: row.reverted,
      revertP99Ms: row.revertP99Ms,
      seconds: row.seconds,
    })),
    ...(federated === undefined ? {} : { federated: { ...federated } }),
    auditOk,
  };
}

/** Means over thousands of float32 answers in another order differ in their last digits. */
const confidenceRounding = 1e-6;
