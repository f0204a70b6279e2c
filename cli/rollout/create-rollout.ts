import { readFile } from 'node:fs/promises';
import type { Command } from 'commander';
import { parse } from 'yaml';
import type { BundleView } from '../../shared/contracts/api/bundle.ts';
import type { RolloutView } from '../../shared/contracts/api/rollout.ts';
import { OperatingError } from '../../shared/core/operating-error.ts';
import { type ApiSession, inSession } from '../api/api-session.ts';
import { durationMs, waves } from '../api/arguments.ts';
import { rolloutPath, showRollout } from './show-rollout.ts';

interface CreateFlags {
  readonly bundle?: string;
  readonly target?: string;
  readonly waves?: unknown;
  readonly soak?: number;
  readonly approval?: boolean;
  readonly supersede?: boolean;
  readonly overrideStop?: boolean;
  readonly comment?: string;
  readonly file?: string;
  readonly submit?: boolean;
}

const withPlan = (command: Command): Command =>
  command
    .option('--bundle <name@version>', 'the bundle to offer')
    .option('--target <filter>', "whom it is for; 'state = accepted' when absent")
    .option('--waves <list>', 'such as 1%,10%,50%,100%', waves)
    .option('--soak <duration>', 'how long a wave is watched', durationMs)
    .option('--approval', 'somebody else must approve it')
    .option('--supersede', 'take devices over from older rollouts of the app')
    .option('--override-stop', 'offer a bundle that was aborted before')
    .option('--comment <text>', 'what it is for')
    .option('--file <plan>', 'a plan in YAML or JSON; flags win');

/** `skein rollout create`: flags over a plan file, both over the server's defaults. */
export function registerCreate(rollout: Command): void {
  const create = withPlan(rollout.command('create').description('draft a rollout'));
  create.option('--submit', 'start it at once').action((flags: CreateFlags) =>
    inSession(create, async (session) => {
      const whole = await wholePlan(session, flags);
      const path = `/fleets/${encodeURIComponent(session.fleet)}/rollouts`;
      const made = await session.client.ask<RolloutView>(path, { method: 'POST', body: whole });
      const done = flags.submit === true ? await submit(session, made.body, made.etag) : made.body;
      session.print.answer(done, showRollout);
      session.print.say(
        flags.submit === true
          ? `next: skein rollout wait ${done.rollout}`
          : `next: skein rollout submit ${done.rollout}`,
      );
    }),
  );
}

/** `skein rollout edit`: the plan is written anew, on the very version that stands there now. */
export function registerEdit(rollout: Command): void {
  const edit = withPlan(
    rollout
      .command('edit <rollout>')
      .description('write the plan of your draft anew; what is left out is the default again'),
  );
  edit.action((id: string, flags: CreateFlags) =>
    inSession(edit, async (session) => {
      const body = await wholePlan(session, flags);
      const path = rolloutPath(session, id);
      const { etag: ifMatch = '' } = await session.client.ask<RolloutView>(path);
      const request = { method: 'PUT', body, ifMatch } as const;
      const edited = await session.client.ask<RolloutView>(path, request);
      session.print.answer(edited.body, showRollout);
      session.print.say(`next: skein rollout submit ${edited.body.rollout}`);
    }),
  );
}

async function wholePlan(session: ApiSession, flags: CreateFlags): Promise<object> {
  const given = { ...(await readPlan(flags.file)), ...(await planOf(session, flags)) };
  return { target: 'state = accepted', waves: [{ percent: 100 }], ...given };
}

async function submit(
  session: ApiSession,
  { rollout }: RolloutView,
  etag: string | undefined,
): Promise<RolloutView> {
  const path = `${rolloutPath(session, rollout)}/submit`;
  const request = { method: 'POST', body: {}, ifMatch: etag ?? '' } as const;
  return (await session.client.ask<RolloutView>(path, request)).body;
}

async function readPlan(file: string | undefined): Promise<object> {
  if (file === undefined) return {};
  let plan: unknown;
  try {
    plan = parse(await readFile(file, 'utf8'));
  } catch (cause) {
    throw new OperatingError('command-line-invalid', `${file} cannot be read as YAML`, { cause });
  }
  if (typeof plan === 'object' && plan !== null && !Array.isArray(plan)) return plan;
  throw new OperatingError('command-line-invalid', `${file} is not a plan`);
}

/** The bundle's digest is looked up once and then bound: what is drafted is what was there now. */
async function planOf({ client, fleet }: ApiSession, flags: CreateFlags): Promise<object> {
  const given = {
    target: flags.target,
    waves: flags.waves,
    soakMs: flags.soak,
    approval: flags.approval === true ? 'required' : undefined,
    supersede: flags.supersede,
    overrideStop: flags.overrideStop,
    comment: flags.comment,
  };
  const plan = Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined));
  if (flags.bundle === undefined) return plan;
  const [name = ''] = flags.bundle.split('@');
  const path = `/fleets/${encodeURIComponent(fleet)}/bundles`;
  for await (const bundle of client.items<BundleView>(path, { name })) {
    if (`${bundle.name}@${bundle.version}` !== flags.bundle) continue;
    return { ...plan, app: bundle.name, path: bundle.path, digest: bundle.digest };
  }
  throw new OperatingError('not-found', `the fleet has no bundle ${flags.bundle}`);
}
