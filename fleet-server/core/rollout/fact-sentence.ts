import type { Fact } from '../../../shared/contracts/explanation.ts';

/**
 * One clause per fact name: why it stands in the way, in words. Every name that a decision can block on is here;
 * a test walks through them.
 */
export const factClauses: Readonly<Record<string, (fact: Fact) => string>> = {
  // A device and a rollout
  enrolment: ({ value }) => `the device is ${text(value)}, not accepted`,
  member: () => 'the target does not mean it, or it was enrolled after membership froze',
  'rollout-state': ({ value }) => `the rollout is ${text(value)}`,
  'revoked-digest': () => 'the bundle is revoked',
  'stopped-digest': () => 'the bundle was aborted or regressed before',
  regressions: ({ value }) =>
    `the bundle was taken back after its commit ${value === 1 ? 'once' : `${text(value)} times`}, so no other device is offered it`,
  'protocol-unspoken': ({ value, limit }) =>
    `the agent speaks protocol ${text(value)} and this server ${text(limit)}`,
  'agent-version': ({ value, limit }) =>
    `the agent is ${text(value)} and the bundle needs ${text(limit)} or newer`,
  'superseded-by': ({ value }) => `the newer ${text(value)} has already given it a bundle`,
  'claimed-by': ({ value }) => `${text(value)} holds the claim on this app`,
  wave: ({ value, limit }) =>
    limit === 0
      ? `its wave is ${text(value)} and none is open yet`
      : `its wave is ${text(value)} and wave ${text(limit)} is open`,
  'refused-at-retry': ({ value, limit }) =>
    `the device refused the bundle at retry ${text(value)}, and this is retry ${text(limit)}`,
  'maintenance-window': ({ value }) =>
    value === null
      ? 'its maintenance window never opens'
      : `its maintenance window opens at ${instant(value)}`,

  // A rollout under way
  'devices-to-offer': ({ value }) => `${devices(value)} still to be offered the bundle`,
  'devices-not-answered': ({ value }) => `${devices(value)} yet to acknowledge the offer`,
  'devices-updating': ({ value }) => `${devices(value)} still updating`,
  'unreached-devices': ({ value, limit }) =>
    `${count(value)} not reached, ${limit === 0 ? 'none' : text(limit)} taken instead`,
  'reached-devices': () => 'no device was reached, and silence proves nothing',
  soak: ({ limit }) => `it soaks until ${instant(limit)}`,

  // A verdict
  'nothing-committed': ({ value }) => `all ${text(value)} updates with an outcome failed`,
  'wave-sample-devices': sampleClause('devices of the wave report'),
  'wave-sample-inferences': sampleClause('inferences of the wave are in'),
  'control-sample-devices': sampleClause('devices of the control report'),
  'control-sample-inferences': sampleClause('inferences of the control are in'),
  'failed-updates-ceiling': shareClause('of the updates failed'),
  'error-rate-control': shareClause('more inferences fail than in the control'),
  'error-rate-ceiling': shareClause('of the inferences fail'),
  'accuracy-control': shareClause('more labelled inputs are wrong than in the control'),
  'accuracy-ceiling': shareClause('of the labelled inputs are wrong'),
  'latency-control': ({ value, limit }) =>
    `the 95th percentile of the latency is ${round(value)} times the control's (at most ${text(limit)})`,
  'latency-ceiling': ({ value, limit }) =>
    `the 95th percentile of the latency is ${round(value)} ms (at most ${text(limit)} ms)`,
  'class-shift-control': ({ value, limit }) =>
    `the predicted classes are ${round(value)} away from the control's (at most ${text(limit)})`,
};

/** The clauses of all blocking facts, the first one first. */
export function blockingClauses(facts: readonly Fact[]): string {
  return facts
    .filter((fact) => fact.blocks)
    .map((fact) => (factClauses[fact.name] ?? plainClause)(fact))
    .join('; ');
}

/** What stands in nobody's way, and people ask for all the same. */
const asides = new Set(['unreached-devices']);

/** The clauses of what does not block but is worth a word. */
export function asideClauses(facts: readonly Fact[]): string {
  return facts
    .filter((fact) => asides.has(fact.name) && !fact.blocks)
    .map((fact) => (factClauses[fact.name] ?? plainClause)(fact))
    .join('; ');
}

const plainClause = ({ name, value, limit }: Fact): string =>
  `${name} is ${text(value)} (${text(limit)})`;

function sampleClause(what: string): (fact: Fact) => string {
  return ({ value, limit }) => `only ${text(value)} of ${text(limit)} ${what}`;
}

function shareClause(what: string): (fact: Fact) => string {
  return ({ value, limit }) => `${percent(value)} ${what} (at most ${percent(limit)})`;
}

const text = (value: Fact['value']): string => String(value);
const instant = (value: Fact['value']): string =>
  typeof value === 'number' ? new Date(value).toISOString() : text(value);
const round = (value: Fact['value']): string =>
  typeof value === 'number' ? String(Math.round(value * 1000) / 1000) : text(value);
const percent = (value: Fact['value']): string =>
  typeof value === 'number' ? `${Math.round(value * 1000) / 10} %` : text(value);
const devices = (value: Fact['value']): string =>
  value === 1 ? '1 device is' : `${text(value)} devices are`;
const count = (value: Fact['value']): string =>
  value === 1 ? '1 device was' : `${text(value)} devices were`;
