import type { PackedBundle } from '../../../firmware-bundles/pack/pack-bundle.ts';
import { hexOf } from '../../../shared/core/bytes.ts';
import type { Signer } from '../../../shared/ports/signer.ts';
import { sha256Hex } from '../../../shared/trust/hash.ts';
import type { JsonObject } from '../../../shared/trust/strict-json.ts';
import {
  ed25519Key,
  signBody,
  snapshotBody,
  timestampBody,
} from '../../../shared/trust/tuf/repository.ts';
import { RepositoryWorld } from '../../support/repository-world.ts';
import { day0Ms, dayMs } from '../../support/tuf-repository.ts';

/**
 * What a stolen server with good signatures could serve: it checks nothing before it signs, so bundles that the real
 * repository refuses reach the device.
 */
export class SignedOrigin {
  readonly operator = new RepositoryWorld();
  readonly files = new Map<string, Uint8Array>();
  /** Signed files of delegated roles, by role. */
  readonly delegated = new Map<string, Uint8Array>();

  add({ config, digest, manifest, blobs }: PackedBundle): void {
    this.files.set(`/v2/${config.name}/manifests/${digest}`, manifest);
    for (const [blob, bytes] of blobs) this.files.set(`/v2/${config.name}/blobs/${blob}`, bytes);
  }

  async publish(): Promise<void> {
    const { operator, files } = this;
    const targets = operator.targetsFile();
    operator.version += 1;
    const life = { version: operator.version, expiresAtMs: day0Ms + 30 * dayMs };
    const snapshot = await this.#signed(
      snapshotBody({ ...life, files: new Map([['targets', targets], ...this.delegated]) }),
      operator.keys.signer('snapshot'),
    );
    const timestamp = await this.#signed(
      timestampBody({ ...life, snapshot }),
      operator.keys.signer('timestamp'),
    );
    files.set(`/tuf/${operator.version}.targets.json`, targets);
    for (const [role, file] of this.delegated) {
      files.set(`/tuf/${operator.version}.${role}.json`, file);
    }
    files.set(`/tuf/${operator.version}.snapshot.json`, snapshot);
    files.set('/tuf/timestamp.json', timestamp);
    const { directorBytes, revokedBytes } = operator;
    files.set(`/tuf/targets/${sha256Hex(directorBytes)}.director.json`, directorBytes);
    files.set(`/tuf/targets/${sha256Hex(revokedBytes)}.revoked.json`, revokedBytes);
  }

  async #signed(body: JsonObject, signer: Signer): Promise<Uint8Array> {
    const keyid = ed25519Key(signer.publicKey).keyId;
    const sign = (bytes: Uint8Array) => ({
      keyid,
      sig: hexOf(signer.sign(bytes) as Uint8Array),
    });
    return signBody(body, [sign]);
  }
}
