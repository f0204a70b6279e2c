import { describe, expect, test } from 'vitest';
import { limits } from '../../shared/contracts/limits.ts';
import { OperatingError } from '../../shared/core/operating-error.ts';
import type { Log } from '../../shared/ports/log.ts';

export interface LogUnderTest {
  readonly log: Log;
  /** What was written so far, as a reader of the log gets it. */
  readonly written: () => readonly {
    readonly level: string;
    readonly event: string;
    readonly sentence: string;
    readonly fields: Readonly<Record<string, unknown>>;
  }[];
}

export function logSuite(name: string, open: () => LogUnderTest): void {
  describe(`Log: ${name}`, () => {
    const fieldsOf = (given: Readonly<Record<string, unknown>>): Record<string, unknown> => {
      const { log, written } = open();
      log.info({ event: 'tried', ...given }, 'Tried.');
      return { ...written()[0]?.fields };
    };

    test('when entries are written, level, event, sentence and fields come back in order', () => {
      const { log, written } = open();
      log.info({ event: 'one', count: 1 }, 'First.');
      log.warn({ event: 'two', nested: { list: [1, 'a', null, true] } }, 'Second.');
      log.error({ event: 'three' }, 'Third.');
      expect(written().map(({ level, event, sentence }) => [level, event, sentence])).toEqual([
        ['info', 'one', 'First.'],
        ['warn', 'two', 'Second.'],
        ['error', 'three', 'Third.'],
      ]);
      expect(written()[1]?.fields).toMatchObject({ nested: { list: [1, 'a', null, true] } });
    });

    test('when a field is named like a secret, its value is not written, at any depth', () => {
      const secrets = {
        token: 'x1',
        broker_token: 'x2',
        Authorization: 'x3',
        nested: { deep: [{ sessionKey: 'x4', 'private-key': 'x5' }], passphrase: 'x6' },
        claim: { value: 'x7' },
        map: new Map([['bearer', 'x8']]),
      };
      const text = JSON.stringify(fieldsOf(secrets));
      expect(text).not.toMatch(/x\d/);
      expect(text.match(/\[secret\]/g)).toHaveLength(8);
    });

    test('when a text carries control or direction characters, none of them is written', () => {
      const { log, written } = open();
      const hostile = 'a\u001b[2Jb\u0000c\u202ed\u009be';
      log.info({ event: 'tried', device: hostile, ['k\u001bey']: [hostile] }, hostile);
      const entry = JSON.stringify(written()[0]);
      expect(entry).not.toMatch(/\\u00|[\u001b\u202e\u009b]/);
      expect(entry).toContain('a�[2Jb�c�d�e');
    });

    test('when bytes are given, only their number is written', () => {
      expect(fieldsOf({ input: new Uint8Array([1, 2, 3]) })).toMatchObject({ input: '[3 bytes]' });
    });

    test('when an error is given, its code and its whole chain of causes are written', () => {
      const cause = Object.assign(new Error('no space'), { code: 'ENOSPC' });
      const error = new OperatingError('disk-full', 'no space left: append x', { cause });
      expect(fieldsOf({ error })).toMatchObject({
        error: {
          code: 'disk-full',
          message: 'no space left: append x',
          cause: { code: 'ENOSPC', message: 'no space' },
        },
      });
    });

    test('when a field is huge, deep or turns on itself, the entry stays bounded', () => {
      const circle: Record<string, unknown> = {};
      circle['self'] = circle;
      const fields = fieldsOf({
        circle,
        long: 'x'.repeat(100_000),
        wide: new Array<number>(10_000).fill(1),
        big: 10n,
      });
      expect((fields['long'] as string).length).toBe(limits.logTextCharsMax);
      expect(fields['wide']).toHaveLength(limits.logItemsMax);
      expect(fields['big']).toBe('10');
      expect(JSON.stringify(fields['circle']).length).toBeLessThan(200);
    });
  });
}
