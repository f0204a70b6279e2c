import fc from 'fast-check';
import { expect, test } from 'vitest';
import { utf8 } from '../../core/bytes.ts';
import type { Json } from '../../core/canonical-json.ts';
import type { JsonObject } from '../strict-json.ts';
import type { TopLevelRole } from './metadata.ts';
import { parseMetadata } from './parse-metadata.ts';
import { verifyFirstRoot } from './verify-metadata.ts';

const common = { spec_version: '1.0.34', version: 1, expires: '2030-01-01T00:00:00Z' };
const grant = { keyids: ['k'], threshold: 1 };
const key = { keytype: 'ed25519', scheme: 'ed25519', keyval: { public: '00' } };
const delegated = { ...grant, name: 'A', terminating: false, paths: ['*'] };

const rootRoles = { root: grant, timestamp: grant, snapshot: grant, targets: grant };

const bodies: Readonly<Record<TopLevelRole, JsonObject>> = {
  root: {
    _type: 'root',
    ...common,
    consistent_snapshot: true,
    keys: { k: key },
    roles: rootRoles,
  },
  timestamp: { _type: 'timestamp', ...common, meta: { 'snapshot.json': { version: 1 } } },
  snapshot: { _type: 'snapshot', ...common, meta: { 'targets.json': { version: 1 } } },
  targets: {
    _type: 'targets',
    ...common,
    targets: { a: { length: 0, hashes: { sha256: '00', blake2b: '11' } } },
    delegations: { keys: { k: key }, roles: [delegated] },
  },
};

const file = (signed: Json, signatures: Json = []): Uint8Array =>
  utf8(JSON.stringify({ signatures, signed }));

test.each(Object.entries(bodies))('given a plain %s, it parses', (kind, body) => {
  expect(parseMetadata(kind as TopLevelRole, file(body)).ok).toBe(true);
});

const withDelegations = (delegations: Json): Json => ({ ...bodies.targets, delegations });
const malformed: readonly [string, TopLevelRole, Json][] = [
  ['another type', 'timestamp', bodies.snapshot],
  ['a major version we do not know', 'root', { ...bodies.root, spec_version: '2.0.0' }],
  ['a version that is no version', 'root', { ...bodies.root, spec_version: '1.x' }],
  ['version 0', 'root', { ...bodies.root, version: 0 }],
  ['version 1.5', 'root', { ...bodies.root, version: 1.5 }],
  ['a version beyond safe integers', 'root', { ...bodies.root, version: 2 ** 53 }],
  ['a version as text', 'root', { ...bodies.root, version: '1' }],
  ['an expiry that is no date', 'root', { ...bodies.root, expires: 'never' }],
  ['an expiry in no month', 'root', { ...bodies.root, expires: '2030-13-01T00:00:00Z' }],
  ['an expiry in local time', 'root', { ...bodies.root, expires: '2030-01-01T00:00:00' }],
  ['no consistent_snapshot', 'root', { ...bodies.root, consistent_snapshot: null }],
  ['a missing role', 'root', { ...bodies.root, roles: { root: grant } }],
  [
    'threshold 0',
    'root',
    { ...bodies.root, roles: { ...rootRoles, root: { ...grant, threshold: 0 } } },
  ],
  [
    'one key id twice in a role',
    'root',
    { ...bodies.root, roles: { ...rootRoles, targets: { keyids: ['k', 'k'], threshold: 1 } } },
  ],
  ['a key that is a list', 'root', { ...bodies.root, keys: { k: [] } }],
  ['no snapshot in timestamp', 'timestamp', { ...bodies.timestamp, meta: {} }],
  [
    'a negative length',
    'snapshot',
    { ...bodies.snapshot, meta: { x: { version: 1, length: -1 } } },
  ],
  [
    'only hashes we cannot compute',
    'snapshot',
    { ...bodies.snapshot, meta: { x: { version: 1, hashes: { blake2b: '00' } } } },
  ],
  ['a target without hashes', 'targets', { ...bodies.targets, targets: { a: { length: 1 } } }],
  ['targets as a list', 'targets', { ...bodies.targets, targets: [] }],
  ['delegations without roles', 'targets', withDelegations({ keys: {} })],
  [
    'two roles of one name',
    'targets',
    withDelegations({ keys: {}, roles: [delegated, delegated] }),
  ],
  [
    'a role without a name',
    'targets',
    withDelegations({ keys: {}, roles: [{ ...delegated, name: '' }] }),
  ],
  [
    'paths and hash prefixes at once',
    'targets',
    withDelegations({ keys: {}, roles: [{ ...delegated, path_hash_prefixes: [] }] }),
  ],
  [
    'roles and succinct roles at once',
    'targets',
    withDelegations({
      keys: {},
      roles: [],
      succinct_roles: { ...grant, bit_length: 1, name_prefix: 'b' },
    }),
  ],
  [
    'succinct roles of 33 bits',
    'targets',
    withDelegations({ keys: {}, succinct_roles: { ...grant, bit_length: 33, name_prefix: 'b' } }),
  ],
];

test.each(malformed)('given %s, the file is malformed', (_, kind, signed) => {
  const parsed = parseMetadata(kind, file(signed));
  expect(parsed.ok ? 'ok' : parsed.error.code).toBe('tuf-malformed-metadata');
});

test.each(['', 'null', '[]', '{"signed":{}}', '{"signed":[],"signatures":[]}'])(
  'given the file %s, it is malformed',
  (text) => {
    expect(parseMetadata('root', utf8(text)).ok).toBe(false);
  },
);

test('given any one value of a root put in another place, the answer is a result and never a throw', () => {
  const signature = { keyid: 'k', sig: '00' };
  fc.assert(
    fc.property(fc.nat(40), fc.jsonValue({ maxDepth: 2 }), (place, value) => {
      let at = 0;
      const text = JSON.stringify(
        { signatures: [signature], signed: bodies.root },
        (_, member: unknown) => {
          at += 1;
          return at === place + 2 ? value : member;
        },
      );
      expect(verifyFirstRoot(utf8(text)).ok).toBe(false);
    }),
    { numRuns: 500 },
  );
});
