import nacl from 'tweetnacl';
import { expect, test } from 'vitest';
import { hexOf, textOf, utf8 } from '../../core/bytes.ts';
import { parseMetadata } from './parse-metadata.ts';
import {
  addSignature,
  type DelegationGrant,
  ed25519Key,
  nextBody,
  type RoleGrant,
  rootBody,
  signBody,
  snapshotBody,
  type TufPublicKey,
  type TufSign,
  targetsBody,
  timestampBody,
} from './repository.ts';
import { meetsThreshold } from './signature.ts';
import {
  verifyFirstRoot,
  verifyNextRoot,
  verifySnapshot,
  verifyTargets,
} from './verify-metadata.ts';

const expiresAtMs = Date.UTC(2027, 0, 1);
const time = { kind: 'trusted', nowMs: Date.UTC(2026, 0, 1) } as const;

/** Signed offline by tweetnacl, verified by node:crypto: the pair that Skein uses. */
function keyPair(n: number): { readonly key: TufPublicKey; readonly sign: TufSign } {
  const pair = nacl.sign.keyPair.fromSeed(new Uint8Array(32).fill(n));
  const key = ed25519Key(pair.publicKey);
  return {
    key,
    sign: (bytes) => ({
      keyid: key.keyId,
      sig: hexOf(nacl.sign.detached(new Uint8Array(bytes), pair.secretKey)),
    }),
  };
}

const [a, b, c, online] = [keyPair(1), keyPair(2), keyPair(3), keyPair(4)];
const single: RoleGrant = { keys: [online.key], threshold: 1 };
const roles = {
  root: { keys: [a.key, b.key, c.key], threshold: 2 },
  timestamp: single,
  snapshot: single,
  targets: { keys: [a.key], threshold: 1 },
};

test('given the key of RFC 8032 test 1, its id is the hash of its canonical object', () => {
  const bytes = Buffer.from(
    'd75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a',
    'hex',
  );
  const key = ed25519Key(bytes);
  expect(key.json).toEqual({
    keytype: 'ed25519',
    scheme: 'ed25519',
    keyval: { public: bytes.toString('hex') },
  });
  expect(key.keyId).toMatch(/^[0-9a-f]{64}$/);
});

test('given a root signed at two desks, it meets its threshold only after the second', () => {
  const once = signBody(rootBody({ version: 1, expiresAtMs, roles }), [a.sign]);
  expect(verifyFirstRoot(once).ok).toBe(false);
  const twice = addSignature(once, c.sign);
  expect(verifyFirstRoot(twice).ok).toBe(true);
  expect(addSignature(twice, c.sign)).toEqual(twice);
});

test("given a file in somebody else's layout, a further signature leaves its text alone", () => {
  const body = rootBody({ version: 1, expiresAtMs, roles });
  const odd = `{\n "signed" : ${JSON.stringify(body, undefined, 3)} ,\n "signatures" : [ ] }`;
  const signed = addSignature(addSignature(utf8(odd), a.sign), b.sign);
  expect(textOf(signed)).toContain(JSON.stringify(body, undefined, 3));
  expect(verifyFirstRoot(signed).ok).toBe(true);
});

test('given the next version of a root, unknown fields stay and the old threshold signs', () => {
  const body = { ...rootBody({ version: 1, expiresAtMs, roles }), 'x-note': { kept: true } };
  const first = verifyFirstRoot(signBody(body, [a.sign, b.sign]));
  if (!first.ok) throw new Error(first.error.message);
  const next = nextBody(first.value.signed, { expiresAtMs: expiresAtMs + 1000, change: {} });
  const bytes = signBody(next, [b.sign, c.sign]);
  const second = verifyNextRoot(bytes, first.value.body);
  expect(second.ok && second.value.body.version).toBe(2);
  expect(second.ok && second.value.signed['x-note']).toEqual({ kept: true });
  expect(second.ok && second.value.body.expiresAtMs).toBe(expiresAtMs + 1000);
});

test('given a whole repository from the writer, the reader believes each file by its parent', () => {
  const fleet: DelegationGrant = {
    ...single,
    name: 'federated-geese',
    paths: ['federated/geese/*'],
    terminating: true,
  };
  const root = verifyFirstRoot(
    signBody(rootBody({ version: 1, expiresAtMs, roles }), [a.sign, b.sign]),
  );
  if (!root.ok) throw new Error(root.error.message);
  const entry = { path: 'bundles/wing@1.0.0', bytes: utf8('manifest'), custom: { counter: 3 } };
  const targets = signBody(
    targetsBody({ version: 5, expiresAtMs, targets: [entry], delegations: [fleet] }),
    [a.sign],
  );
  const delegated = signBody(targetsBody({ version: 2, expiresAtMs, targets: [] }), [online.sign]);
  const files = new Map([
    ['targets', targets],
    ['federated-geese', delegated],
  ]);
  const snapshot = signBody(snapshotBody({ version: 7, expiresAtMs, files }), [online.sign]);
  const timestamp = signBody(timestampBody({ version: 9, expiresAtMs, snapshot }), [online.sign]);

  const readTimestamp = parseMetadata('timestamp', timestamp);
  if (!readTimestamp.ok) throw new Error(readTimestamp.error.message);
  const listed = readTimestamp.value.body.snapshot;
  expect(listed).toMatchObject({ version: 7, length: snapshot.length });
  const options = { listed, trusted: undefined, time };
  const readSnapshot = verifySnapshot(snapshot, root.value.body, options);
  if (!readSnapshot.ok) throw new Error(readSnapshot.error.message);
  const meta = readSnapshot.value.body.meta.get('targets.json');
  if (meta === undefined) throw new Error('targets are not listed');
  const delegator = { keyRing: root.value.body, role: root.value.body.roles.get('targets') };
  const read = verifyTargets(targets, delegator, { name: 'targets', listed: meta, time });
  expect(read.ok && read.value.body.targets.get(entry.path)?.custom).toEqual({ counter: 3 });
  expect(read.ok && read.value.body.delegations?.roles[0]?.name).toBe('federated-geese');
});

test('given a signature that tweetnacl would let pass malleated, node:crypto refuses it', () => {
  const file = signBody(rootBody({ version: 1, expiresAtMs, roles }), [a.sign, b.sign]);
  const parsed = parseMetadata('root', file);
  if (!parsed.ok) throw new Error(parsed.error.message);
  const order = 2n ** 252n + 27742317777372353535851937790883648493n;
  const malleate = (sig: string): string => {
    const s = [...Buffer.from(sig, 'hex').subarray(32)].reduceRight(
      (n, x) => n * 256n + BigInt(x),
      0n,
    );
    const raised = (s + order).toString(16).padStart(64, '0');
    return sig.slice(0, 64) + Buffer.from(raised, 'hex').reverse().toString('hex');
  };
  const { body, signatures } = parsed.value;
  const malleated = new Map([...signatures].map(([id, sig]) => [id, malleate(sig)]));
  expect(meetsThreshold(parsed.value, body, body.roles.get('root'))).toBe(true);
  const changed = { ...parsed.value, signatures: malleated };
  expect(meetsThreshold(changed, body, body.roles.get('root'))).toBe(false);
});
