import { utf8 } from '../../shared/core/bytes.ts';
import { canonicalJson, type Json } from '../../shared/core/canonical-json.ts';
import type { RolloutId } from '../../shared/core/ids.ts';
import { sha256Hex } from '../../shared/trust/hash.ts';
import { smokeFleet as fleet, type SmokeFleet } from './smoke-fleet.ts';

/** Hash over everything the server has written and every device keeps: two runs of one seed have the same. */
export async function traceHashOf(
  { store, devices, loop }: SmokeFleet,
  rollouts: readonly RolloutId[],
): Promise<string> {
  const written = await loop.runUntil(
    store.read(async (view) => ({
      rollouts: await Promise.all(rollouts.map((id) => view.rollouts.get(fleet, id))),
      audit: await view.audit.listAll({ limit: 1_000 }),
      events: await view.events.list(fleet, { limit: 1_000 }),
    })),
  );
  const journals: string[] = [];
  for (const { disk } of devices.values()) {
    for (const name of ['update', 'outbox']) {
      const bytes = await disk.read(`state/${name}.journal`, { bytesMax: 1 << 26 });
      journals.push(sha256Hex(bytes ?? new Uint8Array()));
    }
  }
  return sha256Hex(utf8(canonicalJson({ ...written, journals } as unknown as Json)));
}
