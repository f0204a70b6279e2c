import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { readConfigFile } from '../../../agent/adapters/config-file.ts';
import { parseAgentConfig } from '../../../agent/config.ts';
import { readEnrolmentString } from '../../../agent/core/enrolment/enrolment-string.ts';
import { checkPrecision } from '../../../cli/bundle/check-precision.ts';
import { readRecipe } from '../../../cli/bundle/recipe-file.ts';
import { decodeKeyFile } from '../../../cli/keys/key-file.ts';
import { runSkein } from '../../../cli/program.ts';
import {
  readHeldOutSet,
  writeHeldOutSet,
} from '../../../firmware-bundles/evaluate/held-out-set.ts';
import { readLayout, writeLayout } from '../../../firmware-bundles/pack/oci-layout.ts';
import { parseServerConfig } from '../../../fleet-server/config.ts';
import { utf8 } from '../../../shared/core/bytes.ts';
import { codeOf } from '../../../shared/core/operating-error.ts';
import { sampleBundle } from '../../support/sample-bundle.ts';
import { inconsistentBundle } from './bad-bundles.ts';
import { type Attack, atDoor, type BadCase, codeOfResult, type Scene } from './bad-case.ts';
import { filesBelow, hashOfLines } from './state-hash.ts';

/** A folder of a person's machine, with what the commands read there. */
interface FolderScene extends Scene {
  readonly folder: string;
  keep(name: string, content: string | Uint8Array): Promise<string>;
}

async function open(): Promise<FolderScene> {
  const folder = await mkdtemp(join(tmpdir(), 'skein-bad-files-'));
  return {
    folder,
    keep: async (name, content) => {
      const path = join(folder, name);
      await writeFile(path, content, { mode: 0o600 });
      return path;
    },
    state: async () => hashOfLines(await filesBelow(folder)),
    close: () => rm(folder, { recursive: true, force: true }),
  };
}

/** The code of an operating failure; what throws anything else has a defect. */
async function thrown(work: Promise<unknown>): Promise<string> {
  try {
    await work;
    return 'ok';
  } catch (error) {
    return codeOf(error);
  }
}

/** The code that a command says with `-o json`. */
const commanding =
  (scene: FolderScene, args: readonly string[], server = 'http://127.0.0.1:9'): Attack =>
  async () => {
    const tokenFile = join(scene.folder, 'token');
    let out = '';
    const write = (text: string): void => {
      out += text;
    };
    const context = ['--server', server, '--token-file', tokenFile, '-o', 'json'];
    await runSkein([...args, ...context], { out: write, err: () => undefined });
    return (JSON.parse(out) as { readonly code: string }).code;
  };

const root = `sha256:${'a'.repeat(64)}`;
const claim = 'c'.repeat(32);
const enrolling =
  (text: string): (() => Attack) =>
  () =>
  () =>
    codeOfResult(readEnrolmentString(text, { insecurePlaintext: false }));

const layers = { environment: {}, settings: [] };

const typed: readonly BadCase<FolderScene>[] = [
  {
    code: 'enrolment-string-invalid',
    title: 'an enrolment string is cut off',
    prepare: enrolling(`skein://fleet.example/#claim=${claim}&root=sha256:aa`),
  },
  {
    code: 'enrolment-string-invalid',
    title: 'an enrolment string has no root to trust',
    prepare: enrolling(`skein://fleet.example/#claim=${claim}`),
  },
  {
    code: 'enrolment-string-invalid',
    title: 'an enrolment string is as long as a book',
    prepare: enrolling(`skein://${'a'.repeat(100_000)}/#claim=${claim}&root=${root}`),
  },
  {
    code: 'command-line-invalid',
    title: 'a server is no address',
    prepare: (scene) => commanding(scene, ['device', 'list'], 'fleet example'),
  },
  {
    code: 'command-line-invalid',
    title: 'a token stands in the address of the server',
    prepare: (scene) => commanding(scene, ['device', 'list'], 'https://me:secret@fleet.example'),
  },
  {
    code: 'command-line-invalid',
    title: 'a rollout plan is a list',
    prepare: async (scene) => {
      await scene.keep('token', 'skein_admin_x\n');
      const plan = await scene.keep('plan.yaml', '- one\n- two\n');
      return commanding(scene, ['rollout', 'create', '--file', plan]);
    },
  },
];

const configured: readonly BadCase<FolderScene>[] = [
  {
    code: 'config-invalid',
    title: 'a key of the agent’s file is unknown',
    prepare: () => () => codeOfResult(parseAgentConfig({ ...layers, file: { polcy: {} } })),
  },
  {
    code: 'config-invalid',
    title: 'a variable of the agent is unknown',
    prepare: () => () => {
      const environment = { SKEIN_AGENT_POLICY_THREAD: '2' };
      return codeOfResult(parseAgentConfig({ ...layers, file: undefined, environment }));
    },
  },
  {
    code: 'config-invalid',
    title: 'a key of the server’s file is unknown',
    prepare: () => () => codeOfResult(parseServerConfig({ ...layers, file: { htpp: {} } })),
  },
  {
    code: 'config-invalid',
    title: 'a file of the agent says a key twice',
    prepare: async (scene) => {
      const path = await scene.keep('agent.yaml', 'zone: Europe/Oslo\nzone: Europe/Bergen\n');
      return () => thrown(readConfigFile(path));
    },
  },
  {
    code: 'config-invalid',
    title: 'a file of the agent grows without end from aliases',
    prepare: async (scene) => {
      const path = await scene.keep('laughs.yaml', 'a: &a [x, x]\nb: [*a, *a]\n');
      return () => thrown(readConfigFile(path));
    },
  },
];

const made: readonly BadCase<FolderScene>[] = [
  {
    code: 'malformed-json',
    title: 'a recipe is no YAML',
    prepare: async (scene) => {
      const path = await scene.keep('recipe.yaml', 'name: [adder\n');
      return async () => codeOfResult(await readRecipe(path));
    },
  },
  {
    code: 'schema-mismatch',
    title: 'a recipe has a field that nobody knows',
    prepare: async (scene) => {
      const path = await scene.keep('other.yaml', 'name: adder\nflavour: sweet\n');
      return async () => codeOfResult(await readRecipe(path));
    },
  },
  {
    code: 'schema-mismatch',
    title: 'a key file is of another form',
    prepare: () => () => codeOfResult(decodeKeyFile(utf8('{"format":"pem"}'))),
  },
  {
    code: 'layout-unreadable',
    title: 'a folder holds no bundle',
    prepare: (scene) => async () => codeOfResult(await readLayout(join(scene.folder, 'nothing'))),
  },
  {
    code: 'digest-mismatch',
    title: 'a blob of a layout was edited',
    prepare: async (scene) => {
      const bundle = sampleBundle();
      const place = join(scene.folder, 'edited');
      await writeLayout(place, bundle);
      await writeFile(join(place, 'blobs', 'sha256', bundle.digest.slice(7)), 'edited');
      return async () => codeOfResult(await readLayout(place));
    },
  },
  {
    code: 'bundle-inconsistent',
    title: 'a layout lacks a blob that its configuration uses',
    prepare: async (scene) => {
      const place = join(scene.folder, 'lacking');
      await writeLayout(place, inconsistentBundle(sampleBundle()));
      return async () => codeOfResult(await readLayout(place));
    },
  },
  {
    code: 'precision-mismatch',
    title: 'a layout says that its float32 weights are int8',
    prepare: async (scene) => {
      const place = join(scene.folder, 'claiming');
      await writeLayout(place, sampleBundle({ precision: 'int8' }));
      return async () => {
        const bundle = await readLayout(place);
        return codeOfResult(bundle.ok ? checkPrecision(bundle.value) : bundle);
      };
    },
  },
  {
    code: 'held-out-malformed',
    title: 'a held-out set ends in the middle of a row',
    prepare: () => () => {
      const whole = writeHeldOutSet({
        rows: [new Uint8Array(8), new Uint8Array(8)],
        labels: [0, 1],
      });
      return codeOfResult(readHeldOutSet(whole.slice(0, -3)));
    },
  },
  {
    code: 'held-out-malformed',
    title: 'a held-out set announces rows without end',
    prepare: () => () => codeOfResult(readHeldOutSet(utf8('{"rowBytes":1e15,"rows":1e15}\nx'))),
  },
];

export const files = atDoor({
  name: 'a line or a file to the commands',
  open,
  cases: [...typed, ...configured, ...made],
});
