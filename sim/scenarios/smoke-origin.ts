import type { PackedBundle } from '../../firmware-bundles/pack/pack-bundle.ts';
import type { FleetServer } from '../../fleet-server/runner/fleet-server.ts';
import type { Revoked } from '../../shared/contracts/bundle-config.ts';
import type { DeviceAddress } from '../../shared/contracts/topics.ts';
import { hexOf, utf8 } from '../../shared/core/bytes.ts';
import { canonicalJson, type Json } from '../../shared/core/canonical-json.ts';
import type { Result } from '../../shared/core/result.ts';
import { sha256Hex } from '../../shared/trust/hash.ts';
import {
  ed25519Key,
  type RoleGrant,
  rootBody,
  signBody,
  snapshotBody,
  targetsBody,
  timestampBody,
} from '../../shared/trust/tuf/repository.ts';
import { SeededKeys, seededSigner } from '../world/seeded-keys.ts';
import type { OriginHandler, OriginResponse } from '../world/sim-fetcher.ts';

export interface SmokeMetadata {
  /** Of targets, snapshot and timestamp; the root stays the first. */
  readonly version?: number;
  /** When all of it expires, root included. */
  readonly expiresAtMs?: number;
  readonly revoked?: Revoked['revoked'];
  /** Signed for another fleet alone. */
  readonly foreign?: readonly PackedBundle[];
}

const firstMetadata = { version: 1, expiresAtMs: Date.UTC(2030, 0, 1) };

const tufSign =
  (signer: { readonly publicKey: Uint8Array; sign(bytes: Uint8Array): unknown }) =>
  (bytes: Uint8Array) => ({
    keyid: ed25519Key(signer.publicKey).keyId,
    sig: hexOf(signer.sign(bytes) as Uint8Array),
  });

const customOf = (
  config: PackedBundle['config'],
  releaseCounter: number,
  fleets: readonly string[],
): Json => ({
  name: config.name,
  version: config.version,
  releaseCounter,
  fleets: [...fleets],
  classMatch: {},
  status: 'live',
  ...(config.training === undefined
    ? {}
    : { federable: config.training.parameters.map(({ name }) => name) }),
});

/** Fixed targets by name. */
const fixedFiles = (keys: SeededKeys, revoked: Revoked['revoked']): Map<string, Uint8Array> =>
  new Map([
    ['revoked.json', utf8(canonicalJson({ revoked }))],
    [
      'director.json',
      utf8(
        canonicalJson({
          version: 1,
          keys: [hexOf(keys.signer('director').publicKey)],
          auditKeys: [hexOf(keys.signer('audit').publicKey)],
        }),
      ),
    ],
  ]);

/** Where something may learn, the delegated key may sign what came of it. */
function delegationsFor(bundles: readonly PackedBundle[], granted: RoleGrant) {
  const role = { name: 'federated-smoke', paths: ['federated/smoke/*'], terminating: true };
  const learns = bundles.some(({ config }) => config.training !== undefined);
  return learns ? { delegations: [{ ...role, ...granted }] } : {};
}

export type SmokeRepository = ReturnType<typeof smokeRepository>;

/** A signed repository of fixed content, by path: what a CDN would hold. */
export function smokeRepository(
  bundles: readonly PackedBundle[],
  seed: string,
  { revoked = [], foreign = [], ...times }: SmokeMetadata = {},
) {
  const signed = [...bundles, ...foreign];
  const life = { ...firstMetadata, ...times };
  const keys = new SeededKeys(seed);
  const offline = { root: seededSigner(`${seed}/root`), targets: seededSigner(`${seed}/targets`) };
  const grant = (publicKey: Uint8Array) => ({ keys: [ed25519Key(publicKey)], threshold: 1 });
  const fixed = fixedFiles(keys, revoked);
  const root = signBody(
    rootBody({
      ...life,
      version: 1,
      roles: {
        root: grant(offline.root.publicKey),
        targets: grant(offline.targets.publicKey),
        snapshot: grant(keys.signer('snapshot').publicKey),
        timestamp: grant(keys.signer('timestamp').publicKey),
      },
    }),
    [tufSign(offline.root)],
  );
  const targets = signBody(
    targetsBody({
      ...life,
      ...delegationsFor(bundles, grant(keys.signer('federated').publicKey)),
      targets: [
        ...[...fixed].map(([path, bytes]) => ({ path, bytes })),
        ...signed.map((bundle, i) => ({
          path: `bundles/${bundle.config.name}@${bundle.config.version}`,
          bytes: bundle.manifest,
          custom: customOf(bundle.config, i + 1, foreign.includes(bundle) ? ['elsewhere'] : []),
        })),
      ],
    }),
    [tufSign(offline.targets)],
  );
  const snapshot = signBody(snapshotBody({ ...life, files: new Map([['targets', targets]]) }), [
    tufSign(keys.signer('snapshot')),
  ]);
  const timestamp = signBody(timestampBody({ ...life, snapshot }), [
    tufSign(keys.signer('timestamp')),
  ]);
  const files = new Map<string, Uint8Array>([
    [`/tuf/${life.version}.targets.json`, targets],
    [`/tuf/${life.version}.snapshot.json`, snapshot],
    ['/tuf/timestamp.json', timestamp],
  ]);
  for (const [name, bytes] of fixed) files.set(`/tuf/targets/${sha256Hex(bytes)}.${name}`, bytes);
  for (const { config, digest, manifest, blobs } of signed) {
    files.set(`/v2/${config.name}/manifests/${digest}`, manifest);
    for (const [blob, bytes] of blobs) files.set(`/v2/${config.name}/blobs/${blob}`, bytes);
  }
  const named = { name: `${life.version}.targets.json`, bytes: targets };
  return { keys, root, files, fixed, bundles: signed, targets: named };
}

/** The server's front door without a socket: files, and the three device routes. */
export function smokeOrigin(
  server: FleetServer,
  files: ReadonlyMap<string, Uint8Array>,
): OriginHandler {
  const json = (status: number, value: unknown): OriginResponse => ({
    status,
    headers: new Map(),
    body: utf8(JSON.stringify(value)),
  });
  const answer = (result: Result<unknown, { readonly code: string }>): OriginResponse => {
    if (result.ok) return json(200, result.value);
    const { code } = result.error;
    return json(403, { type: 'about:blank', title: code, status: 403, code });
  };
  return async ({ method, path, body }) => {
    if (method === 'POST' && path.endsWith('/challenges')) {
      const address = JSON.parse(new TextDecoder().decode(body)) as DeviceAddress;
      return answer(await server.sessions.challenge(address));
    }
    if (method === 'POST' && path.endsWith('/enrolments'))
      return answer(await server.sessions.enrol(body));
    if (method === 'POST' && path.endsWith('/sessions'))
      return answer(await server.sessions.login(body));
    const file = files.get(path);
    return file === undefined
      ? { status: 404, headers: new Map(), body: new Uint8Array() }
      : { status: 200, headers: new Map(), body: file };
  };
}
