import { err, ok, type Result } from '../../../shared/core/result.ts';
import type { Root, SignedFile } from '../../../shared/trust/tuf/metadata.ts';
import { checkRootExpiry, verifyNextRoot } from '../../../shared/trust/tuf/verify-metadata.ts';
import { type OnlinePublicKeys, refusalOfOnlineKeys } from './online-keys.ts';
import { type RepositoryRefusal, refuse } from './repository-refusal.ts';

/** A root is served when every device that trusts the one before will accept it (5.3.4, 5.3.5). */
export function acceptRoot(
  bytes: Uint8Array,
  trusted: Root,
  options: { readonly keys: OnlinePublicKeys; readonly nowMs: number },
): Result<SignedFile<Root>, RepositoryRefusal> {
  const verified = verifyNextRoot(bytes, trusted);
  if (!verified.ok) {
    const { code, message } = verified.error;
    return refuse(code === 'tuf-version-mismatch' ? 'metadata-not-next' : code, message);
  }
  const { body } = verified.value;
  const fresh = checkRootExpiry(body, { kind: 'trusted', nowMs: options.nowMs });
  if (!fresh.ok) return refuse(fresh.error.code, fresh.error.message);
  const unlisted = refusalOfOnlineKeys(body, options.keys);
  return unlisted === undefined ? ok(verified.value) : err(unlisted);
}
