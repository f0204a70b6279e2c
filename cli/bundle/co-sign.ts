import { join } from 'node:path';
import { fixedTargets } from '../../fleet-server/core/repository/accept-targets.ts';
import type { OnnxAllowance } from '../../shared/codec/onnx-allowance.ts';
import { err, ok, type Result } from '../../shared/core/result.ts';
import type { SignedFile, Targets } from '../../shared/trust/tuf/metadata.ts';
import { parseMetadata } from '../../shared/trust/tuf/parse-metadata.ts';
import { isTarget } from '../../shared/trust/tuf/receive-target.ts';
import { readOptional } from '../keys/workspace.ts';
import { checkLayout } from './check-layout.ts';
import { differencesOfFixed, type FixedFiles } from './fixed-targets.ts';
import type { SigningBase } from './signing-base.ts';
import { type Difference, differencesOf } from './targets-change.ts';

/** What another holder has signed, judged against what this home knows to be published. */
export interface ForeignProposal {
  readonly file: Uint8Array;
  readonly version: number;
  /** Fixed targets that came with it. */
  readonly fixed: FixedFiles;
  readonly differences: readonly Difference[];
}

export interface ProposalProblem {
  readonly code: string;
  readonly message: string;
}

/**
 * `folder` is the other home's `proposals`. The difference is computed here, from this home's own view of the
 * repository and from the bytes that will be signed; nothing the other holder says about them counts.
 */
export async function readForeignProposal(
  folder: string,
  options: { readonly base: SigningBase; readonly layouts: Layouts },
): Promise<Result<ForeignProposal, ProposalProblem>> {
  const { base, layouts } = options;
  const file = await readOptional(join(folder, 'targets.json'));
  if (file === undefined) {
    return err({ code: 'not-published', message: `${folder} holds no targets.json` });
  }
  const parsed = parseMetadata('targets', file);
  if (!parsed.ok) return parsed;
  const { body, signed } = parsed.value;
  const before = Number(base.body['version']);
  if (body.version !== before + 1) {
    const message = `it is version ${body.version}, and ${before} is published`;
    return err({ code: 'metadata-not-next', message });
  }
  const known = await checkLayouts(parsed.value, layouts);
  if (!known.ok) return known;
  const fixed = await readFixedOf(parsed.value, folder, base);
  if (!fixed.ok) return fixed;
  const readBefore = base.isSeen && before > 0 ? base.readFixed : async () => undefined;
  const { all, brought } = fixed.value;
  const differences = [
    ...differencesOf(base.body, signed),
    ...(await differencesOfFixed(readBefore, all)),
  ];
  return ok({ file, version: body.version, fixed: brought, differences });
}

/** Folders, and what their graphs may hold beyond the usual. */
export interface Layouts {
  readonly folders: readonly string[];
  readonly allow: OnnxAllowance;
}

/** Whoever names layouts wants the proposal to release exactly these bytes. */
async function checkLayouts(
  { body }: SignedFile<Targets>,
  { folders, allow }: Layouts,
): Promise<Result<void, ProposalProblem>> {
  for (const layout of folders) {
    const checked = await checkLayout(layout, allow);
    if (!checked.ok) return checked;
    const { config, digest } = checked.value;
    const path = `bundles/${config.name}@${config.version}`;
    const proposed = `sha256:${body.targets.get(path)?.hashes.get('sha256') ?? ''}`;
    if (proposed !== digest) {
      const message = `${layout} is ${digest}, and the proposal names ${proposed} for ${path}`;
      return err({ code: 'tuf-target-mismatch', message });
    }
  }
  return ok(undefined);
}

async function readFixedOf(
  { body }: SignedFile<Targets>,
  folder: string,
  base: SigningBase,
): Promise<Result<{ readonly all: FixedFiles; readonly brought: FixedFiles }, ProposalProblem>> {
  const all = new Map<string, Uint8Array>();
  const brought = new Map<string, Uint8Array>();
  for (const name of fixedTargets) {
    const target = body.targets.get(name);
    const own = await readOptional(join(folder, 'targets', name));
    const isBrought = target !== undefined && own !== undefined && isTarget(target, own);
    const bytes = isBrought ? own : await base.readFixed(name);
    if (target === undefined || bytes === undefined || !isTarget(target, bytes)) {
      const message = `the proposal came without the ${name} that it names`;
      return err({ code: 'fixed-target-missing', message });
    }
    all.set(name, bytes);
    if (isBrought) brought.set(name, bytes);
  }
  return ok({ all, brought });
}
