import {
  type DeviceAddress,
  downFilter,
  downKinds,
  downTopic,
  type UpKind,
  upKinds,
  upTopic,
} from './topics.ts';

/**
 * What one device may do on the broker; default deny. Each topic is made from the authenticated address and compared for
 * equality: nothing that a client sends is put into a pattern (a client id of `+` walks through a templated ACL).
 */
export interface PublishAttempt {
  readonly topic: string;
  readonly retain: boolean;
  readonly qos: number;
}

/** The kind under which `device` may publish this, or `undefined`. Presence alone may be retained; QoS 2 is not spoken. */
export function mayPublish(device: DeviceAddress, attempt: PublishAttempt): UpKind | undefined {
  if (attempt.qos > 1) return undefined;
  const kind = upKinds.find((candidate) => attempt.topic === upTopic(device, candidate));
  return kind !== 'presence' && attempt.retain ? undefined : kind;
}

/** Exactly its own `dn/+`: not `#`, not a single kind, no `$share`. */
export function maySubscribe(device: DeviceAddress, filter: string): boolean {
  return filter === downFilter(device);
}

/** Asked again at each delivery, because retained and queued messages do not pass through a subscription. */
export function mayReceive(device: DeviceAddress, topic: string): boolean {
  return downKinds.some((kind) => topic === downTopic(device, kind));
}

/** A will is a presence message and nothing else. */
export function mayLeaveWill(device: DeviceAddress, attempt: PublishAttempt): boolean {
  return mayPublish(device, attempt) === 'presence';
}
