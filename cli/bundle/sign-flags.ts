import { isFleetId } from '../../shared/core/ids.ts';
import { type DelegationGrant, ed25519Key } from '../../shared/trust/tuf/repository.ts';
import { exitCodes } from '../exit-code.ts';
import { handedKey, type OnlineHandout, readHandout } from '../keys/online-handout.ts';
import type { AllowanceFlags } from './allow-onnx.ts';
import { endWith, type OutputForm } from './output.ts';
import type { SigningKey } from './sign-targets.ts';

export interface SignFlags extends AllowanceFlags {
  readonly repository: string;
  readonly key?: readonly string[];
  readonly passphraseFile?: readonly string[];
  readonly fleet?: readonly string[];
  readonly match?: readonly string[];
  readonly federable?: readonly string[];
  readonly retire?: readonly string[];
  readonly revoke?: readonly string[];
  readonly then: 'stop' | 'replace';
  readonly floor?: readonly string[];
  readonly director?: string;
  readonly online?: string;
  readonly federated?: readonly string[];
  readonly first?: true;
  readonly again?: true;
  readonly proposal?: string;
  readonly expiresDays: string;
  readonly yes?: true;
  readonly output: OutputForm;
}

export function keysOf({ key, passphraseFile }: SignFlags): readonly SigningKey[] {
  if (key === undefined) return endWith(exitCodes.usage, 'name a targets key with --key');
  return key.map((file, at) => ({ file, passphraseFile: passphraseFile?.[at] }));
}

/** `NAME=VALUE`, cut at the last equals sign: a path may hold others. */
export const pairs = (
  texts: readonly string[] | undefined,
  flag: string,
): readonly (readonly [string, string])[] =>
  (texts ?? []).map((text) => {
    const at = text.lastIndexOf('=');
    if (at < 1) return endWith(exitCodes.usage, `${flag} takes NAME=VALUE, not ${text}`);
    return [text.slice(0, at), text.slice(at + 1)];
  });

export function wholeNumber(text: string, flag: string): number {
  const value = Number(text);
  return Number.isSafeInteger(value) && value > 0
    ? value
    : endWith(exitCodes.usage, `${flag} takes a whole number above 0, not ${text}`);
}

export function fleetsOf(fleets: readonly string[] | undefined): readonly string[] {
  const unknown = (fleets ?? []).find((fleet) => !isFleetId(fleet));
  if (unknown !== undefined) endWith(exitCodes.usage, `${unknown} is no fleet name`);
  return fleets ?? [];
}

export async function handoutOf({ online }: SignFlags): Promise<OnlineHandout | undefined> {
  if (online === undefined) return undefined;
  const handout = await readHandout(online);
  return handout.ok ? handout.value : endWith(exitCodes.usage, handout.error);
}

/** The server's federated key may speak for these fleets' candidates, and for nothing else. */
export function grantsOf(
  fleets: readonly string[] | undefined,
  handout: OnlineHandout | undefined,
): readonly DelegationGrant[] {
  const named = fleetsOf(fleets);
  if (named.length === 0) return [];
  if (handout === undefined) return endWith(exitCodes.usage, '--federated needs --online FILE');
  const key = ed25519Key(handedKey(handout, 'federated'));
  return named.map((fleet) => ({
    ...{ name: `federated-${fleet}`, paths: [`federated/${fleet}/*`] },
    ...{ terminating: true, keys: [key], threshold: 1 },
  }));
}
