import { checkCandidate } from '../../../shared/codec/federated-candidate.ts';
import type { TargetPath } from '../../../shared/core/ids.ts';
import { ok, type Result } from '../../../shared/core/result.ts';
import type { SignedFile, Targets } from '../../../shared/trust/tuf/metadata.ts';
import {
  acceptTargets,
  checkDelegated,
  checkTopLevel,
} from '../../core/repository/accept-targets.ts';
import {
  checkReleases,
  checkTargetsFacts,
  type Release,
  type TargetsFacts,
} from '../../core/repository/release-rules.ts';
import { type RepositoryRefusal, refuse } from '../../core/repository/repository-refusal.ts';
import type { TrustedMetadata } from '../../core/repository/trusted-metadata.ts';
import type { BlobStore } from '../../ports/blob-store.ts';
import { checkStoredBundle, type StoredBundle } from './check-stored-bundle.ts';
import { type ReadFixed, readReleases, readTargetsFacts } from './read-targets-facts.ts';

/** A targets file that may be served, with what it adds. */
export interface TargetsPlan {
  readonly file: SignedFile<Targets>;
  readonly facts: TargetsFacts;
  /** Each bundle that was not published before. */
  readonly added: ReadonlyMap<TargetPath, StoredBundle>;
}

export interface PlanContext {
  readonly trusted: TrustedMetadata;
  /** Of the trusted targets. */
  readonly facts: TargetsFacts | undefined;
  readonly blobs: BlobStore;
  readonly readFixed: ReadFixed;
  readonly nowMs: number;
}

type Planned = Promise<Result<TargetsPlan, RepositoryRefusal>>;

export async function planTopLevel(bytes: Uint8Array, context: PlanContext): Planned {
  const { trusted, facts: before, blobs, readFixed, nowMs } = context;
  const root = trusted.root.body;
  const accepted = acceptTargets({
    ...{ bytes, role: 'targets', nowMs },
    delegator: { keyRing: root, role: root.roles.get('targets') },
    trustedVersion: trusted.targets?.body.version ?? 0,
  });
  if (!accepted.ok) return accepted;
  const form = checkTopLevel(root, accepted.value.body, trusted.targets?.body);
  if (!form.ok) return form;
  const facts = await readTargetsFacts(accepted.value, readFixed);
  if (!facts.ok) return facts;
  const rules = checkTargetsFacts(before, facts.value);
  if (!rules.ok) return rules;
  const added = await checkAdded(blobs, before, facts.value.releases.values());
  if (!added.ok) return added;
  return ok({ file: accepted.value, facts: facts.value, added: added.value });
}

/** A fleet's candidates, under the floors and revocations of the top-level file. */
export async function planDelegated(
  fleet: string,
  file: {
    readonly bytes: Uint8Array;
    readonly role: string;
    readonly before: SignedFile<Targets> | undefined;
  },
  context: PlanContext,
): Planned {
  const { trusted, facts: top, blobs, nowMs } = context;
  const delegations = trusted.targets?.body.delegations;
  const delegated = delegations?.roles.find(({ name }) => name === file.role);
  if (delegations === undefined || delegated === undefined || top === undefined) {
    return refuse('delegation-refused', `${file.role} is not delegated`);
  }
  const accepted = acceptTargets({
    ...{ bytes: file.bytes, role: file.role, nowMs },
    delegator: { keyRing: delegations, role: delegated },
    trustedVersion: file.before?.body.version ?? 0,
  });
  if (!accepted.ok) return accepted;
  const form = checkDelegated(fleet, accepted.value.body);
  if (!form.ok) return form;
  const releases = readReleases(accepted.value.body);
  if (!releases.ok) return releases;
  const earlier = file.before === undefined ? undefined : readReleases(file.before.body);
  const before = earlier?.ok === true ? { releases: earlier.value } : undefined;
  const facts = { ...top, releases: releases.value };
  const rules = checkReleases(before, facts);
  if (!rules.ok) return rules;
  const added = await checkAdded(blobs, before, releases.value.values());
  if (!added.ok) return added;
  for (const candidate of added.value.values()) {
    const related = await checkParent(candidate, { fleet, top, blobs });
    if (!related.ok) return related;
  }
  return ok({ file: accepted.value, facts, added: added.value });
}

/** The parent is signed offline for this fleet, is live, and says which tensors a candidate may replace. */
async function checkParent(
  candidate: StoredBundle,
  context: { readonly fleet: string; readonly top: TargetsFacts; readonly blobs: BlobStore },
): Promise<Result<void, RepositoryRefusal>> {
  const { fleet, top, blobs } = context;
  const release = [...top.releases.values()].find(
    ({ digest }) => digest === candidate.config.parent,
  );
  const { custom } = release ?? {};
  const isOfFleet = custom?.fleets.length === 0 || custom?.fleets.includes(fleet) === true;
  const federable = custom?.status === 'live' && isOfFleet ? custom.federable : undefined;
  if (release === undefined || federable === undefined) {
    return refuse('candidate-differs', 'its parent is no live federable bundle of this fleet');
  }
  const parent = await checkStoredBundle(blobs, release);
  // Distances are not judged here: a device measures them, because a stolen server would not.
  return parent.ok ? checkCandidate(parent.value, candidate, federable) : parent;
}

async function checkAdded(
  blobs: BlobStore,
  before: Pick<TargetsFacts, 'releases'> | undefined,
  releases: Iterable<Release>,
): Promise<Result<ReadonlyMap<TargetPath, StoredBundle>, RepositoryRefusal>> {
  const added = new Map<TargetPath, StoredBundle>();
  for (const release of releases) {
    if (before?.releases.has(release.path) === true) continue;
    const bundle = await checkStoredBundle(blobs, release);
    if (!bundle.ok) return bundle;
    added.set(release.path, bundle.value);
  }
  return ok(added);
}
