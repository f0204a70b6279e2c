import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { PackedBundle } from '../../firmware-bundles/pack/pack-bundle.ts';
import { systemClock as clock } from '../../shared/adapters/clock/system-clock.ts';
import { cryptoRandom as random } from '../../shared/adapters/random/crypto-random.ts';
import { encodeFrame } from '../../shared/codec/frame.ts';
import type { DesiredState } from '../../shared/contracts/desired.ts';
import { hexOf, utf8 } from '../../shared/core/bytes.ts';
import { canonicalJson } from '../../shared/core/canonical-json.ts';
import type { BootId } from '../../shared/core/ids.ts';
import { signEnvelope } from '../../shared/trust/dsse.ts';
import { createStrangersKey } from './demo-keys.ts';
import type { DemoServer } from './demo-server.ts';
import { nameOf } from './play-rollout.ts';
import { type Publisher, pathOf } from './publisher.ts';
import type { ResultRow } from './result-row.ts';
import { filetypeApp, type Play } from './rollout-scene.ts';

/** Turns one bit of a blob that only this bundle has, in the server's own store, after it was published. */
export async function tamperWithBlob(server: DemoServer, bundle: PackedBundle): Promise<void> {
  const scales = bundle.config.variants[0]?.tensors.find(
    ({ location }) => location === 'weights_scale',
  );
  const hex = scales?.digest.slice('sha256:'.length) ?? '';
  const path = join(server.blobFolder, 'sha256', hex.slice(0, 2), hex);
  const bytes = await readFile(path);
  bytes[0] = (bytes[0] ?? 0) ^ 1;
  await writeFile(path, bytes);
}

const orderLifeMs = 3_600_000;
/** Ends with the last refusal; a machine that is busy with other things needs longer. */
const refusalMsMax = 120_000;

/**
 * `unsigned`: the server refuses to publish it; then whoever stole the director's key orders it by hand on every
 * device, past the server's rules. The devices look for an offline signature, and there is none.
 */
export async function playUnsigned(
  play: Play,
  scene: { readonly bundle: PackedBundle; readonly publisher: Publisher },
): Promise<ResultRow> {
  const { server, devices, view, signal } = play;
  const { bundle, publisher } = scene;
  const startMs = clock.monotonicMs();
  const code = await publisher.publishUnder(createStrangersKey(), { bundle }, clock.nowMs());
  view.say(`publishing ${nameOf(bundle)} under a key nobody vouches for: ${code}`);
  const isRefusedHere = code !== 'accepted';
  for (const { id } of devices) await orderWithStolenKey(server, bundle, id);
  const sightings = () => devices.map((device) => device.sightings.get(bundle.digest));
  const endMs = clock.monotonicMs() + refusalMsMax;
  while (
    sightings().some((seen) => seen?.reason === undefined) &&
    clock.monotonicMs() < endMs &&
    !signal.aborted
  ) {
    await clock.sleepUntil(clock.monotonicMs() + 100, signal);
  }
  const seen = sightings().flatMap((sighting) => sighting ?? []);
  const reasons = new Set(seen.flatMap(({ reason }) => reason ?? []));
  const isRefused =
    seen.length === devices.length && seen.every(({ reason }) => reason !== undefined);
  const activated = seen.filter(({ answeredAtMs }) => answeredAtMs !== undefined).length;
  return {
    bundle: nameOf(bundle),
    kind: 'unsigned',
    state: isRefused && isRefusedHere ? 'refused' : 'open',
    reason: reasons.size === 1 ? ([...reasons][0] ?? null) : null,
    exposed: seen.filter(({ orderedAtMs }) => orderedAtMs !== undefined).length,
    activated,
    reverted: 0,
    revertP99Ms: null,
    seconds: Math.round((clock.monotonicMs() - startMs) / 100) / 10,
  };
}

type Device = Play['devices'][number]['id'];

async function orderWithStolenKey(
  server: DemoServer,
  bundle: PackedBundle,
  device: Device,
): Promise<void> {
  const { store, fleet, online, broker } = server;
  const known = await store.read((reader) => reader.devices.get(fleet, device));
  if (known === null || known.epoch === null) return;
  const nowMs = clock.nowMs();
  const order: DesiredState = {
    ...{ fleet, device },
    deviceKey: known.keyDigest,
    epoch: known.epoch,
    directorVersion: 1,
    generation: known.issuedGeneration + 1,
    issuedAtMs: nowMs,
    expiresAtMs: nowMs + orderLifeMs,
    apps: [{ app: filetypeApp, path: pathOf(bundle), digest: bundle.digest, retry: 0 }],
    revoked: [],
  };
  const payload = utf8(canonicalJson(order));
  const envelope = await signEnvelope('desired', payload, [online.signer('director')]);
  const header = {
    v: 1 as const,
    id: hexOf(random.bytes(8)),
    ts: nowMs,
    epoch: known.epoch,
    boot: hexOf(random.bytes(16)) as BootId,
    seq: 1,
  };
  await broker.publish(
    { fleet, device },
    { kind: 'desired', bytes: encodeFrame(header, envelope) },
  );
}
