import { expect, test } from 'vitest';
import { isOlderVersion } from './version-order.ts';

test('when versions stand in order, each is older than all that follow and than no other', () => {
  const ordered = [
    '0.0.9',
    '0.9.0',
    '0.10.0',
    '1.0.0',
    '1.0.2',
    '1.0.10',
    '1.2.0',
    '1.10.0',
    '2.0.0',
  ];
  for (const [place, version] of ordered.entries()) {
    const older = ordered.filter((other) => isOlderVersion(other, version));
    expect(older, version).toEqual(ordered.slice(0, place));
  }
});
