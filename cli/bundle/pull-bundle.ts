import type { PackedBundle } from '../../firmware-bundles/pack/pack-bundle.ts';
import { decodeBundle, decodeManifest } from '../../shared/codec/bundle.ts';
import type { OnnxAllowance } from '../../shared/codec/onnx-allowance.ts';
import { limits } from '../../shared/contracts/limits.ts';
import { type Digest, isDigest } from '../../shared/core/ids.ts';
import { OperatingError } from '../../shared/core/operating-error.ts';
import { ok, type Result } from '../../shared/core/result.ts';
import { digestOf } from '../../shared/trust/hash.ts';
import { collect } from '../../shared/trust/tuf/metadata-source.ts';
import { checkBundle, type LayoutProblem } from './check-layout.ts';

export interface PullRequest {
  readonly origin: string;
  readonly name: string;
  /** A digest, or a version as the registry's tag. */
  readonly reference: string;
  readonly token: string | undefined;
  readonly allow: OnnxAllowance;
}

/**
 * Fetches a bundle from any OCI registry and checks every byte against the digest asked for. A tag is only the
 * registry's word for a digest: compare the digest that comes back with one that was signed.
 */
export async function pullBundle(
  request: PullRequest,
): Promise<Result<PackedBundle, LayoutProblem>> {
  const { reference } = request;
  const manifestBytes = await get(request, `manifests/${reference}`, limits.manifestBytesMax);
  const digest = digestOf(manifestBytes);
  if (isDigest(reference) && digest !== reference) return wrongBytes(reference, digest);
  const manifest = decodeManifest(manifestBytes);
  if (!manifest.ok) return manifest;
  const { config, layers } = manifest.value;
  const blobs = new Map<Digest, Uint8Array>();
  for (const descriptor of [config, ...layers]) {
    const bytes = await get(request, `blobs/${descriptor.digest}`, descriptor.size);
    const got = digestOf(bytes);
    if (got !== descriptor.digest) return wrongBytes(descriptor.digest, got);
    blobs.set(descriptor.digest, bytes);
  }
  const bundle = decodeBundle(manifestBytes, blobs.get(config.digest) ?? new Uint8Array(0));
  if (!bundle.ok) return bundle;
  const packed = { digest, manifest: manifestBytes, config: bundle.value.config, blobs };
  const checked = checkBundle(packed, request.allow);
  return checked.ok ? ok(packed) : checked;
}

async function get(
  { origin, name, token }: PullRequest,
  path: string,
  bytesMax: number,
): Promise<Uint8Array> {
  const url = `${origin.replace(/\/$/, '')}/v2/${name}/${path}`;
  const response = await fetch(url, {
    redirect: 'error',
    headers: {
      'accept-encoding': 'identity',
      accept: 'application/vnd.oci.image.manifest.v1+json, */*',
      ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
    },
    signal: AbortSignal.timeout(limits.tufTargetTimeoutMs),
  }).catch((cause: unknown) => {
    throw new OperatingError('fetch-failed', `${url} could not be fetched`, { cause });
  });
  if (response.ok && response.body !== null) {
    return collect(response.body as AsyncIterable<Uint8Array>, bytesMax);
  }
  await response.body?.cancel();
  const code = codeOfStatus.get(response.status) ?? 'fetch-failed';
  throw new OperatingError(code, `${path} answered ${response.status}`);
}

const codeOfStatus: ReadonlyMap<number, string> = new Map([
  [401, 'token-invalid'],
  [403, 'token-invalid'],
  [404, 'not-published'],
]);

const wrongBytes = (wanted: Digest, got: Digest): Result<never, LayoutProblem> => ({
  ok: false,
  error: { code: 'digest-mismatch', message: `asked for ${wanted}, got ${got}` },
});
