import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { concatBytes, utf8 } from '../../../shared/core/bytes.ts';
import type { Json } from '../../../shared/core/canonical-json.ts';
import { crc32c } from './crc32c.ts';
import { encodeRecord } from './journal-record.ts';
import { readJournal } from './read-journal.ts';

const encode = (values: readonly Json[]): Uint8Array =>
  concatBytes(values.map((value, sequence) => encodeRecord(value, sequence)));

const values = fc.array(fc.jsonValue() as fc.Arbitrary<Json>, { minLength: 1, maxLength: 6 });
/** JSON has no negative zero, so what was written is compared with what JSON makes of it. */
const asJson = (value: unknown): unknown => JSON.parse(JSON.stringify(value));

describe('crc32c', () => {
  it('gives the published check values', () => {
    // Check value of the polynomial, and the 32-byte patterns of RFC 3720, appendix B.4.
    expect(crc32c(utf8('123456789'))).toBe(0xe3069283);
    expect(crc32c(new Uint8Array(32))).toBe(0x8a9136aa);
    expect(crc32c(new Uint8Array(32).fill(255))).toBe(0x62a8ab43);
    expect(crc32c(Uint8Array.from({ length: 32 }, (_, i) => i))).toBe(0x46dd794e);
  });
});

describe('readJournal', () => {
  it('when the file is whole, gives back what was written', () => {
    fc.assert(
      fc.property(values, (written) => {
        const bytes = encode(written);
        expect(readJournal(bytes)).toEqual({
          values: asJson(written),
          intactBytes: bytes.length,
          damage: { kind: 'none' },
        });
      }),
    );
  });

  it('when the file is cut at any byte, keeps every record before the cut and calls it torn', () => {
    fc.assert(
      fc.property(values, (written) => {
        const parts = written.map((value, sequence) => encodeRecord(value, sequence));
        const bytes = concatBytes(parts);
        let whole = 0;
        let ends = 0;
        for (let cut = 0; cut <= bytes.length; cut += 1) {
          while (whole < parts.length && ends + (parts[whole]?.length ?? 0) <= cut) {
            ends += parts[whole]?.length ?? 0;
            whole += 1;
          }
          const reading = readJournal(bytes.subarray(0, cut));
          expect(reading.values).toEqual(asJson(written.slice(0, whole)));
          expect(reading.intactBytes).toBe(ends);
          expect(reading.damage).toEqual(
            cut === ends ? { kind: 'none' } : { kind: 'torn', lostBytes: cut - ends },
          );
        }
      }),
      { numRuns: 40 },
    );
  });

  it('when any one bit flips, never gives back a record that was not written', () => {
    const written = [{ a: 1 }, ['zwei', 2.5], null, 'ende'];
    const bytes = encode(written);
    const starts = written.map((_, i) => encode(written.slice(0, i)).length);
    for (let bit = 0; bit < bytes.length * 8; bit += 1) {
      const damaged = Uint8Array.from(bytes);
      const at = bit >> 3;
      damaged[at] = (damaged[at] ?? 0) ^ (1 << (bit & 7));
      const hit = starts.filter((start) => start <= at).length - 1;
      const reading = readJournal(damaged);
      expect(reading.values).toEqual(written.slice(0, hit));
      expect(reading.intactBytes).toBe(starts[hit]);
      expect(reading.damage.kind).toBe(hit === written.length - 1 ? 'torn' : 'corrupt');
    }
  });

  it('when a record in the middle is damaged, says where and how many whole ones it strands', () => {
    const bytes = encode(['one', 'two', 'three', 'four']);
    const secondAt = encode(['one']).length;
    bytes[secondAt + 30] = 0;
    expect(readJournal(bytes)).toEqual({
      values: ['one'],
      intactBytes: secondAt,
      damage: {
        kind: 'corrupt',
        code: 'journal-corrupt',
        atByte: secondAt,
        lostBytes: bytes.length - secondAt,
        strandedRecords: 2,
      },
    });
  });

  it('when a whole record is missing or repeated, treats the place as damage', () => {
    const [one, two, three] = ['one', 'two', 'three'].map((value, i) => encodeRecord(value, i));
    const lost = readJournal(concatBytes([one!, three!]));
    expect(lost.values).toEqual(['one']);
    expect(lost.damage.kind).toBe('corrupt');
    const repeated = readJournal(concatBytes([one!, two!, two!, three!]));
    expect(repeated.values).toEqual(['one', 'two']);
    expect(repeated.damage.kind).toBe('corrupt');
  });

  it('when the bytes are anything at all, does not throw', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        const reading = readJournal(bytes);
        expect(reading.intactBytes).toBeLessThanOrEqual(bytes.length);
      }),
    );
  });

  it('when the tail was preallocated and never written, cuts the zeros off as torn', () => {
    const bytes = concatBytes([encode(['kept']), new Uint8Array(512)]);
    expect(readJournal(bytes)).toMatchObject({ values: ['kept'], damage: { kind: 'torn' } });
  });
});
