import { afterAll, describe, expect, it } from 'vitest';
import { type ErrorCode, errorCodes } from '../../shared/contracts/error-codes.ts';
import { isTest, sources } from '../architecture/source-tree.ts';
import { envelopes } from './bad-input/envelopes.ts';
import { files } from './bad-input/files.ts';
import { frames } from './bad-input/frames.ts';
import { http } from './bad-input/http.ts';
import { installs } from './bad-input/installs.ts';
import { codesIn } from './bad-input/observed-codes.ts';
import { orders } from './bad-input/orders.ts';
import { repository } from './bad-input/repository.ts';
import { rounds, sums } from './bad-input/rounds.ts';
import { serving } from './bad-input/serving.ts';
import { tuf } from './bad-input/tuf.ts';

/** Every place where bytes of somebody else come in. */
const toServer = [frames, envelopes, http, repository, rounds, sums];
const toDevice = [orders, installs, tuf, serving];
const doors = [...toServer, ...toDevice, files];

const codes = Object.keys(errorCodes) as ErrorCode[];
const attacked = new Set(doors.flatMap(({ cases }) => cases.map(({ code }) => code)));

describe.each(doors.map((door) => [door.name, door] as const))('%s', (_name, door) => {
  afterAll(() => door.close());

  const cases = door.cases.map((one) => [one.code, one.title, one.run] as const);
  it.each(cases)('is refused as %s when %s, and nothing changes', async (code, _title, run) => {
    const outcome = await run();
    expect(outcome.code).toBe(code);
    expect(outcome.after).toBe(outcome.before);
    expect(errorCodes[code].sentence).not.toBe('');
  });
});

describe('the catalogue', () => {
  it('given a code that bad input can cause, has a case of it above', () => {
    const missing = codes.filter((code) => errorCodes[code].input && !attacked.has(code));
    expect(missing).toEqual([]);
  });

  it('given any code, has a test that expects it', () => {
    const all = new Set<string>(codes);
    const observed = new Set<string>(attacked);
    for (const { path, text } of sources()) {
      // Suites of ports are called by tests; what stands elsewhere under `test/` prepares and expects nothing.
      const isExpecting = isTest(path) && /\.test\.ts$|^test\/contract\//.test(path);
      if (isExpecting) for (const code of codesIn(text, all)) observed.add(code);
    }
    expect(codes.filter((code) => !observed.has(code))).toEqual([]);
  });

  it.each([
    ["expect(code).toBe('too-large')", ['too-large']],
    ["expect(codeIn(answer)).toBe('413 too-large')", ['too-large']],
    ['expect(text).toMatch(/^too-large: /)', ['too-large']],
    ["it.each([['too-large', 1]])('%s', run)", ['too-large']],
    ["it('is too-large', () => { run('latency'); })", ['latency']],
    ["test.each(table)('too-large', run)", []],
    ["// 'too-large'\nconst latency = 'the latency';", []],
  ])('given the test %s, its codes are %j', (source, expected) => {
    expect([...codesIn(source, new Set(codes))]).toEqual(expected);
  });
});
