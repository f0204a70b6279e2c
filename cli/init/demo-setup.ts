import { randomBytes } from 'node:crypto';
import { mkdir, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { createOnlineKeys, FileKeyStore } from '../../fleet-server/adapters/keys/file-key-store.ts';
import type { DirectorKeys } from '../../shared/contracts/bundle-config.ts';
import { hexOf, utf8 } from '../../shared/core/bytes.ts';
import { canonicalJson } from '../../shared/core/canonical-json.ts';
import { OperatingError } from '../../shared/core/operating-error.ts';
import type { KeyStore } from '../../shared/ports/key-store.ts';
import {
  addSignature,
  type DelegationGrant,
  ed25519Key,
  signBody,
  targetsBody,
} from '../../shared/trust/tuf/repository.ts';
import { FolderPublisher } from '../bundle/folder-publisher.ts';
import { sealKey } from '../keys/key-file.ts';
import { createOfflineSigner, type OfflineSigner } from '../keys/offline-signer.ts';
import { publishRoot, serveInFolder } from '../keys/publish-root.ts';
import { proposeRoot } from '../keys/root-proposal.ts';
import { jsonBytes, keyPath, type Workspace, writeDurably } from '../keys/workspace.ts';

/** Where everything of a demo lies. The offline keys lie beside it: that is what makes it a demo. */
export interface DemoFolders {
  /** The operator's home: sealed key shares and the trusted root. */
  readonly operator: string;
  /** One passphrase for all shares; a real operator keeps one each, elsewhere. */
  readonly passphraseFile: string;
  readonly onlineKeys: string;
  /** The first repository as a folder: what a server begins with. */
  readonly repository: string;
  readonly firstRoot: string;
  /** Says in words and for programs that this is a demo. */
  readonly mark: string;
}

export const demoFolders = (folder: string): DemoFolders => ({
  operator: join(folder, 'operator'),
  passphraseFile: join(folder, 'operator', 'passphrase'),
  onlineKeys: join(folder, 'server', 'keys'),
  repository: join(folder, 'repository'),
  firstRoot: join(folder, 'repository', 'tuf', '1.root.json'),
  mark: join(folder, 'demo.json'),
});

const dayMs = 24 * 60 * 60 * 1000;

/**
 * All keys, root 1 (2 of 3), and targets 1 with `director.json`, `revoked.json` and a delegated role per fleet. Throws
 * `store-conflict` when the folder is not empty: keys are never overwritten.
 */
export async function setUpDemo(
  folder: string,
  options: { readonly nowMs: number; readonly fleets: readonly string[] },
): Promise<DemoFolders> {
  await mkdir(folder, { recursive: true, mode: 0o700 });
  if ((await readdir(folder)).length > 0) {
    throw new OperatingError('store-conflict', `${folder} is not empty`);
  }
  const folders = demoFolders(folder);
  const home = { folder: folders.operator };
  const passphrase = hexOf(randomBytes(16));
  await writeDurably(folders.passphraseFile, utf8(`${passphrase}\n`), { mode: 0o600 });
  await createOnlineKeys({ folder: folders.onlineKeys });
  const keys = await FileKeyStore.open({ folder: folders.onlineKeys });
  const share = (role: 'root' | 'targets', holder: string) =>
    createShare(home, { role, holder, passphrase, nowMs: options.nowMs });
  const roots = [await share('root', '1'), await share('root', '2'), await share('root', '3')];
  const targets = await share('targets', '1');
  await publishFirstRoot(home, { folders, roots, targets, keys, nowMs: options.nowMs });
  await publishFirstTargets(folders, { keys, targets, ...options });
  const warning =
    'A demo: its offline keys lie beside the server. Do not use them for real devices.';
  await writeDurably(folders.mark, jsonBytes({ demo: true, createdAtMs: options.nowMs, warning }));
  return folders;
}

async function createShare(
  home: Workspace,
  share: {
    readonly role: 'root' | 'targets';
    readonly holder: string;
    readonly passphrase: string;
    readonly nowMs: number;
  },
): Promise<OfflineSigner> {
  const seed = randomBytes(32);
  const signer = createOfflineSigner(seed);
  const file = sealKey({ ...share, seed, publicKey: signer.publicKey });
  seed.fill(0);
  const path = keyPath(home, share.role, share.holder);
  await writeDurably(path, jsonBytes(file), { mode: 0o600, exclusive: true });
  return signer;
}

async function publishFirstRoot(
  home: Workspace,
  from: {
    readonly folders: DemoFolders;
    readonly roots: readonly OfflineSigner[];
    readonly targets: OfflineSigner;
    readonly keys: KeyStore;
    readonly nowMs: number;
  },
): Promise<void> {
  const { folders, roots, targets, keys, nowMs } = from;
  const online = (['snapshot', 'timestamp'] as const).map((role) => ({
    role,
    publicKey: keys.signer(role).publicKey,
  }));
  const proposal = proposeRoot(undefined, {
    add: [
      ...roots.map(({ publicKey }) => ({ role: 'root' as const, publicKey })),
      { role: 'targets', publicKey: targets.publicKey },
      ...online,
    ],
    remove: [],
    thresholds: new Map([['root', 2]]),
    expiresAtMs: nowMs + 365 * dayMs,
  });
  if (!proposal.ok) throw new OperatingError('key-in-two-roles', proposal.error.message);
  const signed = roots
    .slice(0, 2)
    .reduce((file, { sign }) => addSignature(file, sign), proposal.value);
  const serve = serveInFolder(join(folders.repository, 'tuf'));
  const published = await publishRoot(home, { proposal: signed, serve });
  if (!published.ok) throw new OperatingError('root-mismatch', published.error.message);
}

async function publishFirstTargets(
  folders: DemoFolders,
  from: {
    readonly keys: KeyStore;
    readonly targets: OfflineSigner;
    readonly nowMs: number;
    readonly fleets: readonly string[];
  },
): Promise<void> {
  const { keys, targets, nowMs, fleets } = from;
  const director: DirectorKeys = {
    version: 1,
    keys: [hexOf(keys.signer('director').publicKey)],
    auditKeys: [hexOf(keys.signer('audit').publicKey)],
  };
  const fixed = [
    { path: 'director.json', bytes: utf8(canonicalJson({ ...director })) },
    { path: 'revoked.json', bytes: utf8(canonicalJson({ revoked: [] })) },
  ];
  const federated = ed25519Key(keys.signer('federated').publicKey);
  const delegations = fleets.map((fleet): DelegationGrant => {
    const grant = { name: `federated-${fleet}`, paths: [`federated/${fleet}/*`] };
    return { ...grant, terminating: true, keys: [federated], threshold: 1 };
  });
  const body = targetsBody({
    ...{ version: 1, expiresAtMs: nowMs + 180 * dayMs, targets: fixed },
    ...(delegations.length === 0 ? {} : { delegations }),
  });
  // Signed, and carried on by every later version: a device or a server can see that it trusts a demo.
  const file = signBody({ ...body, demo: true }, [targets.sign]);
  const publisher = await FolderPublisher.open(folders.repository, { keys });
  try {
    for (const { path, bytes } of fixed) await publisher.putFixed(path, bytes);
    await publisher.putMetadata('1.targets.json', file);
  } finally {
    await publisher.close();
  }
}
