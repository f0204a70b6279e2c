import { decodeFrame, encodeFrame } from '../../shared/codec/frame.ts';
import type { DesiredState } from '../../shared/contracts/desired.ts';
import { limits } from '../../shared/contracts/limits.ts';
import type { Window } from '../../shared/contracts/window.ts';
import { bytesOfBase64, textOf, utf8 } from '../../shared/core/bytes.ts';
import { canonicalJson, type Json } from '../../shared/core/canonical-json.ts';
import { readEnvelope, signEnvelope } from '../../shared/trust/dsse.ts';
import { seededSigner } from '../../sim/world/seeded-keys.ts';
import type { Caught, ManInTheMiddle, Message, Tamper } from './man-in-the-middle.ts';
import { bodyOf } from './said-and-signed.ts';

export interface Attack {
  readonly name: string;
  /** Codes under which each side counts what is refused; empty where nothing that is forged arrives. */
  readonly server: readonly string[];
  readonly device: readonly string[];
  /** It needs the device's own messages to lie about. */
  readonly isOnWayUpOnly?: boolean;
  readonly begin: (man: ManInTheMiddle) => Tamper;
}

const like = (a: Caught, b: Caught): boolean => a.way === b.way && a.kind === b.kind;
const withPayload = (message: Message, payload: Uint8Array): Message => ({
  ...message,
  payload: Buffer.from(payload),
});
const otherKind: Readonly<Record<string, string>> = {
  ...{ desired: 'ack', ack: 'desired', window: 'reported', reported: 'window', presence: 'window' },
};
const mallory = seededSigner('mallory');

export const attacks: readonly Attack[] = [
  { name: 'drops everything', server: [], device: [], begin: () => () => [] },
  {
    ...{ name: 'says everything twice', server: [], device: [] },
    begin: () => (one) => [one, { ...one, dup: true }],
  },
  {
    name: 'repeats what it heard in an earlier session',
    ...{ server: ['mac-invalid'], device: ['stale-generation', 'mac-invalid'] },
    begin:
      ({ caught }) =>
      (one) => {
        const old = caught.find((before) => before.device === one.device && like(before, one));
        return old === undefined || old.connection === one.connection ? [one] : [one, old];
      },
  },
  {
    ...{ name: 'repeats what it heard in this session', server: ['frame-replayed'], device: [] },
    begin:
      ({ caught }) =>
      (one) => {
        const old = caught.find(
          (before) => before.connection === one.connection && like(before, one) && before !== one,
        );
        return old === undefined ? [one] : [one, old];
      },
  },
  {
    ...{ name: 'turns pairs of messages round', server: ['frame-replayed'], device: [] },
    begin: () => {
      const held = new Map<string, Caught>();
      return (one) => {
        const name = `${one.connection} ${one.way}`;
        const before = held.get(name);
        if (before === undefined) held.set(name, one);
        else held.delete(name);
        return before === undefined ? [] : [one, before];
      };
    },
  },
  {
    name: "gives each device what was the other's",
    ...{ server: ['mac-invalid'], device: ['desired-for-another', 'epoch-mismatch'] },
    begin:
      ({ caught }) =>
      (one) => {
        const others = caught.findLast((other) => other.device !== one.device && like(other, one));
        return others === undefined ? [] : [withPayload(one, others.payload)];
      },
  },
  {
    ...{ name: 'flips a bit of each message', server: ['mac-invalid'], device: ['mac-invalid'] },
    begin: () => {
      let count = 0;
      return (one) => {
        count += 1;
        const payload = Buffer.from(one.payload);
        const at = (count * 97) % payload.length;
        payload[at] = (payload[at] ?? 0) ^ (1 << (count % 8));
        return [withPayload(one, payload)];
      };
    },
  },
  {
    name: 'cuts each message short',
    ...{ server: ['malformed-frame', 'mac-invalid'], device: ['malformed-frame', 'mac-invalid'] },
    begin: () => {
      let count = 0;
      return (one) => {
        count += 1;
        const end = Math.floor(((count % 4) / 4) * one.payload.length);
        return [withPayload(one, one.payload.subarray(0, count % 2 === 0 ? end : -1))];
      };
    },
  },
  {
    ...{ name: 'blows each message up beyond any bound', server: [], device: ['too-large'] },
    begin: () => (one) => [
      withPayload(one, Buffer.concat([one.payload, Buffer.alloc(limits.frameBytesMax, 0x20)])),
    ],
  },
  {
    name: 'gives each message the topic of another kind',
    ...{ server: ['mac-invalid'], device: ['mac-invalid', 'malformed-envelope'] },
    begin: () => (one) => {
      const kind = otherKind[one.kind] ?? 'ack';
      return [{ ...one, topic: one.topic.replace(/[a-z]+$/, kind) }];
    },
  },
  {
    name: 'gives each message the topic of the other device',
    ...{ server: [], device: ['kind-not-expected'] },
    begin: () => (one) => {
      const other = one.device === 'edge-1' ? 'edge-2' : 'edge-1';
      return [{ ...one, topic: one.topic.replace(one.device, other) }];
    },
  },
  {
    ...{ name: 'changes delivery and retention', server: [], device: [] },
    begin: () => (one) => [{ ...one, qos: 0, retain: one.way === 'down', dup: false }],
  },
  {
    name: 'lies that windows are durable which it has thrown away',
    ...{ server: [], device: ['mac-invalid'], isOnWayUpOnly: true },
    begin: (man) => (one) => {
      if (one.kind !== 'window') return [one];
      const ack = man.caught.findLast(
        ({ device, kind }) => device === one.device && kind === 'ack',
      );
      if (ack !== undefined) man.inject(one.device, 'down', forgedAck(ack, one));
      return [];
    },
  },
];

/** Of what a device said, something more; with the numbers that would follow, and the MAC that it has. */
export function forgedWindow(one: Caught): Message {
  const window = JSON.parse(textOf(bodyOf(one.payload)) ?? '') as Window;
  const next = window.last + 1;
  const models = window.models.map((model) => ({ ...model, inferences: 1_000_000 }));
  return refilled(one, utf8(JSON.stringify({ ...window, first: next, last: next, models })), 1_000);
}

export function forgedAck(ack: Caught, window: Caught): Message {
  const { outbox, last } = JSON.parse(textOf(bodyOf(window.payload)) ?? '') as Window;
  return refilled(ack, utf8(canonicalJson({ outbox, durable: last })), 1_000);
}

/** A newer order for the same device that wants everything at once, signed by a key of the attacker's own. */
export async function forgedOrder(one: Caught, change: Partial<DesiredState>): Promise<Message> {
  const envelope = readEnvelope(bodyOf(one.payload));
  if (!envelope.ok) throw new Error(envelope.error.code);
  const payload = textOf(bytesOfBase64(envelope.value.payload) ?? new Uint8Array()) ?? '';
  const order = { ...(JSON.parse(payload) as DesiredState), ...change } as unknown as Json;
  const signed = await signEnvelope('desired', utf8(canonicalJson(order)), [mallory]);
  return refilled(one, signed, 1);
}

function refilled(one: Caught, body: Uint8Array, later: number): Message {
  const frame = decodeFrame(one.payload);
  if (!frame.ok) throw new Error(frame.error.code);
  const { header } = frame.value;
  return withPayload(one, encodeFrame({ ...header, seq: header.seq + later }, body));
}
