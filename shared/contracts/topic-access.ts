import {
  type DeviceAddress,
  downFilter,
  downKinds,
  downTopic,
  type UpKind,
  upKinds,
  upTopic,
} from './topics.ts';

export interface PublishAttempt {
  readonly topic: string;
  readonly retain: boolean;
  readonly qos: number;
}

/** What one device may do on the broker; everything else is denied. */
export interface TopicAccess {
  /**
   * The kind under which this may be published, or `undefined`. Presence alone may be retained; QoS
   * 2 is not spoken.
   */
  mayPublish(attempt: PublishAttempt): UpKind | undefined;
  /** A will is a presence message and nothing else. */
  mayLeaveWill(attempt: PublishAttempt): boolean;
  /** Exactly its own `dn/+`: not `#`, not a single kind, no `$share`. */
  maySubscribe(filter: string): boolean;
  /** Asked again at each delivery, because retained and queued messages do not pass through a subscription. */
  mayReceive(topic: string): boolean;
}

/**
 * The rules of one authenticated address. Each topic is made from the address, once per session,
 * and compared for equality:
 * nothing a client sends is put into a pattern (a client id of `+` walks through a templated access list).
 */
export function topicAccessOf(address: DeviceAddress): TopicAccess {
  const publishable = new Map(upKinds.map((kind) => [upTopic(address, kind), kind]));
  const receivable = new Set(downKinds.map((kind) => downTopic(address, kind)));
  const filter = downFilter(address);
  const mayPublish = ({ topic, retain, qos }: PublishAttempt): UpKind | undefined => {
    const kind = publishable.get(topic);
    return qos > 1 || (retain && kind !== 'presence') ? undefined : kind;
  };
  return {
    mayPublish,
    mayLeaveWill: (attempt) => mayPublish(attempt) === 'presence',
    maySubscribe: (asked) => asked === filter,
    mayReceive: (topic) => receivable.has(topic),
  };
}
