import type { ConnectPacket } from 'aedes';
import { limits } from '../../../shared/contracts/limits.ts';
import type { TopicAccess } from '../../../shared/contracts/topic-access.ts';
import { isDeviceId } from '../../../shared/core/ids.ts';
import { err, ok, type Result } from '../../../shared/core/result.ts';
import type { LoginAttempt } from '../../ports/broker.ts';

/** CONNACK return code (MQTT 3.1.1, table 3.1) and the reason that the metric counts. */
export interface ConnectRefusal {
  readonly returnCode: 1 | 2 | 3 | 4 | 5;
  readonly reason: string;
}

/** What a CONNECT must be before anybody looks at its token. */
export function readLogin(packet: ConnectPacket): Result<LoginAttempt, ConnectRefusal> {
  const { clientId, username, password } = packet;
  const keepaliveMs = (packet.keepalive ?? 0) * 1000;
  if (packet.protocolVersion !== 4) return refuse(1, 'protocol-version');
  if (!isDeviceId(clientId)) return refuse(2, 'client-id');
  // A session that outlives its connection would queue QoS 1 without a bound in aedes.
  if (packet.clean !== true) return refuse(5, 'session-not-clean');
  // aedes' own keepaliveLimit answers with code 6, which 3.1.1 does not have.
  if (keepaliveMs < limits.keepaliveMsMin || keepaliveMs > limits.keepaliveMsMax) {
    return refuse(5, 'keepalive');
  }
  if (username !== clientId || password === undefined) return refuse(4, 'login');
  return ok({ clientId, password: password.toString() });
}

/** The will is published in the device's name when it cannot answer for itself, so it is judged now. */
export function isWillAllowed(access: TopicAccess, will: ConnectPacket['will']): boolean {
  if (will === undefined) return true;
  const { topic, payload, qos = 0, retain = false } = will;
  return payload.length <= limits.willBytesMax && access.mayLeaveWill({ topic, qos, retain });
}

const refuse = (
  returnCode: ConnectRefusal['returnCode'],
  reason: string,
): Result<never, ConnectRefusal> => err({ returnCode, reason });
