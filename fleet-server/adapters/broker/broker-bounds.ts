import { limits } from '../../../shared/contracts/limits.ts';

/** Rates and sizes that an operator may set; the defaults are those of `limits.ts`. */
export interface BrokerBounds {
  readonly connectsPerSecond: number;
  readonly connectsBurst: number;
  readonly messagesPerSecond: number;
  readonly messagesBurst: number;
  readonly connectionsMax: number;
  readonly pendingMax: number;
  readonly unsentBytesMax: number;
  readonly drainTimeoutMs: number;
  readonly loginTimeoutMs: number;
}

export const defaultBrokerBounds: BrokerBounds = {
  connectsPerSecond: limits.brokerConnectsPerSecond,
  connectsBurst: limits.brokerConnectsBurst,
  messagesPerSecond: limits.brokerMessagesPerSecond,
  messagesBurst: limits.brokerMessagesBurst,
  connectionsMax: limits.brokerConnectionsMax,
  pendingMax: limits.brokerPendingMax,
  unsentBytesMax: limits.brokerUnsentBytesMax,
  drainTimeoutMs: limits.brokerDrainTimeoutMs,
  loginTimeoutMs: limits.brokerLoginTimeoutMs,
};
