import { afterAll, describe, expect, test } from 'vitest';
import { createPrng } from '../../../shared/core/prng.ts';
import { KilledAgent, versionOf } from '../../support/killed-agent.ts';

const rounds = 3;
const randomKills = 20;
const seed = process.env['SKEIN_KILL_SEED'] ?? String(Date.now());

interface Death {
  readonly point: string;
  /** What answered the first live input afterwards. */
  readonly answered: 'old' | 'new';
  isConverged: boolean;
}
const deaths: Death[] = [];

/** What a kill at any of these points must leave behind, one row per point. */
afterAll(() => {
  const rows = [...new Set(deaths.map(({ point }) => point))].map((point) => {
    const hits = deaths.filter((death) => death.point === point);
    const count = (isSo: (death: Death) => boolean): number => hits.filter(isSo).length;
    const model = `${count(({ answered }) => answered === 'old')} old, ${count(({ answered }) => answered === 'new')} new`;
    const converged = count((death) => death.isConverged);
    return `${point.padEnd(40)} ${String(hits.length).padStart(4)}   ${model.padEnd(14)} ${converged}`;
  });
  const head = `${'killed'.padEnd(40)} hits   answered after converged`;
  process.stdout.write(`\n${[head, ...rows, `random instants: seed ${seed}`].join('\n')}\n`);
});

/** One update in which the process dies at each of `kills`, and what answers after each death. */
async function update(
  agent: KilledAgent,
  to: { readonly release: number; readonly kills: readonly string[] },
  die: (kill: string) => Promise<void>,
): Promise<void> {
  const { release, kills } = to;
  const here: Death[] = [];
  for (const point of kills) {
    const starts = agent.starts;
    await die(point);
    const version = await agent.firstAnswer(starts);
    expect([versionOf(release - 1), versionOf(release)], point).toContain(version);
    const answered = version === versionOf(release) ? 'new' : 'old';
    here.push({ point, answered, isConverged: false });
  }
  deaths.push(...here);
  await agent.converge(release);
  for (const death of here) death.isConverged = true;
}

const distinct = (steps: readonly string[]): readonly string[] => [...new Set(steps)];

/** Steps that every life takes, and those that only an update takes, each in their order. */
async function record(agent: KilledAgent) {
  await agent.rollOut(1);
  await agent.converge(1);
  const all = distinct(await agent.steps());
  await agent.rest();
  const starts = agent.starts;
  await agent.dieNow();
  await agent.firstAnswer(starts);
  await agent.speak();
  const ofEachLife = distinct(await agent.steps());
  return { ofEachLife, ofUpdate: all.filter((step) => !ofEachLife.includes(step)) };
}

describe.concurrent('given the built agent under its supervisor, a real model, real files and a real server', () => {
  test('when kill -9 hits before or after any journal write, link, rename or report, a model that worked answers and the update arrives', async ({
    onTestFinished,
  }) => {
    const agent = await KilledAgent.open(2 + 8 * rounds);
    onTestFinished(() => agent.close());
    const { ofEachLife, ofUpdate } = await record(agent);
    expect(ofEachLife).toEqual(
      expect.arrayContaining(['send report', 'rename memory.json', 'write outbox record']),
    );
    expect(ofUpdate).toEqual([
      'write desired-accepted record',
      ...['rename bytes.json', 'rename blob'],
      ...['manifest.json', 'config.json', 'golden.json', 'graph.onnx'].map(
        (name) => `link ${name}`,
      ),
      // The last good model gets a copy of its own of what both share.
      ...['rename slot.json', 'rename golden.json'],
      ...['write activation-begun record', 'write committed record'],
    ]);
    // A trial is given up after three activations: not more than two deaths of an update may fall into it.
    const plans = ['before', 'after'].flatMap((when) => [
      ofUpdate.map((step) => `${when} ${step}`),
      ...ofEachLife.map((step) => [`${when} ${step}`]),
    ]);
    let release = 1;
    for (let round = 0; round < rounds; round += 1) {
      for (const kills of plans) {
        release += 1;
        await agent.rollOut(release, kills);
        await update(agent, { release, kills }, () => agent.dieAsPlanned());
      }
    }
  }, 1_200_000);

  test(`when kill -9 hits at random instants, a model that worked answers and the update arrives`, async ({
    onTestFinished,
  }) => {
    const agent = await KilledAgent.open(1 + randomKills / 2);
    onTestFinished(() => agent.close());
    const prng = createPrng(seed);
    for (let release = 1; release <= randomKills / 2; release += 1) {
      await agent.rollOut(release);
      await update(agent, { release, kills: ['at random', 'at random'] }, async () => {
        await new Promise((resolve) => setTimeout(resolve, prng.nextUnit() * 1_500));
        await agent.dieNow();
      });
    }
  }, 1_200_000);
});
