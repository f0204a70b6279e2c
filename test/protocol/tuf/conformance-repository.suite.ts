import {
  Metadata,
  MetaFile,
  Root,
  Signature,
  Snapshot,
  TargetFile,
  Targets,
  Timestamp,
} from '@tufjs/models';
import { expect, test } from 'vitest';
import { textOf, utf8 } from '../../../shared/core/bytes.ts';
import { sha256Hex } from '../../../shared/trust/hash.ts';
import { withConformance } from '../../support/tuf-conformance-client.ts';
import { day0Ms, dayMs, TufRepository } from '../../support/tuf-repository.ts';
import {
  ecdsaSigner,
  ed25519Signer,
  type TestSigner,
  withKeyFields,
} from '../../support/tuf-signers.ts';

const topRoles = ['root', 'timestamp', 'snapshot', 'targets'] as const;

interface Served {
  readonly signed: {
    readonly version: number;
    readonly expires: string;
    readonly meta: Record<string, { readonly length?: number; readonly hashes?: object }>;
  };
}
const served = (repo: TufRepository, role: string): Served =>
  JSON.parse(textOf(repo.latest(role) ?? new Uint8Array()) ?? '') as Served;

/** P-256 keys with fields of their own, indented JSON and a delegated role: as repositories run by people are. */
function writeByHand(repo: TufRepository): void {
  for (const role of topRoles) {
    repo.clearKeys(role);
    repo.addKey(role, withKeyFields(ecdsaSigner(), { 'x-keyowner': '@ada' }));
  }
  repo.draftOf('root').extra = { 'x-signing-period': 60 };
  repo.addDelegation('targets', { name: 'delegatedrole', paths: ['delegatedrole/*'] });
  repo.addArtifact('delegatedrole', 'delegatedrole/artifact', 'content');
  repo.published.clear();
  repo.publish('root', 'delegatedrole', 'targets', 'snapshot', 'timestamp');
  for (const [role, versions] of repo.published) {
    const indented = versions.map((bytes) =>
      utf8(JSON.stringify(JSON.parse(textOf(bytes) ?? ''), undefined, 2)),
    );
    repo.published.set(role, indented);
  }
}

/** Every object made, signed and serialized by the library that other clients are built upon. */
function writeByLibrary(repo: TufRepository): void {
  const signer = ed25519Signer('library');
  const { keyId, json } = signer.key;
  const at = { version: 1, specVersion: '1.0.31', expires: '2026-04-01T00:00:00Z' };
  const content = utf8('content');
  repo.artifacts.set('delegatedrole/artifact', content);
  const target = new TargetFile({
    path: 'delegatedrole/artifact',
    length: content.length,
    hashes: { sha256: sha256Hex(content) },
  });
  const role = { keyids: [keyId], threshold: 1 };
  const listed = (name: string) => ({ [`${name}.json`]: new MetaFile({ version: 1 }) });
  const root = Root.fromJSON({
    ...{ _type: 'root', version: 1, spec_version: at.specVersion, expires: at.expires },
    consistent_snapshot: true,
    keys: { [keyId]: structuredClone(json) as Parameters<typeof Root.fromJSON>[0] },
    roles: { root: role, timestamp: role, snapshot: role, targets: role },
  });
  const written = {
    root,
    timestamp: new Timestamp({ ...at, snapshotMeta: new MetaFile({ version: 1 }) }),
    snapshot: new Snapshot({ ...at, meta: listed('targets') }),
    targets: new Targets({ ...at, targets: { [target.path]: target } }),
  };
  repo.published.clear();
  for (const [name, signed] of Object.entries(written)) {
    repo.published.set(name, [signedBytes(signed, signer)]);
  }
  repo.targetsOf('targets').files.set(target.path, target.toJSON());
}

function signedBytes(
  signed: Root | Timestamp | Snapshot | Targets,
  signer: TestSigner,
): Uint8Array {
  const metadata = new Metadata(signed);
  metadata.sign((bytes) => {
    const { keyid, sig } = signer.sign(bytes);
    return new Signature({ keyID: keyid, sig });
  });
  return utf8(JSON.stringify(metadata.toJSON()));
}

test.each([
  ['by hand, with hardware keys and indentation', writeByHand],
  ['by the models library', writeByLibrary],
])(
  'given a repository written %s, it is refreshed and downloaded from [static_repository]',
  (_, write) =>
    withConformance(async ({ repo, client }) => {
      write(repo);
      expect(await client.init(repo.latest('root', 1))).toBe(0);
      expect(await client.refresh()).toBe(0);
      expect(await client.download('delegatedrole/artifact')).toBe(0);
      expect(await client.downloaded()).toEqual(['content']);
    }),
);

test('given the repository these tests attack, it begins with version 1 of every role [repo_initialization_unittest]', () => {
  const repo = new TufRepository();
  expect(topRoles.map((role) => served(repo, role).signed.version)).toEqual([1, 1, 1, 1]);
  expect(topRoles.map((role) => repo.published.get(role)?.length)).toEqual([1, 1, 1, 1]);
});

test('given that repository and listed hashes, a parent lists what it serves [basic_metadata_hash_support_unittest]', () => {
  const repo = new TufRepository();
  repo.listsHashes = true;
  repo.publish('targets', 'snapshot', 'timestamp');
  const snapshot = repo.latest('snapshot', 2) ?? new Uint8Array();
  expect(served(repo, 'timestamp').signed.meta['snapshot.json']).toEqual({
    ...{ version: 2, length: snapshot.length, hashes: { sha256: sha256Hex(snapshot) } },
  });
});

test('given that repository and a past expiry, the next timestamp carries it [update_timestamp]', () => {
  const repo = new TufRepository();
  repo.draftOf('timestamp').expiresAtMs = day0Ms - 5 * dayMs;
  repo.publish('timestamp');
  expect(Date.parse(served(repo, 'timestamp').signed.expires)).toBe(day0Ms - 5 * dayMs);
});
