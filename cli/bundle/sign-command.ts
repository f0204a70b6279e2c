import type { Command } from 'commander';
import { createDecoder } from '../../shared/codec/validator.ts';
import {
  DirectorKeysSchema,
  RevokedSchema,
  type TargetCustom,
} from '../../shared/contracts/bundle-config.ts';
import { limits } from '../../shared/contracts/limits.ts';
import { utf8 } from '../../shared/core/bytes.ts';
import { canonicalJson } from '../../shared/core/canonical-json.ts';
import { isDigest, isFleetId } from '../../shared/core/ids.ts';
import type { JsonObject } from '../../shared/trust/strict-json.ts';
import { parseMetadata } from '../../shared/trust/tuf/parse-metadata.ts';
import { exitCodes } from '../exit-code.ts';
import { readOptional, type Workspace } from '../keys/workspace.ts';
import { checkLayout } from './check-layout.ts';
import { orEnd, valueOrEnd } from './command-end.ts';
import { answer, endWith, type OutputForm, withOutput } from './output.ts';
import { type OperatorView, openOperatorView } from './repository-access.ts';
import { type SigningKey, signTargets, writeProposal } from './sign-targets.ts';
import {
  addRevocations,
  changeTargets,
  nextReleaseCounter,
  type TargetsChange,
} from './targets-change.ts';

interface SignFlags {
  readonly repository: string;
  readonly key?: readonly string[];
  readonly passphraseFile?: readonly string[];
  readonly fleet?: readonly string[];
  readonly match?: readonly string[];
  readonly federable?: readonly string[];
  readonly retire?: readonly string[];
  readonly revoke?: readonly string[];
  readonly floor?: readonly string[];
  readonly director?: string;
  readonly expiresDays: string;
  readonly yes?: true;
  readonly output: OutputForm;
}

const dayMs = 24 * 60 * 60 * 1000;
const more = (value: string, before: readonly string[] = []): readonly string[] => [
  ...before,
  value,
];
const decodeRevoked = createDecoder(RevokedSchema, limits.fixedTargetBytesMax);
const decodeDirector = createDecoder(DirectorKeysSchema, limits.fixedTargetBytesMax);

/** `skein bundle sign`: fetch and verify the base, show the difference, then open the key and sign that. */
export function registerSign(bundle: Command, home: () => Workspace): void {
  withOutput(
    bundle
      .command('sign [layouts...]')
      .description('sign the next targets file: new bundles, retirements, revocations')
      .requiredOption('--repository <where>', 'what is published now: a URL or a folder')
      .option('--key <file>', 'targets key share; may repeat', more)
      .option('--passphrase-file <file>', 'for each --key, in order; may repeat', more)
      .option('--fleet <name>', 'only for this fleet; may repeat', more)
      .option('--match <fact=value>', 'only for devices with this fact; may repeat', more)
      .option('--federable <tensor>', 'a tensor federated rounds may replace; may repeat', more)
      .option('--retire <path>', 'a bundle that no rollout may start any more; may repeat', more)
      .option('--revoke <digest=reason>', 'what must not run; may repeat', more)
      .option('--floor <name=counter>', 'least release counter that may be live', more)
      .option('--director <file>', 'new content of director.json')
      .option('--expires-days <days>', 'life of the new targets file', '180')
      .option('--yes', 'sign what was shown'),
  ).action((layouts: string[], flags: SignFlags) => orEnd(() => sign(home(), layouts, flags)));
}

async function sign(home: Workspace, layouts: readonly string[], flags: SignFlags): Promise<void> {
  const nowMs = Date.now();
  const view = await openOperatorView(home, { where: flags.repository, nowMs });
  const base = valueOrEnd(parseMetadata('targets', view.targetsFile)).signed;
  const fixed = await changedFixed(view, flags);
  const expiresAtMs = nowMs + wholeNumber(flags.expiresDays, '--expires-days') * dayMs;
  const change: TargetsChange = {
    releases: await releasesOf(base, layouts, flags),
    retire: flags.retire ?? [],
    floors: new Map(pairs(flags.floor, '--floor').map(([k, v]) => [k, wholeNumber(v, '--floor')])),
    fixed,
    expiresAtMs,
  };
  const { body, differences } = valueOrEnd(changeTargets(base, change));
  const shown = differences.map((difference) => ({ ...difference }));
  const version = Number(body['version']);
  const rows = differences.map(({ subject, before, after }) => [subject, `${before} -> ${after}`]);
  if (flags.yes !== true) {
    answer(flags.output, { version, differences: shown, signed: false }, rows);
    console.error('nothing was signed: say --yes to sign exactly this');
    return;
  }
  const file = valueOrEnd(await signTargets(body, keysOf(flags)));
  const path = await writeProposal(home, file, fixed);
  answer(flags.output, { version, differences: shown, signed: true, proposal: path }, [
    ...rows,
    ['proposal', path],
  ]);
  console.error('next: skein bundle publish LAYOUT... --server URL --token-file FILE');
}

async function releasesOf(
  base: JsonObject,
  layouts: readonly string[],
  flags: SignFlags,
): Promise<TargetsChange['releases']> {
  const releases: TargetsChange['releases'][number][] = [];
  const counters = new Map<string, number>();
  for (const layout of layouts) {
    const { config, digest, manifest } = valueOrEnd(await checkLayout(layout));
    const { name, version } = config;
    const counter = (counters.get(name) ?? nextReleaseCounter(base, name) - 1) + 1;
    counters.set(name, counter);
    const unknown = (flags.fleet ?? []).find((fleet) => !isFleetId(fleet));
    if (unknown !== undefined) endWith(exitCodes.usage, `${unknown} is no fleet name`);
    const custom: TargetCustom = {
      name,
      version,
      releaseCounter: counter,
      fleets: [...(flags.fleet ?? [])],
      classMatch: Object.fromEntries(pairs(flags.match, '--match')),
      status: 'live',
      ...(flags.federable === undefined ? {} : { federable: [...flags.federable] }),
    };
    releases.push({ path: `bundles/${name}@${version}`, manifest, digest, custom });
  }
  return releases;
}

async function changedFixed(
  view: OperatorView,
  flags: SignFlags,
): Promise<ReadonlyMap<string, Uint8Array>> {
  const fixed = new Map<string, Uint8Array>();
  if (flags.revoke !== undefined) {
    const known = valueOrEnd(decodeRevoked(await view.readFixed('revoked.json')));
    const added = pairs(flags.revoke, '--revoke').map(([digest, reason]) => {
      if (!isDigest(digest)) return endWith(exitCodes.usage, `${digest} is no sha256 digest`);
      return { digest, reason, then: 'stop' as const };
    });
    const bytes = utf8(canonicalJson({ ...addRevocations(known, added) }));
    valueOrEnd(decodeRevoked(bytes));
    fixed.set('revoked.json', bytes);
  }
  if (flags.director !== undefined) {
    const bytes = await readOptional(flags.director);
    if (bytes === undefined) return endWith(exitCodes.notFound, `no file ${flags.director}`);
    valueOrEnd(decodeDirector(bytes));
    fixed.set('director.json', bytes);
  }
  return fixed;
}

function keysOf({ key, passphraseFile }: SignFlags): readonly SigningKey[] {
  if (key === undefined) return endWith(exitCodes.usage, 'name a targets key with --key');
  return key.map((file, at) => ({ file, passphraseFile: passphraseFile?.[at] }));
}

const pairs = (
  texts: readonly string[] | undefined,
  flag: string,
): readonly (readonly [string, string])[] =>
  (texts ?? []).map((text) => {
    const at = text.lastIndexOf('=');
    if (at < 1) return endWith(exitCodes.usage, `${flag} takes NAME=VALUE, not ${text}`);
    return [text.slice(0, at), text.slice(at + 1)];
  });

function wholeNumber(text: string, flag: string): number {
  const value = Number(text);
  return Number.isSafeInteger(value) && value > 0
    ? value
    : endWith(exitCodes.usage, `${flag} takes a whole number above 0, not ${text}`);
}
