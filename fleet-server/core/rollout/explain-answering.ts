import { type ErrorCode, errorCodes } from '../../../shared/contracts/error-codes.ts';
import type { Explanation, Fact } from '../../../shared/contracts/explanation.ts';
import { limits } from '../../../shared/contracts/limits.ts';
import type { DeviceApp } from '../model/device-app.ts';

type Answering = Pick<DeviceApp, 'phase' | 'reason' | 'active'>;

/**
 * Adds what the device itself says of the app, where no model or not the wanted one may run there: an order alone does
 * not tell what answers.
 */
export function explainAnswering(
  explanation: Explanation,
  reported: Answering | undefined,
): Explanation {
  const clause = reported === undefined ? undefined : clauseOf(reported);
  if (reported === undefined || clause === undefined) return explanation;
  const { phase, reason } = reported;
  const facts: readonly Fact[] = [
    { name: 'device-phase', value: phase, limit: null, blocks: false },
    { name: 'device-reason', value: reason, limit: null, blocks: false },
  ];
  const room = limits.becauseMax - facts.length;
  return {
    ...explanation,
    sentence: `${explanation.sentence} ${clause}`,
    because: [...explanation.because.slice(0, room), ...facts],
  };
}

function clauseOf({ phase, reason, active }: Answering): string | undefined {
  const why = `(${reason ?? 'no reason given'})${sentenceOf(reason)}`;
  if (phase === 'default-answer') {
    return `No model of it may run there, and the default answer of its bundle is given ${why}`;
  }
  if (phase === 'no-model') return `The device says that no model of it runs ${why}`;
  if (reason !== 'metadata-stale') return undefined;
  return active === null
    ? `The device says that no model of it runs ${why}`
    : `The device runs an older bundle instead ${why}`;
}

/** Catalogue sentences end with a full stop; what an unknown agent says is left as a code. */
function sentenceOf(reason: string | null): string {
  return reason !== null && isErrorCode(reason) ? `: ${errorCodes[reason].sentence}` : '.';
}

const isErrorCode = (code: string): code is ErrorCode => Object.hasOwn(errorCodes, code);
