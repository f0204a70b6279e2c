import { type ErrorCode, errorCodes } from '../../../shared/contracts/error-codes.ts';
import { canonicalJson } from '../../../shared/core/canonical-json.ts';
import type { Answer } from '../inference/read-answer.ts';

/** How one input ended: an answer, or a code of the catalogue with what happened. */
export type InputOutcome =
  | {
      readonly ok: true;
      /** `isDefault`: no model answered; the bundle's constant values stand in. */
      readonly answer: Answer & { readonly latencyMs: number; readonly isDefault?: true };
    }
  | { readonly ok: false; readonly code: string; readonly message: string };

/**
 * One line of JSON, the same for every source: in a file beside the input, or as a message. `about` says which input is
 * meant, where the source itself does not.
 */
export function answerText(
  outcome: InputOutcome,
  about: Readonly<Record<string, string>> = {},
): string {
  if (!outcome.ok) {
    return `${canonicalJson({ ...about, code: outcome.code, message: outcome.message })}\n`;
  }
  const { label, confidence, latencyMs, isDefault } = outcome.answer;
  const named = label === undefined ? {} : { label, confidence };
  const marked = isDefault === undefined ? {} : { default: true };
  return `${canonicalJson({ ...about, ...named, ...marked, latencyMs })}\n`;
}

/** Whether the same input may fare better later: no model runs yet, or its host has just gone. */
export const mayPass = (outcome: InputOutcome): boolean =>
  !outcome.ok && isErrorCode(outcome.code) && errorCodes[outcome.code].retryable;

const isErrorCode = (code: string): code is ErrorCode => Object.hasOwn(errorCodes, code);
