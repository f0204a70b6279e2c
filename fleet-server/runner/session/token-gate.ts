import type { DeviceAddress } from '../../../shared/contracts/topics.ts';
import { err, ok } from '../../../shared/core/result.ts';
import type { BrokerGate } from '../../ports/broker.ts';
import type { TokenVerifier } from '../../ports/session-tokens.ts';

/**
 * Whether the device may have a session now: accepted, this token not revoked. Its answer is a
 * catalogue code or `ok`.
 */
export type CheckAdmission = (
  address: DeviceAddress,
  jti: string,
) => Promise<'ok' | 'login-refused'>;

/** The broker's door: client id = login = the token's subject, and the device is still welcome. */
export function createTokenGate(
  verifier: TokenVerifier,
  checkAdmission: CheckAdmission,
): BrokerGate {
  return {
    async checkLogin({ clientId, password }) {
      const token = await verifier.verify(password, 'skein-broker');
      if (!token.ok) return token;
      const { address, jti, expiresAtMs } = token.value;
      if (address.device !== clientId) return err({ code: 'token-invalid' });
      const admission = await checkAdmission(address, jti);
      return admission === 'ok' ? ok({ address, expiresAtMs }) : err({ code: admission });
    },
  };
}
