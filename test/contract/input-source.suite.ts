import { describe, expect, test } from 'vitest';
import type { InputOutcome } from '../../agent/core/inputs/answer-text.ts';
import type { InputItem, InputSource } from '../../agent/ports/input-source.ts';
import { limits } from '../../shared/contracts/limits.ts';
import { utf8 } from '../../shared/core/bytes.ts';
import { OperatingError } from '../../shared/core/operating-error.ts';

export const unreadable = Symbol('one byte more than an input may have');
/** What a source meets: a text, or something that cannot be taken for an input. */
export type GivenInput = string | typeof unreadable;

/** How one input ended, as whoever sent it finds out. */
export interface ToldEnd {
  /** The text, where the source says which input is meant. */
  readonly about: string | undefined;
  /** Of a failure or refusal. */
  readonly code: string | undefined;
  /** Of an answer. */
  readonly label: string | undefined;
}

export interface InputSourceUnderTest {
  readonly source: InputSource;
  /** What was told so far, in no order. */
  readonly told: () => Promise<readonly ToldEnd[]>;
  /** More, in this order, at once; of sources that are pushed at. */
  readonly push?: (inputs: readonly string[]) => Promise<void>;
  readonly close: () => Promise<void>;
}

export interface InputSourceWorld {
  readonly kind: 'folder' | 'replay' | 'topic' | 'memory';
  /** `nowhere`: recorded files have nobody to tell; what cannot be read stands in the log. */
  readonly answersGo: 'back' | 'nowhere';
  /** A source that will meet these, in this order. */
  readonly open: (inputs: readonly GivenInput[]) => Promise<InputSourceUnderTest>;
  /** One that cannot begin; absent where the source goes on trying. */
  readonly openBroken?: () => Promise<InputSourceUnderTest>;
}

const answerOf = (label: string): InputOutcome => ({
  ok: true,
  answer: { predicted: 0, label, confidence: 1, values: [], latencyMs: 1 },
});
const textOf = ({ input }: InputItem): string =>
  input.kind === 'bytes' ? new TextDecoder().decode(input.bytes) : 'tensors';

/** What every InputSource promises whoever pulls at it and whoever waits for an answer. */
export function inputSourceSuite(world: InputSourceWorld): void {
  const { kind, answersGo } = world;

  /** Iterates a source; whatever happens, it is stopped and its world taken down. */
  const using = async (
    opening: Promise<InputSourceUnderTest>,
    act: (
      next: () => Promise<InputItem | undefined>,
      scene: InputSourceUnderTest & { readonly stop: AbortController },
    ) => Promise<void>,
  ): Promise<void> => {
    const scene = await opening;
    const stop = new AbortController();
    const items = scene.source.items(stop.signal)[Symbol.asyncIterator]();
    const next = async (): Promise<InputItem | undefined> => {
      const item = await items.next();
      return item.done === true ? undefined : item.value;
    };
    try {
      await act(next, { ...scene, stop });
    } finally {
      stop.abort();
      await scene.close();
    }
  };
  const untilTold = async (
    { told }: InputSourceUnderTest,
    isThere: (end: ToldEnd) => boolean,
    count = 1,
  ): Promise<void> => {
    while ((await told()).filter(isThere).length < count) {
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
  };
  const taken = (item: InputItem | undefined): InputItem => {
    if (item === undefined) throw new Error('the source ended');
    return item;
  };

  describe(`InputSource: ${kind}`, () => {
    test('when it is named in a log, the name says what kind of source it is and which', async () => {
      await using(world.open(['a']), async (_next, { source }) => {
        expect(source.name).toMatch(new RegExp(`^${kind}:.+`));
      });
    });

    test('when several inputs wait, they come whole and in their order', async () => {
      await using(world.open(['a', 'bb', 'ccc']), async (next) => {
        const texts: string[] = [];
        for (let i = 0; i < 3; i += 1) {
          const item = taken(await next());
          texts.push(textOf(item));
          await item.answered(answerOf('seen'));
        }
        expect(texts).toEqual(['a', 'bb', 'ccc']);
      });
    });

    test('when an input is answered or has failed, that is told at the source, once each', async () => {
      await using(world.open(['good', 'bad']), async (next, scene) => {
        await taken(await next()).answered(answerOf('fine'));
        const message = 'the input does not fit';
        await taken(await next()).answered({
          ok: false,
          code: 'inference-input-mismatch',
          message,
        });
        if (answersGo === 'nowhere') {
          expect(await scene.told()).toEqual([]);
          return;
        }
        await untilTold(scene, () => true, 2);
        const told = await scene.told();
        expect(told).toHaveLength(2);
        expect(told).toContainEqual({ about: 'good', label: 'fine', code: undefined });
        const failed = { about: 'bad', label: undefined, code: 'inference-input-mismatch' };
        expect(told).toContainEqual(failed);
      });
    });

    test('when an input cannot be read, its code is told and the next one still comes', async () => {
      await using(world.open(['before', unreadable, 'after']), async (next, scene) => {
        for (const text of ['before', 'after']) {
          const item = taken(await next());
          expect(textOf(item)).toBe(text);
          await item.answered(answerOf('seen'));
        }
        await untilTold(scene, ({ code }) => code !== undefined);
        const codes = (await scene.told()).flatMap(({ code }) => code ?? []);
        expect(codes).toHaveLength(1);
        expect(['too-large', 'file-too-large']).toContain(codes[0]);
      });
    });

    test('when the signal aborts while nothing has come, the iteration ends', async () => {
      await using(world.open(['only']), async (next, { stop }) => {
        await taken(await next()).answered(answerOf('seen'));
        if (kind !== 'replay') {
          const waiting = next();
          stop.abort();
          expect(await waiting).toBeUndefined();
          return;
        }
        // Recorded files never run out.
        stop.abort();
        expect(await next()).toBeUndefined();
      });
    });

    test('when the signal aborts before the first look, nothing is taken', async () => {
      await using(world.open(['a']), async (next, { stop }) => {
        stop.abort();
        expect(await next()).toBeUndefined();
      });
    });

    test('when the signal aborts with an input under way, its answer still arrives', async () => {
      await using(world.open(['late']), async (next, scene) => {
        const item = taken(await next());
        scene.stop.abort();
        const end = next();
        await item.answered(answerOf('in time'));
        expect(await end).toBeUndefined();
        if (answersGo === 'back') await untilTold(scene, ({ label }) => label === 'in time');
      });
    });

    const { openBroken } = world;
    if (openBroken === undefined) return;
    test('when it cannot begin, that is an operating error with a code, and no end', async () => {
      await using(openBroken(), async (next) => {
        const failure: unknown = await next().catch((error: unknown) => error);
        expect(failure).toBeInstanceOf(OperatingError);
        expect(failure).toMatchObject({ code: 'input-failed' });
      });
    });
  });
}

/** What a source that cannot slow its senders down promises besides: a bounded queue. */
export function pushedSourceSuite(world: InputSourceWorld): void {
  test(`InputSource: ${world.kind}: when more comes than may wait, the rest is answered queue-full`, async () => {
    const scene = await world.open(['first']);
    const { source, push, told } = scene;
    const stop = new AbortController();
    const items = source.items(stop.signal)[Symbol.asyncIterator]();
    const first = await items.next();
    const waiting = Array.from({ length: limits.inputQueueMax }, (_, i) => `waits ${i}`);
    await push?.([...waiting, 'over 1', 'over 2']);
    while ((await told()).length < 2) await new Promise((resolve) => setTimeout(resolve, 5));
    expect([...(await told())].sort(byAbout)).toEqual([
      { about: 'over 1', label: undefined, code: 'queue-full' },
      { about: 'over 2', label: undefined, code: 'queue-full' },
    ]);
    if (first.done !== true) await first.value.answered(answerOf('seen'));
    for (const text of waiting) {
      const item = await items.next();
      expect(item.done === true ? undefined : textOf(item.value)).toBe(text);
      if (item.done !== true) await item.value.answered(answerOf('seen'));
    }
    // There is room again.
    await push?.(['later']);
    const later = await items.next();
    expect(later.done === true ? undefined : textOf(later.value)).toBe('later');
    if (later.done !== true) await later.value.answered(answerOf('seen'));
    stop.abort();
    await scene.close();
  });
}

const byAbout = (a: ToldEnd, b: ToldEnd): number => ((a.about ?? '') < (b.about ?? '') ? -1 : 1);

export const bytesOf = (input: GivenInput): Uint8Array =>
  input === unreadable ? new Uint8Array(limits.inputBytesMax + 1) : utf8(input);
