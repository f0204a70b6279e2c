import { type Command, Option } from 'commander';
import type { TargetCustom } from '../../shared/contracts/bundle-config.ts';
import type { JsonObject } from '../../shared/trust/strict-json.ts';
import { signBody } from '../../shared/trust/tuf/repository.ts';
import { collect as more } from '../api/arguments.ts';
import { exitCodes } from '../exit-code.ts';
import type { Workspace } from '../keys/workspace.ts';
import { allowanceIn, withAllowance } from './allow-onnx.ts';
import { checkLayout } from './check-layout.ts';
import { type Layouts, readForeignProposal } from './co-sign.ts';
import { orEnd, valueOrEnd } from './command-end.ts';
import { changedFixed, differencesOfFixed, type FixedFiles } from './fixed-targets.ts';
import { answer, endWith, withOutput } from './output.ts';
import {
  fleetsOf,
  grantsOf,
  handoutOf,
  keysOf,
  pairs,
  type SignFlags,
  wholeNumber,
} from './sign-flags.ts';
import { signaturesOn, signTargets, writeProposal } from './sign-targets.ts';
import { openSigningBase, type SigningBase } from './signing-base.ts';
import {
  changeTargets,
  type Difference,
  nextReleaseCounter,
  type TargetsChange,
} from './targets-change.ts';

const dayMs = 24 * 60 * 60 * 1000;

/** `skein bundle sign`: fetch and verify the base, show the difference, then open the key and sign that. */
export function registerSign(bundle: Command, home: () => Workspace): void {
  const sign = bundle
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
    .addOption(
      new Option('--then <what>', 'revoked: stop it now, or run on until its replacement works')
        .choices(['stop', 'replace'])
        .default('stop'),
    )
    .option('--floor <name=counter>', 'least release counter that may be live', more);
  withAllowance(
    withOutput(
      sign
        .option('--online <file>', "a server's public keys, for director.json and --federated")
        .option('--director <file>', 'new content of director.json')
        .option(
          '--federated <fleet>',
          'lets the server sign candidates of this fleet; may repeat',
          more,
        )
        .option('--first', 'begin a repository that has no targets yet')
        .option('--again', 'sign once more what has expired, or whose keys root has dropped')
        .option(
          '--proposal <folder>',
          "add a signature to what another holder signed: its 'proposals'",
        )
        .option('--expires-days <days>', 'life of the new targets file', '180')
        .option('--yes', 'sign what was shown'),
    ),
  ).action((layouts: string[], flags: SignFlags) => orEnd(() => run(home(), layouts, flags)));
}

/** What will be signed, in the form in which it is shown. */
interface Draft {
  readonly file: Uint8Array;
  readonly version: number;
  readonly fixed: FixedFiles;
  readonly differences: readonly Difference[];
}

async function run(home: Workspace, layouts: readonly string[], flags: SignFlags): Promise<void> {
  if (flags.first === true && flags.again === true) {
    endWith(exitCodes.usage, 'say --first or --again, not both');
  }
  const nowMs = Date.now();
  const kind = flags.first === true ? 'first' : flags.again === true ? 'again' : 'next';
  const base = await openSigningBase(home, { where: flags.repository, nowMs, kind });
  const { proposal } = flags;
  const draft: Draft =
    proposal === undefined
      ? await draftOf(base, { layouts, flags, nowMs })
      : valueOrEnd(
          await readForeignProposal(proposal, { base, layouts: onlyLayouts(layouts, flags) }),
        );
  const { version, differences, fixed } = draft;
  const shown = differences.map((difference) => ({ ...difference }));
  const rows = differences.map(({ subject, before, after }) => [subject, `${before} -> ${after}`]);
  if (!base.isSeen) {
    console.error('this home never saw the published file: everything in the next one is shown');
  }
  if (flags.yes !== true) {
    answer(flags.output, { version, differences: shown, signed: false }, rows);
    console.error('nothing was signed: say --yes to sign exactly this');
    return;
  }
  const signing = { root: base.root, keys: keysOf(flags) };
  const file = valueOrEnd(await signTargets(draft.file, signing));
  const path = await writeProposal(home, file, fixed);
  const { count, needed } = signaturesOn(file, base.root);
  const done = { version, differences: shown, signed: true, proposal: path, count, needed };
  answer(flags.output, done, [
    ...rows,
    ['proposal', path],
    ['signatures', `${count} of ${needed}`],
  ]);
  console.error(
    count < needed
      ? 'next, another holder: skein bundle sign --repository WHERE --proposal FOLDER --key FILE'
      : 'next: skein bundle publish LAYOUT... --server URL --token-file FILE',
  );
}

async function draftOf(
  base: SigningBase,
  request: {
    readonly layouts: readonly string[];
    readonly flags: SignFlags;
    readonly nowMs: number;
  },
): Promise<Draft> {
  const { layouts, flags, nowMs } = request;
  if (!base.isSeen) {
    const message = 'this home neither saw nor signed what is published; begin where it was signed';
    return valueOrEnd({ ok: false, error: { code: 'base-unseen', message } });
  }
  const online = await handoutOf(flags);
  const fixed = await changedFixed(base.readFixed, {
    ...{ revoke: pairs(flags.revoke, '--revoke'), then: flags.then },
    ...{ director: flags.director, online },
  });
  const change: TargetsChange = {
    releases: await releasesOf(base.body, layouts, flags),
    retire: flags.retire ?? [],
    floors: new Map(pairs(flags.floor, '--floor').map(([k, v]) => [k, wholeNumber(v, '--floor')])),
    fixed,
    delegate: grantsOf(flags.federated, online),
    expiresAtMs: nowMs + wholeNumber(flags.expiresDays, '--expires-days') * dayMs,
  };
  const { body, differences } = valueOrEnd(changeTargets(base.body, change));
  return {
    file: signBody(body, []),
    version: Number(body['version']),
    fixed,
    differences: [...differences, ...(await differencesOfFixed(base.readFixed, fixed))],
  };
}

/** The proposal says what changes; a flag that would change more has no place beside it. */
function onlyLayouts(folders: readonly string[], flags: SignFlags): Layouts {
  const { fleet, match, federable, retire, revoke, floor, director, online, federated } = flags;
  const changing = { fleet, match, federable, retire, revoke, floor, director, online, federated };
  const named = Object.entries(changing).find(([, value]) => value !== undefined);
  if (named !== undefined) {
    endWith(exitCodes.usage, `--proposal is signed as it is: leave out --${named[0]}`);
  }
  return { folders, allow: allowanceIn(flags) };
}

async function releasesOf(
  base: JsonObject,
  layouts: readonly string[],
  flags: SignFlags,
): Promise<TargetsChange['releases']> {
  const releases: TargetsChange['releases'][number][] = [];
  const counters = new Map<string, number>();
  const allow = allowanceIn(flags);
  for (const layout of layouts) {
    const { config, digest, manifest } = valueOrEnd(await checkLayout(layout, allow));
    const { name, version } = config;
    const counter = (counters.get(name) ?? nextReleaseCounter(base, name) - 1) + 1;
    counters.set(name, counter);
    const custom: TargetCustom = {
      name,
      version,
      releaseCounter: counter,
      fleets: [...fleetsOf(flags.fleet)],
      classMatch: Object.fromEntries(pairs(flags.match, '--match')),
      status: 'live',
      ...(flags.federable === undefined ? {} : { federable: [...flags.federable] }),
    };
    releases.push({ path: `bundles/${name}@${version}`, manifest, digest, custom });
  }
  return releases;
}
