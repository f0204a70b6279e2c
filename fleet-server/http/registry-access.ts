import type { ErrorCode } from '../../shared/contracts/error-codes.ts';
import { bytesOfBase64, textOf } from '../../shared/core/bytes.ts';
import type { Result } from '../../shared/core/result.ts';
import type { ReadScope } from '../runner/repository/registry-reader.ts';

/** Who asks, as far as the repository needs to know. */
export interface RegistryCaller {
  /** For the audit chain. */
  readonly actor: string;
  readonly scope: ReadScope;
}

/** Turns a token into rights: an API token of a person, or the session token of a device. */
export type AuthorizeRegistry = (
  token: string | undefined,
  need: 'read' | 'publish',
) => Promise<Result<RegistryCaller, { readonly code: ErrorCode; readonly message: string }>>;

/** `Bearer TOKEN`, or HTTP Basic with the token as password, as OCI clients send it. */
export function tokenOf(authorization: string | undefined): string | undefined {
  const [scheme = '', value = ''] = (authorization ?? '').split(' ');
  if (scheme.toLowerCase() === 'bearer') return value === '' ? undefined : value;
  if (scheme.toLowerCase() !== 'basic') return undefined;
  const decoded = textOf(bytesOfBase64(value) ?? new Uint8Array(0)) ?? '';
  const at = decoded.indexOf(':');
  return at === -1 || at === decoded.length - 1 ? undefined : decoded.slice(at + 1);
}
