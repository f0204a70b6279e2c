import { createJwtSessionTokens } from '../../fleet-server/adapters/session-token/jwt-session-tokens.ts';
import type { TokenAudience } from '../../fleet-server/ports/session-tokens.ts';
import { decodeFrame, encodeFrame } from '../../shared/codec/frame.ts';
import {
  type PayloadKind,
  payloadTypes,
  type SigningRole,
} from '../../shared/contracts/payload-types.ts';
import { downKinds, upKinds } from '../../shared/contracts/topics.ts';
import { textOf, utf8 } from '../../shared/core/bytes.ts';
import type { BootId, Epoch } from '../../shared/core/ids.ts';
import { signEnvelope, verifyEnvelope } from '../../shared/trust/dsse.ts';
import { createSoftwareSigner, openVerifyingKey } from '../../shared/trust/ed25519.ts';
import { sha256, sha256Hex } from '../../shared/trust/hash.ts';
import { isSessionMacValid, type MacContext, sessionMac } from '../../shared/trust/session-mac.ts';
import { type MetaFile, topLevelRoles } from '../../shared/trust/tuf/metadata.ts';
import { parseMetadata } from '../../shared/trust/tuf/parse-metadata.ts';
import {
  ed25519Key,
  rootBody,
  signBodyOnline,
  snapshotBody,
  targetsBody,
  timestampBody,
} from '../../shared/trust/tuf/repository.ts';
import {
  verifyNextRoot,
  verifySnapshot,
  verifyTargets,
  verifyTimestamp,
} from '../../shared/trust/tuf/verify-metadata.ts';
import { SimRandom } from '../../sim/world/sim-random.ts';
import { SetClock } from '../contract/session-tokens.suite.ts';
import { addressOf } from './message-world.ts';
import { day0Ms, dayMs } from './tuf-repository.ts';

/** Something that a key of the house has signed or authenticated, as it is carried. */
export interface Artefact {
  readonly name: string;
  readonly bytes: Uint8Array;
}

/** A question that the house asks of what it is handed. */
export interface Verifier {
  readonly name: string;
  /** Name of the one artefact that it may accept; undefined where a careless caller mixed roles up. */
  readonly expects: string | undefined;
  readonly accepts: (bytes: Uint8Array) => boolean | Promise<boolean>;
}

export interface Matrix {
  readonly artefacts: readonly Artefact[];
  readonly verifiers: readonly Verifier[];
}

/** From what a key is for to its 32 bytes. */
export type SeedOf = (purpose: string) => Uint8Array;

export const ownKeys: SeedOf = (purpose) => sha256(utf8(`matrix/${purpose}`));
/** What no server starts with: then only what is signed tells purposes apart. */
export const oneKey: SeedOf = () => ownKeys('everything');

export const payloadKinds = (Object.keys(payloadTypes) as PayloadKind[]).sort();
export const delegatedRoles = ['federated-plant', 'federated-harbour'] as const;
export const audiences: readonly TokenAudience[] = ['skein-broker', 'skein-device-api'];
export const messageKinds: readonly MacContext['kind'][] = [
  ...upKinds.map((kind) => `up/${kind}` as const),
  ...downKinds.map((kind) => `dn/${kind}` as const),
];

/** Every signed artefact, and every verifier. */
export async function signatureMatrix(seedOf: SeedOf): Promise<Matrix> {
  const parts = [
    await envelopeMatrix(seedOf),
    await metadataMatrix(seedOf),
    await tokenMatrix(seedOf),
    macMatrix(seedOf),
  ];
  return {
    artefacts: parts.flatMap(({ artefacts }) => artefacts),
    verifiers: parts.flatMap(({ verifiers }) => verifiers),
  };
}

async function envelopeMatrix(seedOf: SeedOf): Promise<Matrix> {
  const signerOf = (role: SigningRole) => createSoftwareSigner(seedOf(role));
  const roles = [...new Set(payloadKinds.map((kind) => payloadTypes[kind].role))].sort();
  const artefacts: Artefact[] = [];
  for (const kind of payloadKinds) {
    const signer = signerOf(payloadTypes[kind].role);
    const bytes = await signEnvelope(kind, utf8('{"generation":7}'), [signer]);
    artefacts.push({ name: `envelope ${kind}`, bytes });
  }
  const verifiers = payloadKinds.flatMap((kind) =>
    roles.map((role): Verifier => {
      const key = openVerifyingKey(signerOf(role).publicKey);
      const ring = { role, threshold: 1, keys: key === undefined ? [] : [key] };
      return {
        name: `envelope ${kind} by ${role}`,
        expects: role === payloadTypes[kind].role ? `envelope ${kind}` : undefined,
        // The cast is what a careless caller would write; the types refuse it otherwise.
        accepts: (bytes) => verifyEnvelope(kind, ring as never, bytes).ok,
      };
    }),
  );
  return { artefacts, verifiers };
}

/** The files of a repository in their second version, under a root that is known in its first. */
async function metadataMatrix(seedOf: SeedOf): Promise<Matrix> {
  const signerOf = (role: string) => createSoftwareSigner(seedOf(role));
  const grant = (role: string) => ({
    ...{ keys: [ed25519Key(signerOf(role).publicKey)], threshold: 1 },
  });
  const life = { version: 2, expiresAtMs: day0Ms + dayMs };
  const roles = Object.fromEntries(topLevelRoles.map((role) => [role, grant(role)]));
  const rootOf = (version: number) =>
    signBodyOnline(rootBody({ ...life, version, roles } as never), signerOf('root'));
  const files = new Map<string, Uint8Array>();
  for (const role of delegatedRoles) {
    const named = [{ path: `${role.replace('-', '/')}/x@1.0.0`, bytes: utf8(role) }];
    files.set(role, await signBodyOnline(targetsBody({ ...life, targets: named }), signerOf(role)));
  }
  const delegations = delegatedRoles.map((name) => ({
    ...{ name, paths: [`${name.replace('-', '/')}/*`], terminating: true },
    ...grant(name),
  }));
  const top = targetsBody({ ...life, delegations, targets: [] });
  files.set('targets', await signBodyOnline(top, signerOf('targets')));
  const listing = snapshotBody({ ...life, files });
  const snapshot = await signBodyOnline(listing, signerOf('snapshot'));
  const stamp = timestampBody({ ...life, snapshot });
  files.set('root', await rootOf(2));
  files.set('snapshot', snapshot);
  files.set('timestamp', await signBodyOnline(stamp, signerOf('timestamp')));
  const artefacts = [...files].map(([role, bytes]) => ({ name: `metadata ${role}`, bytes }));
  const verifiers = metadataVerifiers(await rootOf(1), files, seedOf);
  return { artefacts, verifiers };
}

function metadataVerifiers(
  rootBytes: Uint8Array,
  files: ReadonlyMap<string, Uint8Array>,
  seedOf: SeedOf,
): readonly Verifier[] {
  const known = parseMetadata('root', rootBytes);
  const targets = parseMetadata('targets', files.get('targets') ?? new Uint8Array());
  if (!known.ok || !targets.ok) throw new Error('the matrix signs what it cannot read');
  const root = known.value.body;
  const { delegations } = targets.value.body;
  if (delegations === undefined) throw new Error('nothing is delegated');
  const time = { kind: 'trusted', nowMs: day0Ms } as const;
  const trusted = undefined;
  // A listing may leave hashes out, and then keys alone tell files apart; one key for all leaves it to the hashes.
  const listedOf = (role: string): MetaFile => {
    const bytes = files.get(role) ?? new Uint8Array();
    const hashes = new Map([['sha256', sha256Hex(bytes)]]);
    return seedOf === oneKey ? { version: 2, length: bytes.length, hashes } : { version: 2 };
  };
  const verify: Record<string, (bytes: Uint8Array) => boolean> = {
    root: (bytes) => verifyNextRoot(bytes, root).ok,
    timestamp: (bytes) => {
      const verified = verifyTimestamp(bytes, root, { trusted, time });
      return verified !== 'same' && verified.ok;
    },
    snapshot: (bytes) =>
      verifySnapshot(bytes, root, { listed: listedOf('snapshot'), trusted, time }).ok,
    targets: (bytes) => {
      const delegator = { keyRing: root, role: root.roles.get('targets') };
      const listed = listedOf('targets');
      return verifyTargets(bytes, delegator, { name: 'targets', listed, time }).ok;
    },
  };
  for (const name of delegatedRoles) {
    const role = delegations.roles.find((delegated) => delegated.name === name);
    verify[name] = (bytes) =>
      verifyTargets(bytes, { keyRing: delegations, role }, { name, listed: listedOf(name), time })
        .ok;
  }
  return Object.entries(verify).map(([role, accepts]) => ({
    ...{ name: `metadata ${role}`, expects: `metadata ${role}`, accepts },
  }));
}

async function tokenMatrix(seedOf: SeedOf): Promise<Matrix> {
  const random = new SimRandom('matrix');
  const tokens = createJwtSessionTokens({ seed: seedOf('session'), clock: new SetClock(), random });
  const artefacts: Artefact[] = [];
  for (const audience of audiences) {
    const { token } = await tokens.issue(addressOf('press-7'), { audience, ttlMs: 60_000 });
    artefacts.push({ name: `token ${audience}`, bytes: utf8(token) });
  }
  const verifiers = audiences.map((audience) => ({
    ...{ name: `token ${audience}`, expects: `token ${audience}` },
    accepts: async (bytes: Uint8Array) => (await tokens.verify(textOf(bytes) ?? '', audience)).ok,
  }));
  return { artefacts, verifiers };
}

/** Frames under one session key: kind and direction stand in the topic, so only the tag can tell them. */
function macMatrix(seedOf: SeedOf): Matrix {
  const key = seedOf('session-mac');
  const about = {
    ...{ epoch: 'e'.repeat(32) as Epoch, boot: 'b'.repeat(32) as BootId, seq: 41 },
  };
  const contextOf = (kind: MacContext['kind']) => ({ ...about, kind, device: 'press-7' });
  const body = utf8('{"first":1}');
  return {
    artefacts: messageKinds.map((kind) => {
      const header = { v: 1, id: '0'.repeat(16), ts: day0Ms, ...about } as const;
      const mac = sessionMac(key, contextOf(kind), body);
      return { name: `message ${kind}`, bytes: encodeFrame({ ...header, mac }, body) };
    }),
    verifiers: messageKinds.map((kind) => ({
      ...{ name: `message ${kind}`, expects: `message ${kind}` },
      accepts: (bytes: Uint8Array) => {
        const frame = decodeFrame(bytes);
        if (!frame.ok) return false;
        const { header, body: received } = frame.value;
        const { epoch, boot, seq } = header;
        const context = { ...contextOf(kind), epoch, boot, seq };
        return isSessionMacValid(key, context, { body: received, mac: header.mac });
      },
    })),
  };
}
