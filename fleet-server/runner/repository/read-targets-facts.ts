import { createDecoder, createValidator } from '../../../shared/codec/validator.ts';
import {
  type DirectorKeys,
  DirectorKeysSchema,
  RevokedSchema,
  TargetCustomSchema,
} from '../../../shared/contracts/bundle-config.ts';
import { limits } from '../../../shared/contracts/limits.ts';
import { isAppName, isTargetPath, type TargetPath } from '../../../shared/core/ids.ts';
import { err, ok, type Result } from '../../../shared/core/result.ts';
import { entriesOf, isJsonObject } from '../../../shared/trust/strict-json.ts';
import { digestOfTarget } from '../../../shared/trust/tuf/file-hash.ts';
import type { SignedFile, TargetFile, Targets } from '../../../shared/trust/tuf/metadata.ts';
import { isTarget } from '../../../shared/trust/tuf/receive-target.ts';
import type { Release, TargetsFacts } from '../../core/repository/release-rules.ts';
import { type RepositoryRefusal, refuse } from '../../core/repository/repository-refusal.ts';

const validateCustom = createValidator(TargetCustomSchema);
export const decodeDirectorKeys = createDecoder(DirectorKeysSchema, limits.fixedTargetBytesMax);
export const decodeRevoked = createDecoder(RevokedSchema, limits.fixedTargetBytesMax);

/** Bytes of a fixed target by what was signed for it, or undefined where they were not uploaded. */
export type ReadFixed = (target: TargetFile) => Promise<Uint8Array | undefined>;

/** Decodes what a top-level targets file says beyond TUF. */
export async function readTargetsFacts(
  file: SignedFile<Targets>,
  readFixed: ReadFixed,
): Promise<Result<TargetsFacts, RepositoryRefusal>> {
  const releases = readReleases(file.body);
  if (!releases.ok) return releases;
  const floor = readRollbackFloor(file);
  if (!floor.ok) return floor;
  const director = await fixedBytes(file.body, 'director.json', readFixed);
  if (!director.ok) return director;
  const keys = decodeDirectorKeys(director.value);
  if (!keys.ok) return refuse(keys.error.code, `director.json: ${keys.error.message}`);
  const twice = keyTwice(keys.value);
  if (twice !== undefined) return refuse('key-in-two-roles', `director.json names ${twice} twice`);
  const revoked = await fixedBytes(file.body, 'revoked.json', readFixed);
  if (!revoked.ok) return revoked;
  const list = decodeRevoked(revoked.value);
  if (!list.ok) return refuse(list.error.code, `revoked.json: ${list.error.message}`);
  return ok({
    releases: releases.value,
    rollbackFloor: floor.value,
    director: keys.value,
    revoked: list.value.revoked,
  });
}

/** Bundles of a targets file, in the order of their paths. */
export function readReleases(
  body: Targets,
): Result<ReadonlyMap<TargetPath, Release>, RepositoryRefusal> {
  const releases = new Map<TargetPath, Release>();
  const paths = [...body.targets.keys()].sort();
  for (const path of paths) {
    const target = body.targets.get(path);
    if (target === undefined || !isTargetPath(path)) continue;
    const custom = validateCustom(target.custom ?? {});
    if (!custom.ok) {
      const { pointer, message } = custom.error;
      return refuse('release-invalid', `${path}: custom${pointer} ${message}`);
    }
    const { name, version } = custom.value;
    if (path.slice(path.lastIndexOf('/') + 1) !== `${name}@${version}`) {
      return refuse('release-invalid', `${path}: custom names ${name}@${version}`);
    }
    const digest = digestOfTarget(target);
    if (digest === undefined) return refuse('release-invalid', `${path} has no sha256`);
    releases.set(path, { path, digest, bytes: target.length, custom: custom.value });
  }
  return ok(releases);
}

/** `rollbackFloor` of the signed body: least live release counter by bundle name. */
export function readRollbackFloor(
  file: SignedFile<Targets>,
): Result<ReadonlyMap<string, number>, RepositoryRefusal> {
  const value = file.signed['rollbackFloor'];
  if (value === undefined) return ok(new Map());
  if (!isJsonObject(value)) return refuse('release-invalid', 'rollbackFloor is not an object');
  const floor = new Map<string, number>();
  for (const [name, counter] of entriesOf(value)) {
    const isCounter = typeof counter === 'number' && Number.isSafeInteger(counter) && counter >= 0;
    if (!isAppName(name) || !isCounter) {
      return refuse('release-invalid', `rollbackFloor of ${name.slice(0, 64)} is no counter`);
    }
    floor.set(name, counter);
  }
  return ok(floor);
}

async function fixedBytes(
  body: Targets,
  name: string,
  readFixed: ReadFixed,
): Promise<Result<Uint8Array, RepositoryRefusal>> {
  const target = body.targets.get(name);
  const bytes = target === undefined ? undefined : await readFixed(target);
  return target !== undefined && bytes !== undefined && isTarget(target, bytes)
    ? ok(bytes)
    : err({ code: 'fixed-target-missing', message: `${name} was not uploaded as it is signed` });
}

function keyTwice({ keys, auditKeys }: DirectorKeys): string | undefined {
  const all = [...keys, ...auditKeys];
  return all.find((key, place) => all.indexOf(key) !== place);
}
