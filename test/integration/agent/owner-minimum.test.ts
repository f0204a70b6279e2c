import { expect, it } from 'vitest';
import { parseAgentConfig } from '../../../agent/config.ts';
import type { WindowDraft } from '../../../agent/core/monitor/window-draft.ts';
import { InferenceDesk, type InferenceDeskOptions } from '../../../agent/runner/inference-desk.ts';
import type { HostedModel } from '../../../agent/runner/model-host.ts';
import { systemClock as clock } from '../../../shared/adapters/clock/system-clock.ts';
import type { AppName } from '../../../shared/core/ids.ts';
import { sampleBundle } from '../../support/sample-bundle.ts';
import { silentMetrics } from '../../support/silent-ports.ts';

const app = 'adder' as AppName;

/** The desk with the owner's minimum, over a model whose answers are given; the windows that leave at the end. */
async function windowsAfter(answers: number, minCount: number): Promise<readonly WindowDraft[]> {
  const windows: WindowDraft[] = [];
  const { config, digest } = sampleBundle();
  const labelled = {
    ...config,
    postprocessing: { ...config.postprocessing, kind: 'classify', labels: ['no', 'yes'] },
  };
  const model = { app, host: 'worker', slot: { digest }, bundle: { config: labelled } };
  const given = { predicted: 1, label: 'yes', confidence: 0.9, values: [], inputBytes: 4 };
  const rooms = {
    models: { infer: async () => ({ ...given, runMs: 1, latencyMs: 1, outputs: new Map() }) },
    outbox: {
      appendWindow: async (draft: WindowDraft) => {
        windows.push(draft);
      },
    },
    updates: () => ({ state: { apps: new Map(), refusals: [] }, feed: () => undefined }),
    standIns: { of: () => undefined, answer: () => undefined, dismiss: () => undefined },
    rounds: { look: () => undefined, keep: () => undefined },
  };
  const desk = new InferenceDesk({
    ...{ clock, metrics: silentMetrics, windowMs: 3_600_000, memoryBytesMax: 2 ** 40, minCount },
    ...{ askToBeKilled: () => undefined, wentBack: () => undefined },
    ...rooms,
  } as unknown as InferenceDeskOptions);
  const session = { residentBytes: async () => 1 };
  desk.modelChanged(app, { ...model, session } as unknown as HostedModel);
  for (let answer = 0; answer < answers; answer += 1) {
    await desk.infer(app, { kind: 'bytes', bytes: new Uint8Array(4) });
  }
  const stop = new AbortController();
  const running = desk.run(stop.signal);
  stop.abort();
  await running;
  return windows;
}

const minCountOf = (file: unknown): number => {
  const config = parseAgentConfig({ file, environment: {}, settings: [] });
  if (!config.ok) throw new Error(config.error.message);
  return config.value.policy.minCount;
};

it("when the owner's file asks for a larger minimum, histograms wait for it; without it, for the house's", async () => {
  const usual = minCountOf({});
  const own = minCountOf({ policy: { minCount: 40 } });
  expect([usual, own]).toEqual([20, 40]);
  const predicted = async (answers: number, minCount: number) =>
    (await windowsAfter(answers, minCount))[0]?.models[0]?.predicted;
  expect(await predicted(19, usual)).toEqual([]);
  expect(await predicted(20, usual)).toEqual([0, 20, 0]);
  expect(await predicted(39, own)).toEqual([]);
  expect(await predicted(40, own)).toEqual([0, 40, 0]);
});

it("when the owner's file asks for less than the house's minimum, it is refused", () => {
  const file = { policy: { minCount: 19 } };
  expect(parseAgentConfig({ file, environment: {}, settings: [] })).toMatchObject({
    error: { code: 'config-invalid' },
  });
});
