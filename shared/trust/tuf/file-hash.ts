import { hexOf } from '../../core/bytes.ts';
import { type Digest, isDigest } from '../../core/ids.ts';
import { startHash } from '../hash.ts';
import type { Hashes, MetaFile, TargetFile } from './metadata.ts';

/** Checks a stream of bytes against signed hashes; algorithms we do not know are passed over. */
export interface HashCheck {
  update(bytes: Uint8Array): void;
  matches(): boolean;
}

export function startHashCheck(hashes: Hashes): HashCheck {
  const known = (['sha256', 'sha512'] as const).flatMap((algorithm) => {
    const expected = hashes.get(algorithm);
    return expected === undefined ? [] : [{ expected, hash: startHash(algorithm) }];
  });
  return {
    update: (bytes) => {
      for (const { hash } of known) hash.update(bytes);
    },
    matches: () =>
      known.length > 0 && known.every(({ expected, hash }) => hexOf(hash.digest()) === expected),
  };
}

/** The target as the content-addressed store names it; `undefined` when it was signed without SHA-256. */
export function digestOfTarget(target: TargetFile): Digest | undefined {
  const digest = `sha256:${target.hashes.get('sha256') ?? ''}`;
  return isDigest(digest) ? digest : undefined;
}

/** 5.5.2, 5.6.2: a file that its parent lists must have the listed length and hashes, where it lists them. */
export function isListedFile(bytes: Uint8Array, meta: MetaFile): boolean {
  if (meta.length !== undefined && meta.length !== bytes.length) return false;
  if (meta.hashes === undefined) return true;
  const check = startHashCheck(meta.hashes);
  check.update(bytes);
  return check.matches();
}
