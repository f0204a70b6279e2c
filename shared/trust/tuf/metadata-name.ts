import { utf8 } from '../../core/bytes.ts';
import { sha256Hex } from '../hash.ts';
import type { TargetFile } from './metadata.ts';

/**
 * Name of a metadata file below the repository's metadata URL (6, consistent snapshots). The role name is
 * percent-encoded whole, so that no role reaches outside the folder.
 */
export function remoteMetadataName(role: string, version: number | undefined): string {
  const name = `${encodeURIComponent(role)}.json`;
  return version === undefined ? name : `${version}.${name}`;
}

/** Name of the trusted copy on disk. Role names that could mean something to a file system are hashed. */
export function localMetadataName(role: string): string {
  return /^[A-Za-z0-9_-]{1,64}$/.test(role) ? `${role}.json` : `@${sha256Hex(utf8(role))}.json`;
}

/**
 * Path of a target below the repository's target URL, percent-encoded. With consistent snapshots the file name
 * carries its hash in front (5.7.3).
 */
export function remoteTargetPath(target: TargetFile, hashPrefixed: boolean): string {
  const segments = target.path.split('/');
  const last = segments.pop() ?? '';
  const hash = target.hashes.get('sha256') ?? target.hashes.get('sha512') ?? '';
  const name = hashPrefixed ? `${hash}.${last}` : last;
  return [...segments, name].map(encodeSegment).join('/');
}

/** RFC 3986 `pchar` stays as it is: `@` and `:` are allowed in a path and stand in our target names. */
function encodeSegment(segment: string): string {
  return encodeURIComponent(segment).replace(/%(40|3A|24|26|2B|2C|3B|3D)/g, (code) =>
    decodeURIComponent(code),
  );
}
