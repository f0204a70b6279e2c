import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { decodeBundle } from '../../shared/codec/bundle.ts';
import { parseStrictJson } from '../../shared/codec/validator.ts';
import { mediaTypes } from '../../shared/contracts/oci-manifest.ts';
import { utf8 } from '../../shared/core/bytes.ts';
import { canonicalJson } from '../../shared/core/canonical-json.ts';
import { type Digest, isDigest } from '../../shared/core/ids.ts';
import { err, ok, type Result } from '../../shared/core/result.ts';
import { digestOf } from '../../shared/trust/hash.ts';
import type { PackedBundle } from './pack-bundle.ts';

/** An OCI image layout (image-spec v1.1) in a folder: what `bundle build` writes and any OCI tool reads. */
export async function writeLayout(folder: string, bundle: PackedBundle): Promise<void> {
  const blobFolder = join(folder, 'blobs', 'sha256');
  await mkdir(blobFolder, { recursive: true });
  const all = [...bundle.blobs, [bundle.digest, bundle.manifest] as const];
  for (const [digest, bytes] of all) await writeFile(join(blobFolder, hexPart(digest)), bytes);
  await writeFile(join(folder, 'oci-layout'), canonicalJson({ imageLayoutVersion: '1.0.0' }));
  const index = {
    schemaVersion: 2,
    mediaType: 'application/vnd.oci.image.index.v1+json',
    manifests: [
      {
        mediaType: mediaTypes.manifest,
        artifactType: mediaTypes.artifact,
        digest: bundle.digest,
        size: bundle.manifest.length,
        annotations: { 'org.opencontainers.image.ref.name': bundle.config.version },
      },
    ],
  };
  await writeFile(join(folder, 'index.json'), utf8(canonicalJson(index)));
}

export type LayoutIssue = {
  readonly code: 'layout-unreadable' | 'digest-mismatch' | 'bundle-inconsistent';
  readonly message: string;
};

/** Reads the single bundle of a layout and checks every blob against its digest. */
export async function readLayout(folder: string): Promise<Result<PackedBundle, LayoutIssue>> {
  const digest = await manifestDigest(folder);
  if (!digest.ok) return digest;
  const manifest = await readBlob(folder, digest.value);
  if (!manifest.ok) return manifest;
  const parsed = parseStrictJson(manifest.value);
  const configDigest = parsed.ok ? digestField(parsed.value, 'config') : undefined;
  if (configDigest === undefined) return unreadable('the manifest names no configuration');
  const config = await readBlob(folder, configDigest);
  if (!config.ok) return config;
  const bundle = decodeBundle(manifest.value, config.value);
  if (!bundle.ok) return err({ code: 'bundle-inconsistent', message: bundle.error.message });
  const blobs = new Map<Digest, Uint8Array>([[configDigest, config.value]]);
  for (const layer of bundle.value.manifest.layers) {
    const bytes = await readBlob(folder, layer.digest);
    if (!bytes.ok) return bytes;
    blobs.set(layer.digest, bytes.value);
  }
  return ok({ digest: digest.value, manifest: manifest.value, config: bundle.value.config, blobs });
}

async function manifestDigest(folder: string): Promise<Result<Digest, LayoutIssue>> {
  let bytes: Uint8Array;
  try {
    bytes = await readFile(join(folder, 'index.json'));
  } catch {
    return unreadable(`${join(folder, 'index.json')} cannot be read`);
  }
  const parsed = parseStrictJson(bytes);
  const manifests = parsed.ok ? field(parsed.value, 'manifests') : undefined;
  if (!Array.isArray(manifests) || manifests.length !== 1) {
    return unreadable('index.json must list exactly one manifest');
  }
  const digest = field(manifests[0], 'digest');
  return typeof digest === 'string' && isDigest(digest)
    ? ok(digest)
    : unreadable('index.json names no sha256 digest');
}

async function readBlob(folder: string, digest: Digest): Promise<Result<Uint8Array, LayoutIssue>> {
  let bytes: Uint8Array;
  try {
    bytes = await readFile(join(folder, 'blobs', 'sha256', hexPart(digest)));
  } catch {
    return unreadable(`blob ${digest} is missing`);
  }
  return digestOf(bytes) === digest
    ? ok(bytes)
    : err({ code: 'digest-mismatch', message: `blob ${digest} has other content` });
}

const field = (value: unknown, name: string): unknown =>
  typeof value === 'object' && value !== null ? Reflect.get(value, name) : undefined;

function digestField(value: unknown, name: string): Digest | undefined {
  const digest = field(field(value, name), 'digest');
  return typeof digest === 'string' && isDigest(digest) ? digest : undefined;
}

const hexPart = (digest: Digest): string => digest.slice('sha256:'.length);

const unreadable = (message: string): Result<never, LayoutIssue> =>
  err({ code: 'layout-unreadable', message });
