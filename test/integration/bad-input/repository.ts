import type { TargetCustom } from '../../../shared/contracts/bundle-config.ts';
import { limits } from '../../../shared/contracts/limits.ts';
import { utf8 } from '../../../shared/core/bytes.ts';
import type { AppName } from '../../../shared/core/ids.ts';
import { digestOf } from '../../../shared/trust/hash.ts';
import { ed25519Key } from '../../../shared/trust/tuf/repository.ts';
import type { RepositoryWorld } from '../../support/repository-world.ts';
import { sampleBundle } from '../../support/sample-bundle.ts';
import { digest, plant } from '../../support/store-nouns.ts';
import { inconsistentBundle, refusedGraphs } from './bad-bundles.ts';
import { type Attack, atDoor, type BadCase, codeOfResult } from './bad-case.ts';
import { codeIn, ServerScene } from './server-scene.ts';

const v1 = sampleBundle();
const v2 = sampleBundle({ version: '2.0.0', fill: 2 });
const grant = ({ keys }: RepositoryWorld, paths: readonly string[]) => ({
  ...{ name: 'federated-plant', paths, terminating: true, threshold: 1 },
  keys: [ed25519Key(keys.signer('federated').publicKey)],
});

/** v1 is published with a floor, a revocation, a delegation and second director keys; v2 is uploaded. */
async function open(): Promise<ServerScene> {
  const scene = await ServerScene.open();
  const { operator, repository } = scene;
  await operator.upload(repository, v1);
  await operator.upload(repository, v2);
  operator.name(v1);
  operator.rollbackFloor = { adder: 1 };
  operator.revoked = [{ digest: digest('9'), reason: 'bad-model', then: 'stop' }];
  operator.director = { ...operator.director, version: 2 };
  operator.delegations = [grant(operator, ['federated/plant/*'])];
  const published = await operator.publish(repository);
  if (published !== 'ok') throw new Error(published);
  return scene;
}

const putting = (scene: ServerScene, url: string, payload: Uint8Array): Attack => {
  const headers = { 'content-type': 'application/octet-stream' };
  const request = { method: 'PUT', url, headers, payload: Buffer.from(payload) } as const;
  return async () => codeIn(await scene.http.ask(scene.http.admin, request));
};

const getting = (scene: ServerScene, url: string, headers: Record<string, string> = {}): Attack => {
  return async () => codeIn(await scene.http.ask(scene.http.admin, { url, headers }));
};

/** Signs the next targets file after `change`, which is undone, and publishes it over HTTP. */
const publishing =
  (
    change: (operator: RepositoryWorld, scene: ServerScene) => unknown,
    options: Parameters<RepositoryWorld['targetsFile']>[0] & { readonly isUploaded?: boolean } = {},
  ) =>
  async (scene: ServerScene): Promise<Attack> => {
    const { operator, repository } = scene;
    const { targets, rollbackFloor, revoked, director, delegations } = operator;
    operator.targets = new Map(targets);
    await change(operator, scene);
    if (options.isUploaded !== false) {
      await repository.putFixedTarget('director.json', operator.directorBytes);
      await repository.putFixedTarget('revoked.json', operator.revokedBytes);
    }
    const file = operator.targetsFile(options);
    Object.assign(operator, { targets, rollbackFloor, revoked, director, delegations });
    return putting(scene, `/tuf/${operator.version + 1}.targets.json`, file);
  };

const nothing = (): undefined => undefined;

const metadata: readonly BadCase<ServerScene>[] = [
  {
    code: 'tuf-malformed-metadata',
    title: 'targets are no metadata',
    prepare: (scene) => putting(scene, '/tuf/2.targets.json', utf8('{"signed":{}}')),
  },
  {
    code: 'tuf-threshold-targets',
    title: 'nobody signed the targets',
    prepare: publishing(nothing, { sign: [] }),
  },
  {
    code: 'tuf-expired-targets',
    title: 'targets have expired',
    prepare: publishing(nothing, { change: { expires: '2020-01-01T00:00:00Z' } }),
  },
  {
    code: 'metadata-not-next',
    title: 'targets skip versions',
    prepare: publishing(nothing, { change: { version: 9 } }),
  },
  {
    code: 'metadata-name-refused',
    title: 'somebody publishes what the server signs',
    prepare: (scene) => putting(scene, '/tuf/timestamp.json', utf8('{}')),
  },
  {
    code: 'too-large',
    title: 'targets are larger than any',
    prepare: (scene) =>
      putting(scene, '/tuf/2.targets.json', new Uint8Array(limits.tufTargetsBytesMax + 1)),
  },
  {
    code: 'tuf-threshold-root',
    title: 'one of two signed the new root',
    prepare: (scene) => {
      const signers = scene.operator.rootKeys.slice(0, 1);
      return putting(scene, '/tuf/2.root.json', scene.operator.rootFile({ version: 2, signers }));
    },
  },
  {
    code: 'malformed-json',
    title: 'director keys say a field twice',
    prepare: (scene) =>
      putting(scene, '/tuf/targets/director.json', utf8('{"version":1,"version":2}')),
  },
  {
    code: 'schema-mismatch',
    title: 'director keys name none',
    prepare: (scene) => putting(scene, '/tuf/targets/director.json', utf8('{}')),
  },
];

const releases: readonly BadCase<ServerScene>[] = [
  {
    code: 'target-path-refused',
    title: 'targets name a path of their own',
    prepare: publishing(({ targets }) => targets.set('elsewhere', { bytes: utf8('x') })),
  },
  {
    code: 'release-invalid',
    title: 'a target names another version than its bundle',
    prepare: publishing((operator) => operator.name(v2, { version: '2.0.1' })),
  },
  {
    code: 'release-changed',
    title: 'a published version has other content',
    prepare: publishing(({ targets }) => {
      const path = 'bundles/adder@1.0.0';
      targets.set(path, { ...targets.get(path), bytes: v2.manifest });
    }),
  },
  {
    code: 'release-lost',
    title: 'a published version is gone',
    prepare: publishing(({ targets }) => targets.clear()),
  },
  {
    code: 'release-counter-low',
    title: 'a new version takes the counter of an old one',
    prepare: publishing((operator) => operator.name(v2, { releaseCounter: 1 })),
  },
  {
    code: 'below-rollback-floor',
    title: 'a live version is below the floor',
    prepare: publishing((operator) => {
      operator.rollbackFloor = { adder: 2 };
    }),
  },
  {
    code: 'rollback-floor-lowered',
    title: 'the floor falls',
    prepare: publishing((operator) => {
      operator.rollbackFloor = { adder: 0 };
    }),
  },
  {
    code: 'revocation-lost',
    title: 'a revocation is gone',
    prepare: publishing((operator) => {
      operator.revoked = [];
    }),
  },
  {
    code: 'director-keys-older',
    title: 'director keys go back',
    prepare: publishing((operator) => {
      operator.director = { ...operator.director, version: 1 };
    }),
  },
  {
    code: 'fixed-target-missing',
    title: 'director keys are signed and not uploaded',
    prepare: publishing(
      (operator) => {
        operator.director = { ...operator.director, version: 7 };
      },
      { isUploaded: false },
    ),
  },
  {
    code: 'role-lost',
    title: 'a delegation is gone',
    prepare: publishing((operator) => {
      operator.delegations = [];
    }),
  },
  {
    code: 'delegation-refused',
    title: 'a fleet is given everybody’s bundles',
    prepare: publishing((operator) => {
      operator.delegations = [grant(operator, ['bundles/*'])];
    }),
  },
];

const bundles: readonly BadCase<ServerScene>[] = [
  {
    code: 'bundle-incomplete',
    title: 'a bundle was never uploaded',
    prepare: publishing((operator) => operator.name(sampleBundle({ version: '3.0.0', fill: 3 }))),
  },
  {
    code: 'bundle-inconsistent',
    title: 'a manifest lacks a blob that its configuration uses',
    prepare: publishing(async (operator, { repository }) => {
      const bundle = inconsistentBundle(sampleBundle({ version: '3.0.0', fill: 4 }));
      await operator.upload(repository, bundle);
      operator.name(bundle);
    }),
  },
  ...refusedGraphs.map(({ code, title, graph }) => ({
    code,
    title: `a graph ${title}`,
    prepare: publishing(async (operator, { repository }) => {
      const bundle = sampleBundle({ version: '3.0.0', fill: 5, graph: graph() });
      await operator.upload(repository, bundle);
      operator.name(bundle);
    }),
  })),
  {
    code: 'candidate-differs',
    title: 'a federated candidate is another program',
    prepare: async ({ operator, repository }) => {
      const candidate = sampleBundle({ version: '1.0.1', fill: 6 });
      await operator.upload(repository, candidate);
      const custom: TargetCustom = {
        ...{ name: 'adder' as AppName, version: '1.0.1', releaseCounter: 1 },
        ...{ fleets: [plant], classMatch: {}, status: 'live' },
      };
      const asked = { fleet: plant, digest: candidate.digest, actor: 'round', custom };
      return async () => codeOfResult(await repository.publishCandidate(asked));
    },
  },
];

const blobs: readonly BadCase<ServerScene>[] = [
  {
    code: 'upload-digest-mismatch',
    title: 'a blob is not what its name says',
    prepare: (scene) => putting(scene, `/v2/adder/blobs/${digest('0')}`, utf8('something else')),
  },
  {
    code: 'not-published',
    title: 'a manifest is asked for that nobody published',
    prepare: (scene) => getting(scene, `/v2/adder/manifests/${digestOf(utf8('nothing'))}`),
  },
  {
    code: 'range-not-satisfiable',
    title: 'a range begins behind the blob',
    prepare: (scene) => {
      const tensor = v1.config.variants[0]?.tensors[0]?.digest ?? '';
      return getting(scene, `/v2/adder/blobs/${tensor}`, { range: 'bytes=99999999-' });
    },
  },
];

export const repository = atDoor({
  name: 'a file to the image repository',
  open,
  cases: [...metadata, ...releases, ...bundles, ...blobs],
});
