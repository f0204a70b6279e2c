import { expect, test } from 'vitest';
import { tufScenarios } from '../../support/tuf-scenarios.ts';
import './conformance-basic.suite.ts';
import './conformance-delegation.suite.ts';
import './conformance-download.suite.ts';
import './conformance-expiration.suite.ts';
import './conformance-keys.suite.ts';
import './conformance-repository.suite.ts';
import './conformance-rollback.suite.ts';
import './conformance-rotation.suite.ts';

test('given the list of the public suite, the titles here carry each of its names as often as it says, and no other', ({
  task,
}) => {
  const counts = new Map<string, number>();
  for (const { name: title } of task.file.tasks) {
    const name = /\[([a-z0-9_]+)\]$/.exec(title)?.[1];
    if (name !== undefined) counts.set(name, (counts.get(name) ?? 0) + 1);
  }
  const expected = [...tufScenarios].map(([name, { ours }]) => [name, ours] as const);
  expect(Object.fromEntries(counts)).toEqual(Object.fromEntries(expected));
});

test('given the published count of the public suite, the list has 113 cases and ours has no fewer of any name', () => {
  const all = [...tufScenarios.values()];
  expect(all.reduce((sum, { theirs }) => sum + theirs, 0)).toBe(113);
  expect(all.filter(({ theirs, ours }) => ours < theirs)).toEqual([]);
});
