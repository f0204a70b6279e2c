import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { createDecoder } from '../../../shared/codec/validator.ts';
import { AgentMemorySchema } from '../../../shared/contracts/agent-memory.ts';
import type { DesiredState } from '../../../shared/contracts/desired.ts';
import { textOf, utf8 } from '../../../shared/core/bytes.ts';
import { canonicalJson } from '../../../shared/core/canonical-json.ts';
import type { Signer } from '../../../shared/ports/signer.ts';
import { signEnvelope } from '../../../shared/trust/dsse.ts';
import { seededSigner } from '../../../sim/world/seeded-keys.ts';
import { day0Ms } from '../../support/tuf-repository.ts';
import { DeviceScene, identity } from '../bad-input/device-scene.ts';

const decodeMemory = createDecoder(AgentMemorySchema, 4096);
let scene: DeviceScene;
let generation = 0;
beforeEach(async () => {
  scene = await DeviceScene.open();
});
afterEach(() => scene.close());

const keys = () => scene.origin.operator.keys;

async function headOf(size: number, signer: Signer = keys().signer('audit')): Promise<string> {
  const payload = utf8(canonicalJson({ size, hash: 'a'.repeat(64), atMs: day0Ms }));
  return textOf(await signEnvelope('auditHead', payload, [signer])) ?? '';
}

/** An honest order with this head; what the device remembers afterwards. */
async function obey(signedHead: string): Promise<string | undefined> {
  generation += 1;
  const order: DesiredState = {
    ...identity,
    ...{ directorVersion: 1, generation, apps: [], revoked: [], signedHead },
    ...{ issuedAtMs: day0Ms, expiresAtMs: day0Ms + 3_600_000 },
  };
  const payload = utf8(canonicalJson(order));
  const envelope = await signEnvelope('desired', payload, [keys().signer('director')]);
  expect(await scene.refusedOrder(envelope)).toBe('ok');
  return remembered();
}

async function remembered(): Promise<string | undefined> {
  const bytes = await readFile(join(scene.folder, 'state', 'memory.json')).catch(() => undefined);
  const memory = bytes === undefined ? undefined : decodeMemory(bytes);
  return memory?.ok === true ? memory.value.signedHead : undefined;
}

test('when orders bring audit heads, the device remembers the largest, as it was signed', async () => {
  const [small, large] = [await headOf(5), await headOf(9)];
  expect(await obey(small)).toBe(small);
  expect(await obey(large)).toBe(large);
  expect(await obey(small)).toBe(large);
  expect(
    scene.log.entries.filter(({ fields }) => fields['event'] === 'audit-head-refused'),
  ).toEqual([]);
});

test('when a head is not signed by the audit key, the order stands and the head is no witness', async () => {
  const honest = await headOf(2);
  await obey(honest);
  for (const signer of [keys().signer('director'), seededSigner('thief')]) {
    expect(await obey(await headOf(99, signer))).toBe(honest);
  }
  expect(await obey('no envelope')).toBe(honest);
  const codes = scene.log.entries.flatMap(({ fields }) =>
    fields['event'] === 'audit-head-refused' ? [fields['code']] : [],
  );
  expect(codes).toEqual(['unknown-key', 'unknown-key', 'malformed-envelope']);
});
