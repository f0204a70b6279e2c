import { mkdir, mkdtemp, open, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { decodeManifest } from '../../../shared/codec/bundle.ts';
import { createDecoder } from '../../../shared/codec/validator.ts';
import {
  type CandidateOutcome,
  CandidateOutcomeSchema,
} from '../../../shared/contracts/federation.ts';
import { limits } from '../../../shared/contracts/limits.ts';
import { mediaTypes } from '../../../shared/contracts/oci-manifest.ts';
import { streamOf } from '../../../shared/core/byte-stream.ts';
import { utf8 } from '../../../shared/core/bytes.ts';
import { canonicalJson } from '../../../shared/core/canonical-json.ts';
import type { Digest } from '../../../shared/core/ids.ts';
import { OperatingError } from '../../../shared/core/operating-error.ts';
import { digestOf } from '../../../shared/trust/hash.ts';
import type { BlobStore } from '../../ports/blob-store.ts';
import type { CandidateRequest } from '../../ports/candidate-builder.ts';

const decodeOutcome = createDecoder(CandidateOutcomeSchema, limits.candidateOutcomeBytesMax);

type CandidateBlobs = Pick<BlobStore, 'read' | 'put'>;

/** What the building process is given and gives back: files in a folder of its own, removed afterwards. */
export class JobFolder {
  readonly path: string;
  readonly #blobs: CandidateBlobs;

  private constructor(path: string, blobs: CandidateBlobs) {
    this.path = path;
    this.#blobs = blobs;
  }

  /** Throws `candidate-build-failed` when a blob of the bundles or the held-out set is not in the store. */
  static async create(
    options: { readonly parentFolder: string; readonly blobs: CandidateBlobs },
    request: CandidateRequest,
  ): Promise<JobFolder> {
    await mkdir(options.parentFolder, { recursive: true });
    const path = await mkdtemp(join(options.parentFolder, 'candidate-'));
    const folder = new JobFolder(path, options.blobs);
    try {
      await writeFile(join(path, 'job.json'), canonicalJson(request.job));
      await writeFile(join(path, 'parameters.bin'), request.parameters);
      await folder.#writeBlob(request.heldOut, join(path, 'held-out.bin'));
      await folder.#writeLayout('parent', request.parent);
      await folder.#writeLayout('base', request.base);
      return folder;
    } catch (error) {
      await folder.remove();
      throw error;
    }
  }

  /** Undefined when the process ended without one. */
  async outcome(): Promise<CandidateOutcome | undefined> {
    try {
      const decoded = decodeOutcome(await readFile(join(this.path, 'outcome.json')));
      return decoded.ok ? decoded.value : undefined;
    } catch {
      // Absent: the process did not get that far, and its exit says why.
      return undefined;
    }
  }

  /** Moves the candidate's manifest and blobs into the BlobStore, each under the hash of its own bytes. */
  async keepCandidate(digest: Digest): Promise<void> {
    const bytes = await this.#readCandidate(digest);
    const manifest = decodeManifest(bytes);
    if (!manifest.ok)
      throw failed(`the candidate's manifest is refused: ${manifest.error.message}`);
    for (const layer of [manifest.value.config, ...manifest.value.layers]) {
      // Also what is here already: said again, it is not collected before the candidate is published.
      await this.#put(layer.digest, await this.#readCandidate(layer.digest));
    }
    await this.#put(digest, bytes);
  }

  async remove(): Promise<void> {
    await rm(this.path, { recursive: true, force: true });
  }

  async #writeLayout(name: 'parent' | 'base', manifestDigest: Digest): Promise<void> {
    const folder = join(this.path, name);
    await mkdir(join(folder, 'blobs', 'sha256'), { recursive: true });
    const manifestPath = blobPath(folder, manifestDigest);
    await this.#writeBlob(manifestDigest, manifestPath);
    const manifestBytes = await readFile(manifestPath);
    const manifest = decodeManifest(manifestBytes);
    if (!manifest.ok)
      throw failed(`the manifest of the ${name} is refused: ${manifest.error.message}`);
    for (const layer of [manifest.value.config, ...manifest.value.layers]) {
      await this.#writeBlob(layer.digest, blobPath(folder, layer.digest));
    }
    const descriptor = {
      mediaType: mediaTypes.manifest,
      digest: manifestDigest,
      size: manifestBytes.length,
    };
    const index = { schemaVersion: 2, manifests: [descriptor] };
    await writeFile(join(folder, 'index.json'), utf8(canonicalJson(index)));
    await writeFile(join(folder, 'oci-layout'), canonicalJson({ imageLayoutVersion: '1.0.0' }));
  }

  async #writeBlob(digest: Digest, path: string): Promise<void> {
    const body = await this.#blobs.read(digest);
    if (body === undefined) throw failed(`blob ${digest} is not in the store`);
    const file = await open(path, 'w');
    try {
      for await (const piece of body) await file.write(piece);
    } finally {
      await file.close();
    }
  }

  async #readCandidate(digest: Digest): Promise<Uint8Array> {
    const bytes = await readFile(blobPath(join(this.path, 'candidate'), digest));
    if (digestOf(bytes) !== digest) throw failed(`blob ${digest} has other content`);
    return bytes;
  }

  async #put(digest: Digest, bytes: Uint8Array): Promise<void> {
    const put = await this.#blobs.put(digest, streamOf(bytes), { bytesMax: limits.uploadBytesMax });
    if (!put.ok) throw failed(put.error.message);
  }
}

const blobPath = (layout: string, digest: Digest): string =>
  join(layout, 'blobs', 'sha256', digest.slice('sha256:'.length));

const failed = (message: string): OperatingError =>
  new OperatingError('candidate-build-failed', message, { retryable: true });
