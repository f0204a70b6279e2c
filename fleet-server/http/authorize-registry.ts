import { type ErrorCode, errorCodes } from '../../shared/contracts/error-codes.ts';
import { err, ok, type Result } from '../../shared/core/result.ts';
import { mayActAs, type PersonPrincipal, seesAllFleets } from '../core/access/principal.ts';
import type { TokenDesk } from '../runner/token-desk.ts';
import type { AuthorizeRegistry, RegistryCaller } from './registry-access.ts';

/**
 * Rights at the image repository. Everybody with a token reads what their fleets may read; publishing concerns all
 * fleets, so it needs an operator who sees them all. What is published proves itself by its offline signatures.
 */
export function createAuthorizeRegistry(access: TokenDesk): AuthorizeRegistry {
  return async (token, need) => {
    if (token === undefined) return refuse('token-missing', 'send an API token');
    const checked = await access.check(token);
    if (!checked.ok) return refuse(codeOf(checked.error.code), checked.error.message);
    const principal = checked.value;
    if (principal.kind === 'device') {
      const { fleet, device } = principal.address;
      return need === 'read'
        ? ok({ actor: `device:${device}`, scope: { fleets: [fleet], seesUploads: false } })
        : refuse('role-insufficient', 'devices do not publish');
    }
    return person(principal, need);
  };
}

function person(
  principal: PersonPrincipal,
  need: 'read' | 'publish',
): Result<RegistryCaller, { readonly code: ErrorCode; readonly message: string }> {
  const mayPublish = mayActAs(principal, 'operator') && seesAllFleets(principal);
  if (need === 'publish' && !mayPublish) {
    return refuse('role-insufficient', 'publishing needs an operator who sees all fleets');
  }
  const fleets = seesAllFleets(principal) ? 'all' : principal.fleets;
  return ok({ actor: principal.name, scope: { fleets, seesUploads: mayPublish } });
}

const codeOf = (code: string): ErrorCode =>
  Object.hasOwn(errorCodes, code) ? (code as ErrorCode) : 'token-invalid';

const refuse = (
  code: ErrorCode,
  message: string,
): Result<never, { code: ErrorCode; message: string }> => err({ code, message });
