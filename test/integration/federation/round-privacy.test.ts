import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { utf8 } from '../../../shared/core/bytes.ts';
import { digestOf } from '../../../shared/trust/hash.ts';
import { RoundFleet, roundFleet } from '../../support/round-fleet.ts';

let folder: string;
let fleet: RoundFleet;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'skein-privacy-'));
  fleet = await RoundFleet.open(folder);
});
afterEach(async () => {
  await fleet.close();
  await rm(folder, { recursive: true, force: true });
});

it('given a held-out set that was brought for rounds, the admin who publishes bundles cannot read it back', async () => {
  const { origin, token } = fleet.doors;
  const bytes = utf8('labelled inputs');
  const digest = digestOf(bytes);
  await fleet.put(`/api/v1/fleets/${roundFleet}/held-out/${digest}`, bytes);
  const headers = { authorization: `Bearer ${token}` };
  const url = `${origin}/v2/filetype/blobs/${digest}`;
  expect((await fetch(url, { headers })).status).toBe(404);
  expect((await fetch(url, { method: 'HEAD', headers })).status).toBe(404);
});
