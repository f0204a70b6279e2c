import { checkCandidate } from '../../../shared/codec/federated-candidate.ts';
import type { OnnxAllowance } from '../../../shared/codec/onnx-allowance.ts';
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
import { fleetsOf } from './register-releases.ts';

/** A targets file that may be served, with what it adds. */
export interface TargetsPlan {
  readonly file: SignedFile<Targets>;
  readonly facts: TargetsFacts;
  /** Each bundle that was not published before. */
  readonly added: ReadonlyMap<TargetPath, StoredBundle>;
  /** Each that is live again though its content had been let go: it is here again, whole. */
  readonly revived: ReadonlyMap<TargetPath, StoredBundle>;
}

export interface PlanContext {
  readonly trusted: TrustedMetadata;
  /** Of the trusted targets. */
  readonly facts: TargetsFacts | undefined;
  readonly blobs: BlobStore;
  /** What graphs of new bundles may hold beyond the usual. */
  readonly onnx: OnnxAllowance;
  readonly readFixed: ReadFixed;
  /** Those of these paths whose content was let go, and that may be live again. */
  readonly listReleased: (paths: readonly TargetPath[]) => Promise<ReadonlySet<TargetPath>>;
  readonly nowMs: number;
}

type Planned = Promise<Result<TargetsPlan, RepositoryRefusal>>;

export async function planTopLevel(bytes: Uint8Array, context: PlanContext): Planned {
  const { trusted, facts: before, readFixed, nowMs } = context;
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
  const checked = await checkContents(context, before, facts.value);
  if (!checked.ok) return checked;
  return ok({ file: accepted.value, facts: facts.value, ...checked.value });
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
  const { trusted, facts: top, blobs, onnx, nowMs } = context;
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
  const checked = await checkContents(context, before, facts);
  if (!checked.ok) return checked;
  for (const candidate of checked.value.added.values()) {
    const related = await checkParent(candidate, { fleet, top, blobs, onnx });
    if (!related.ok) return related;
  }
  return ok({ file: accepted.value, facts, ...checked.value });
}

/** The parent is signed offline for this fleet, is live, and says which tensors a candidate may replace. */
async function checkParent(
  candidate: StoredBundle,
  context: Pick<PlanContext, 'blobs' | 'onnx'> & {
    readonly fleet: string;
    readonly top: TargetsFacts;
  },
): Promise<Result<void, RepositoryRefusal>> {
  const { fleet, top, blobs, onnx } = context;
  const release = [...top.releases.values()].find(
    ({ digest }) => digest === candidate.config.parent,
  );
  const { custom } = release ?? {};
  const isOfFleet = custom?.fleets.length === 0 || custom?.fleets.includes(fleet) === true;
  const federable = custom?.status === 'live' && isOfFleet ? custom.federable : undefined;
  if (release === undefined || federable === undefined) {
    return refuse('candidate-differs', 'its parent is no live federable bundle of this fleet');
  }
  const parent = await checkStoredBundle(blobs, release, onnx);
  // Distances are not judged here: a device measures them, because a stolen server would not.
  return parent.ok ? checkCandidate(parent.value, candidate, federable) : parent;
}

/** Whatever devices may install from now on and could not before is here whole. */
async function checkContents(
  { blobs, onnx, listReleased }: Pick<PlanContext, 'blobs' | 'onnx' | 'listReleased'>,
  before: Pick<TargetsFacts, 'releases'> | undefined,
  { releases }: Pick<TargetsFacts, 'releases'>,
): Promise<Result<Pick<TargetsPlan, 'added' | 'revived'>, RepositoryRefusal>> {
  const added = new Map<TargetPath, StoredBundle>();
  const revived = new Map<TargetPath, StoredBundle>();
  const known = [...releases.values()].filter(({ path }) => before?.releases.has(path) === true);
  const live = known.filter((release) => release.custom.status === 'live' && isRead(release));
  const released = await listReleased(live.map(({ path }) => path));
  for (const release of releases.values()) {
    const isKnown = before?.releases.has(release.path) === true;
    if (isKnown && !released.has(release.path)) continue;
    const bundle = await checkStoredBundle(blobs, release, onnx);
    if (!bundle.ok) return bundle;
    (isKnown ? revived : added).set(release.path, bundle.value);
  }
  return ok({ added, revived });
}

const isRead = (release: Release): boolean => fleetsOf(release).length > 0;
