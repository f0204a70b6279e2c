import { afterEach, beforeEach, expect, test } from 'vitest';
import { openMemoryStore } from '../../fleet-server/adapters/sql/sql-store.ts';
import { deviceTag } from '../../fleet-server/core/enrolment/decide-standing.ts';
import type { TokenIssuer } from '../../fleet-server/ports/session-tokens.ts';
import type { Store } from '../../fleet-server/ports/store.ts';
import { LiveSessions } from '../../fleet-server/runner/live-sessions.ts';
import { SessionDesk } from '../../fleet-server/runner/session-desk.ts';
import { hexOf, utf8 } from '../../shared/core/bytes.ts';
import { canonicalJson } from '../../shared/core/canonical-json.ts';
import type { DeviceId, Epoch } from '../../shared/core/ids.ts';
import { OperatingError } from '../../shared/core/operating-error.ts';
import { signEnvelope } from '../../shared/trust/dsse.ts';
import { sha256Hex } from '../../shared/trust/hash.ts';
import { seededSigner } from '../../sim/world/seeded-keys.ts';
import { HttpWorld, testOrigin } from '../support/http-world.ts';
import { device, plant } from '../support/store-nouns.ts';

const id = 'edge-1' as DeviceId;
const address = { fleet: plant, device: id };
const key = seededSigner('edge-1');

let world: HttpWorld;
beforeEach(async () => {
  world = await HttpWorld.open({ store: openMemoryStore().store });
  const publicKey = hexOf(key.publicKey);
  const keyDigest = sha256Hex(key.publicKey);
  await world.store.transaction((tx) =>
    tx.devices.insert(device(id, { publicKey, keyDigest, epoch: 'e'.repeat(32) as Epoch })),
  );
});
afterEach(() => world.close());

/** The server's own desk over the server's own sessions, but something happens while its second token is signed. */
function deskWith(between: () => Promise<unknown>, store: Store = world.store): SessionDesk {
  const issuer = world.tokens;
  let issued = 0;
  const tokens: TokenIssuer = {
    issue: async (to, options) => {
      issued += 1;
      if (issued === 2) await between();
      return issuer.issue(to, options);
    },
  };
  return new SessionDesk({
    ...{ store, tokens, clock: world.clock, random: world.random, sessions: world.server.live },
    ...{ director: seededSigner('director'), cellKey: new Uint8Array(32), audience: testOrigin },
    ...{ brokerUrl: 'mqtt://127.0.0.1:1883', jitterMs: 0 },
  });
}

async function login(desk: SessionDesk) {
  const challenge = await desk.challenge(address);
  const nonce = challenge.ok ? challenge.value.nonce : '';
  const deviceNonce = '1'.repeat(64);
  const claimed = canonicalJson({ ...address, nonce, audience: testOrigin, deviceNonce });
  const answer = await desk.login(await signEnvelope('loginAssertion', utf8(claimed), [key]));
  return answer.ok ? 'granted' : answer.error.code;
}

async function decommission(): Promise<string> {
  const known = await world.desks.devices.get(address);
  const seen = known.ok ? deviceTag(known.value.device) : '';
  const order = { order: 'decommission', why: 'stolen', by: 'operator', seen } as const;
  const done = await world.desks.devices.stand(address, order);
  return done.ok ? done.value.state : done.error.code;
}

const live = () => world.server.live.find(address, world.clock.nowMs());
const rows = () => world.store.read((view) => view.sessions.listOf(plant, id));

test('when a device is decommissioned while its tokens are signed, no session stands afterwards', async () => {
  expect(await login(deskWith(decommission))).toBe('device-decommissioned');
  expect(live()).toBeUndefined();
  expect(await rows()).toEqual([]);
});

test('when login and decommission run side by side, in whatever order, no session stands afterwards', async () => {
  const outcomes = new Set<string>();
  for (let turns = 0; turns < 12; turns += 1) {
    await world.store.transaction((tx) => tx.devices.update(plant, id, { state: 'accepted' }));
    let ending: Promise<string> | undefined;
    const begin = async () => {
      ending = decommission();
      await pass(turns);
    };
    outcomes.add(await login(deskWith(begin)));
    expect(await ending).toBe('decommissioned');
    expect([turns, live(), await rows()]).toEqual([turns, undefined, []]);
  }
  expect([...outcomes].sort()).toEqual(['device-decommissioned', 'granted']);
});

test('when a device is enrolled anew while its tokens are signed, the old login opens nothing', async () => {
  const epoch = 'f'.repeat(32) as Epoch;
  const anew = () => world.store.transaction((tx) => tx.devices.update(plant, id, { epoch }));
  expect(await login(deskWith(anew))).toBe('epoch-mismatch');
  expect(live()).toBeUndefined();
});

test('when the row of a session cannot be written, no live session is left of it', async () => {
  let transactions = 0;
  const store: Store = {
    read: (work) => world.store.read(work),
    close: () => world.store.close(),
    transaction: (work) =>
      world.store.transaction(async (tx) => {
        const done = await work(tx);
        transactions += 1;
        // After the challenge and the check: the one that opens the session.
        if (transactions === 3) throw new OperatingError('disk-full', 'no room for the row');
        return done;
      }),
  };
  await expect(login(deskWith(async () => undefined, store))).rejects.toThrow('no room');
  expect(live()).toBeUndefined();
  expect(await rows()).toEqual([]);
});

test('given two logins, closing the older one by its name leaves the newer one open', () => {
  const sessions = new LiveSessions();
  const session = { address, epoch: 'e'.repeat(32) as Epoch, key: new Uint8Array(32) };
  sessions.open({ ...session, jti: 'newer', expiresAtMs: 10 }, 0);
  sessions.close(address, 'older');
  expect(sessions.find(address, 1)?.jti).toBe('newer');
  sessions.close(address);
  expect(sessions.find(address, 1)).toBeUndefined();
});

/** Turns of the event loop, in which the other side gets further. */
async function pass(turns: number): Promise<void> {
  for (let turn = 0; turn < turns; turn += 1) await new Promise((done) => setImmediate(done));
}
