import type { CandidateEvidence, CandidateJob } from '../../shared/contracts/federation.ts';
import type { Digest } from '../../shared/core/ids.ts';
import type { Result } from '../../shared/core/result.ts';

export interface CandidateRequest {
  readonly job: CandidateJob;
  /** Manifest digest of the offline-signed parent; its blobs lie in the BlobStore. */
  readonly parent: Digest;
  /** Manifest digest of the bundle that the devices learned from; the candidate must be better than it. */
  readonly base: Digest;
  /** Averaged parameters, float32 in declared order. */
  readonly parameters: Uint8Array;
  /** Blob of labelled held-out inputs. */
  readonly heldOut: Digest;
}

/** A candidate whose blobs lie in the BlobStore; nobody has signed it yet. */
export interface BuiltCandidate {
  /** Of the manifest. */
  readonly digest: Digest;
  readonly evidence: CandidateEvidence;
}

/** The workshop's verdict: the same inputs would give it again. */
export interface CandidateRefusal {
  readonly code: string;
  readonly message: string;
  readonly evidence: CandidateEvidence | null;
}

/** Evaluates, quantizes and packs outside of the server: what goes wrong there costs the candidate only. */
export interface CandidateBuilder {
  /** Throws `candidate-build-failed` when the building process crashed, hung or outgrew its memory. */
  build(request: CandidateRequest): Promise<Result<BuiltCandidate, CandidateRefusal>>;
}
