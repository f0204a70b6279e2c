import type { Json } from '../../core/canonical-json.ts';
import { entriesOf, type JsonObject } from '../strict-json.ts';
import type { DelegatedRole, Delegations, RoleKeys, SuccinctRoles, TufKey } from './metadata.ts';
import { topLevelRoles } from './metadata.ts';
import { need, needInteger, needObject, needText, needTexts } from './shape.ts';

/**
 * Keys by id. The id is not compared with the hash of the key: published roots exist whose ids were computed over an
 * older form. `countSigners` counts different public keys instead, so a second id gains a key nothing.
 */
export function readKeys(value: Json | undefined): ReadonlyMap<string, TufKey> {
  return new Map(
    entriesOf(needObject(value, 'keys')).map(([keyId, item]) => {
      const json = needObject(item, `key ${keyId}`);
      const keyval = needObject(json['keyval'], `keyval of ${keyId}`);
      return [
        keyId,
        {
          keytype: needText(json['keytype'], 'keytype'),
          scheme: needText(json['scheme'], 'scheme'),
          publicKey: needText(keyval['public'], 'public'),
          json,
        },
      ];
    }),
  );
}

/** 4.3: key ids are unique inside a role, the threshold is at least 1. */
export function readRoleKeys(value: JsonObject): RoleKeys {
  const keyIds = needTexts(value['keyids'], 'keyids');
  need(new Set(keyIds).size === keyIds.length, 'a key id stands twice in a role');
  return { keyIds, threshold: needInteger(value['threshold'], 1, 'threshold') };
}

/** 4.5: either a list of roles or succinct roles (TAP 15), never both. */
export function readDelegations(value: Json): Delegations {
  const json = needObject(value, 'delegations');
  const { roles: list, succinct_roles: succinct } = json;
  need(
    (list === undefined) !== (succinct === undefined),
    'delegations need roles or succinct_roles',
  );
  need(list === undefined || Array.isArray(list), 'delegated roles are not a list');
  const roles = ((list ?? []) as readonly Json[]).map((item) => readDelegatedRole(item));
  need(new Set(roles.map(({ name }) => name)).size === roles.length, 'a role is delegated twice');
  return {
    keys: readKeys(json['keys']),
    roles,
    succinct: succinct === undefined ? undefined : readSuccinctRoles(succinct),
  };
}

function readDelegatedRole(value: Json): DelegatedRole {
  const json = needObject(value, 'a delegated role');
  const name = needText(json['name'], 'name of a delegated role');
  // Its file would take the place of a top-level one.
  need(name !== '' && !isTopLevel(name), `"${name}" cannot be delegated`);
  const { terminating, paths, path_hash_prefixes: prefixes } = json;
  need(typeof terminating === 'boolean', 'terminating is not a boolean');
  need((paths === undefined) !== (prefixes === undefined), `${name} needs paths or hash prefixes`);
  return {
    name,
    terminating: terminating === true,
    match:
      paths === undefined
        ? { by: 'hash-prefixes', patterns: needTexts(prefixes, 'path_hash_prefixes') }
        : { by: 'paths', patterns: needTexts(paths, 'paths') },
    ...readRoleKeys(json),
  };
}

function readSuccinctRoles(value: Json): SuccinctRoles {
  const json = needObject(value, 'succinct_roles');
  const bitLength = needInteger(json['bit_length'], 1, 'bit_length');
  need(bitLength <= 32, 'bit_length is above 32');
  return {
    bitLength,
    namePrefix: needText(json['name_prefix'], 'name_prefix'),
    ...readRoleKeys(json),
  };
}

function isTopLevel(name: string): boolean {
  return topLevelRoles.some((role) => role === name);
}
