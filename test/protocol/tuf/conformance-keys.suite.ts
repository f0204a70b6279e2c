import { expect, test } from 'vitest';
import { withConformance } from '../../support/tuf-conformance-client.ts';
import {
  ecdsaSigner,
  ed25519Signer,
  rsaPssSigner,
  withKeyFields,
} from '../../support/tuf-signers.ts';

test('given two of three signatures at threshold three, it is not met [snapshot_does_not_meet_threshold]', () =>
  withConformance(async ({ repo, client }) => {
    repo.roleOf('snapshot').threshold = 3;
    repo.addKey('snapshot');
    const third = repo.addKey('snapshot');
    repo.publish('root', 'targets', 'snapshot', 'timestamp');
    await client.init();
    expect(await client.refresh()).toBe(0);
    repo.snapshot.signers.delete(third.key.keyId);
    repo.publish('targets', 'snapshot', 'timestamp');
    expect(await client.refresh()).toBe(1);
    expect(client.explained).toMatch(/^tuf-threshold-snapshot/);
    expect(await client.version('snapshot')).toBe(2);
  }));

test('given a threshold above the number of keys, root is taken and snapshot never [snapshot_has_too_few_keys]', () =>
  withConformance(async ({ repo, client }) => {
    await client.init();
    for (let i = 0; i < 4; i += 1) repo.addKey('snapshot');
    repo.roleOf('snapshot').threshold = 6;
    repo.publish('root', 'snapshot', 'timestamp');
    expect(await client.refresh()).toBe(1);
    expect(await client.version('root')).toBe(2);
    expect(await client.version('snapshot')).toBeUndefined();
  }));

test('given a key id without its key, it counts for nothing [root_has_keys_but_not_snapshot]', () =>
  withConformance(async ({ repo, client }) => {
    await client.init();
    repo.roleOf('snapshot').threshold = 2;
    const absent = repo.addKey('snapshot');
    repo.rootKeys.delete(absent.key.keyId);
    repo.publish('root', 'snapshot', 'timestamp');
    expect(await client.refresh()).toBe(1);
    expect(await client.version('root')).toBe(2);
    expect(await client.version('snapshot')).toBeUndefined();
  }));

test('given one key id listed nine times, the root is refused [duplicate_keys]', () =>
  withConformance(async ({ repo, client }) => {
    await client.init();
    const signer = repo.addKey('snapshot');
    for (let i = 0; i < 8; i += 1) repo.roleOf('snapshot').keyIds.push(signer.key.keyId);
    repo.roleOf('snapshot').threshold = 6;
    repo.publish('root', 'snapshot', 'timestamp');
    expect(await client.refresh()).toBe(1);
    expect(await client.version('snapshot')).toBeUndefined();
  }));

test('given one key under two ids, it counts once', () =>
  withConformance(async ({ repo, client }) => {
    await client.init();
    repo.clearKeys('snapshot');
    const once = ed25519Signer('twice');
    repo.addKey('snapshot', once);
    repo.addKey('snapshot', withKeyFields(once, { note: 'the same key' }));
    repo.roleOf('snapshot').threshold = 2;
    repo.publish('root', 'snapshot', 'timestamp');
    expect(await client.refresh()).toBe(1);
    expect(client.explained).toMatch(/^tuf-threshold-snapshot/);
    repo.addKey('snapshot');
    repo.publish('root', 'snapshot', 'timestamp');
    expect(await client.refresh()).toBe(0);
  }));

test('given a signature listed twice, the file is refused even at threshold [duplicate_sig_keyids]', () =>
  withConformance(async ({ repo, client }) => {
    await client.init();
    repo.tamper('snapshot', (file) => {
      const [first] = file.signatures;
      return { ...file, signatures: [first, first] };
    });
    expect(await client.refresh()).toBe(1);
    expect(client.explained).toMatch(/^tuf-malformed-metadata/);
    expect(await client.version('snapshot')).toBeUndefined();
  }));

test.each([
  ['rsa/rsassa-pss-sha256', rsaPssSigner],
  ['ecdsa/ecdsa-sha2-nistp256', ecdsaSigner],
  ['ed25519/ed25519', () => ed25519Signer('standard')],
])(
  'given a %s key, its signatures count and a wrong one does not [keytype_and_scheme]',
  (_, create) =>
    withConformance(async ({ repo, client }) => {
      await client.init();
      const signer = repo.addKey('root', create());
      repo.roleOf('root').threshold = 2;
      repo.publish('root');
      expect(await client.refresh()).toBe(0);
      expect(await client.version('root')).toBe(2);
      repo.publish('root');
      repo.tamper('root', (file) => ({
        ...file,
        signatures: file.signatures.map((item) => {
          const { keyid, sig } = item as { keyid: string; sig: string };
          const wrong = signer.sign(Buffer.from('something else')).sig;
          return { keyid, sig: keyid === signer.key.keyId ? wrong : sig };
        }),
      }));
      expect(await client.refresh()).toBe(1);
      expect(client.explained).toMatch(/^tuf-threshold-root/);
      expect(await client.version('root')).toBe(2);
    }),
);

test('given a bad signature beside a threshold of good ones, it does no harm [invalid_sig_in_valid_metadata]', () =>
  withConformance(async ({ repo, client }) => {
    await client.init();
    const second = repo.addKey('timestamp');
    const spoil = (sig: string): void =>
      repo.tamper('timestamp', (file) => ({
        ...file,
        signatures: file.signatures.map((item) => {
          const entry = item as { keyid: string; sig: string };
          return entry.keyid === second.key.keyId ? { ...entry, sig } : entry;
        }),
      }));
    for (const sig of ['ab'.repeat(64), '', 'not hexadecimal']) {
      repo.publish('root', 'timestamp');
      spoil(sig);
      expect(await client.refresh()).toBe(0);
    }
    expect(await client.version('timestamp')).toBe(4);
  }));
