import type { Command } from 'commander';
import { jsonOfTensor } from '../../agent/core/serving/tensor-codec.ts';
import type { PackedBundle } from '../../firmware-bundles/pack/pack-bundle.ts';
import type {
  BundleConfig,
  BundleVariant as Variant,
} from '../../shared/contracts/bundle-config.ts';
import { bytesOfBase64 } from '../../shared/core/bytes.ts';
import { exitCodes } from '../exit-code.ts';
import { type AllowanceFlags, allowanceIn, withAllowance } from './allow-onnx.ts';
import { orEnd, readToken, valueOrEnd } from './command-end.ts';
import { answer, endWith, type OutputForm, withOutput } from './output.ts';
import { registerPublish } from './publish-command.ts';
import { registerSign } from './sign-command.ts';

/**
 * `skein bundle`. Each verb loads its own module when it is called: `build` needs the runtime, `sign` must not load
 * anything native or networked.
 */
export function registerBundle(program: Command): void {
  const bundle = program
    .command('bundle')
    .description('bundles: build, sign, publish, verify, inspect, pull')
    .option('--home <folder>', "the operator's folder", '.skein');
  const home = () => ({ folder: bundle.opts<{ home: string }>().home });

  const looking = (command: Command): Command => withAllowance(withOutput(command));
  looking(
    bundle
      .command('build <recipe>')
      .description('run the models of a recipe and pack them as an OCI image layout')
      .requiredOption('--out <folder>', 'folder of the layout'),
  ).action((recipe: string, flags: LookFlags & { out: string }) =>
    orEnd(() => build(recipe, flags)),
  );
  registerSign(bundle, home);
  registerPublish(bundle, home);
  looking(
    bundle
      .command('verify <layout>')
      .description('check every hash, the configuration and every graph of a layout')
      .option('--repository <where>', 'also that it is signed there: a URL or a folder'),
  ).action((layout: string, flags: LookFlags & { repository?: string }) =>
    orEnd(() => verify(layout, { ...flags, home: home() })),
  );
  looking(
    bundle.command('inspect <layout>').description('show what a layout says about itself'),
  ).action((layout: string, flags: LookFlags) =>
    orEnd(async () => show(await checked(layout, flags), flags.output)),
  );
  looking(
    bundle
      .command('pull <name> <reference>')
      .description('fetch a bundle by digest (or version) from a registry, verified, as a layout')
      .requiredOption('--from <url>', 'the registry or fleet server')
      .requiredOption('--out <folder>', 'folder of the layout')
      .option('--token-file <file>', 'API token for it'),
  ).action((name: string, reference: string, flags: PullFlags) =>
    orEnd(() => pull(name, reference, flags)),
  );
}

interface LookFlags extends AllowanceFlags {
  readonly output: OutputForm;
}

interface PullFlags extends LookFlags {
  readonly from: string;
  readonly out: string;
  readonly tokenFile?: string;
}

async function build(recipe: string, flags: LookFlags & { readonly out: string }): Promise<void> {
  const { readRecipe } = await import('./recipe-file.ts');
  const { buildBundle } = await import('./build-bundle.ts');
  const { writeLayout } = await import('../../firmware-bundles/pack/oci-layout.ts');
  const read = valueOrEnd(await readRecipe(recipe));
  const built = valueOrEnd(await buildBundle(read, Date.now()));
  await writeLayout(flags.out, built);
  show(await checked(flags.out, flags), flags.output);
  console.error(`next: skein bundle sign ${flags.out} --repository WHERE --key FILE`);
}

async function checked(layout: string, flags: AllowanceFlags): Promise<PackedBundle> {
  const { checkLayout } = await import('./check-layout.ts');
  const { checkPrecision } = await import('./check-precision.ts');
  const bundle = valueOrEnd(await checkLayout(layout, allowanceIn(flags)));
  valueOrEnd(checkPrecision(bundle));
  return bundle;
}

async function verify(
  layout: string,
  flags: LookFlags & {
    readonly repository?: string;
    readonly home: { readonly folder: string };
  },
): Promise<void> {
  const bundle = await checked(layout, flags);
  const path = `bundles/${bundle.config.name}@${bundle.config.version}`;
  let signed: string | null = null;
  if (flags.repository !== undefined) {
    const { openOperatorView } = await import('./repository-access.ts');
    const view = await openOperatorView(flags.home, {
      where: flags.repository,
      nowMs: Date.now(),
    });
    const found = valueOrEnd(await view.repository.lookup(path, { expectedRole: 'targets' }));
    signed = `sha256:${found.target.hashes.get('sha256') ?? ''}`;
    if (signed !== bundle.digest) {
      const message = `${path} is signed as ${signed}, the layout is ${bundle.digest}`;
      endWith(exitCodes.signature, `tuf-target-mismatch: ${message}`);
    }
  }
  const rows = [
    ['bundle', path],
    ['digest', bundle.digest],
    ['signed', signed === null ? 'not asked' : 'yes'],
  ];
  answer(flags.output, { path, digest: bundle.digest, signed: signed !== null }, rows);
}

function show({ digest, config, blobs }: PackedBundle, output: OutputForm): void {
  const bytes = [...blobs.values()].reduce((sum, blob) => sum + blob.length, 0);
  const { name, version, variants, golden } = config;
  const facts = { name, version, digest, blobs: blobs.size, bytes, golden: golden.blob };
  const rows = Object.entries(facts).map(([key, value]) => [key, String(value)]);
  const measured = variants.map(({ id, evidence, constraints, precision }) => [
    `variant ${id}`,
    [
      ...(precision === undefined ? [] : [precision]),
      ...needsOf(constraints),
      `${evidence.bytes} bytes`,
      `agreement ${evidence.agreement}`,
      `p50 ${evidence.latencyP50Ms.toFixed(3)} ms on ${evidence.machineClass}`,
    ].join(', '),
  ]);
  const machine = variants.map(({ id, precision = null, constraints, session, evidence }) => ({
    ...{ id, precision, constraints, session, evidence },
  }));
  const promises = { stale: config.stale ?? null, defaultAnswer: config.defaultAnswer ?? null };
  const whole = { ...facts, ...promises, variants: machine };
  answer(output, JSON.parse(JSON.stringify(whole)) as never, [
    ...rows,
    ['stale', staleText(config.stale)],
    ...defaultRows(config.defaultAnswer),
    ...measured,
  ]);
}

/** What a device must have: the provider, the runtime, features of the processor. */
function needsOf({ provider, runtime, cpuFeatures }: Variant['constraints']): readonly string[] {
  const { min, max } = runtime ?? {};
  const from = min === undefined ? '' : ` from ${min}`;
  const to = max === undefined ? '' : ` to ${max}`;
  return [
    provider,
    ...(runtime === undefined ? [] : [`runtime${from}${to}`]),
    ...(cpuFeatures.length === 0 ? [] : [cpuFeatures.join(' ')]),
  ];
}

const staleText = (stale: BundleConfig['stale']): string =>
  stale === undefined ? 'runs on' : `${stale.then} after ${stale.maxDays} days`;

/** The numbers of each row, as far as a line takes them. */
function defaultRows(rows: BundleConfig['defaultAnswer']): string[][] {
  if (rows === undefined) return [['default answer', 'none']];
  return rows.map(({ name, type, shape, base64 }) => {
    const tensor = { type, shape, bytes: bytesOfBase64(base64) ?? new Uint8Array() };
    const values = jsonOfTensor(name, tensor);
    const shown = values.ok ? values.value.slice(0, 8).join(' ') : 'as binary only';
    const more = values.ok && values.value.length > 8 ? ' ...' : '';
    return [`default ${name}`, `${type} [${shape.join()}] ${shown}${more}`];
  });
}

async function pull(name: string, reference: string, flags: PullFlags): Promise<void> {
  const { pullBundle } = await import('./pull-bundle.ts');
  const { writeLayout } = await import('../../firmware-bundles/pack/oci-layout.ts');
  const token = await readToken(flags.tokenFile);
  const allow = allowanceIn(flags);
  const pulled = await pullBundle({ origin: flags.from, name, reference, token, allow });
  const bundle = valueOrEnd(pulled);
  await writeLayout(flags.out, bundle);
  show(bundle, flags.output);
}
