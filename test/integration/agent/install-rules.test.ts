import { afterEach, describe, expect, it } from 'vitest';
import { parseAgentConfig } from '../../../agent/config.ts';
import { liftRefusals } from '../../../agent/runner/lift-refusals.ts';
import type { PackedBundle } from '../../../firmware-bundles/pack/pack-bundle.ts';
import type { Digest, TargetPath } from '../../../shared/core/ids.ts';
import { signBody, targetsBody } from '../../../shared/trust/tuf/repository.ts';
import { sampleBundle } from '../../support/sample-bundle.ts';
import { day0Ms, dayMs } from '../../support/tuf-repository.ts';
import { ed25519Signer } from '../../support/tuf-signers.ts';
import { refusedGraphs } from '../bad-input/bad-bundles.ts';
import { DeviceScene } from '../bad-input/device-scene.ts';

const policyOf = (policy: unknown) => {
  const config = parseAgentConfig({ file: { policy }, environment: {}, settings: [] });
  if (!config.ok) throw new Error(config.error.message);
  return config.value.policy;
};

const scenes: DeviceScene[] = [];
const open = async (options: Parameters<typeof DeviceScene.open>[0]): Promise<DeviceScene> => {
  const scene = await DeviceScene.open(options);
  scenes.push(scene);
  return scene;
};
afterEach(async () => {
  for (const scene of scenes.splice(0)) await scene.close();
});

async function installed(scene: DeviceScene, bundle: PackedBundle): Promise<string> {
  scene.origin.add(bundle);
  scene.origin.operator.name(bundle, { releaseCounter: 1 });
  await scene.offer();
  return scene.install(bundle);
}

const graphRefusedFor = (code: string): Uint8Array =>
  refusedGraphs.find((one) => one.code === code)?.graph() ?? expect.unreachable();

describe("what the owner's file says of graphs", () => {
  const cases = [
    ['compiled code', 'onnx-ep-context', 'ep-context'],
    ['operators of another domain', 'onnx-operator-refused', 'org.example'],
  ] as const;

  it.each(cases)(
    'when it allows %s, installs them; without it, refuses',
    async (_what, code, name) => {
      const bundle = sampleBundle({ graph: graphRefusedFor(code) });
      expect(await installed(await open({ allow: policyOf({}).onnx }), bundle)).toBe(code);
      const allowing = await open({ allow: policyOf({ onnx: [name] }).onnx });
      expect(await installed(allowing, bundle)).toBe('ok');
      const other = cases.find(([, , another]) => another !== name)?.[2];
      const wrong = await open({ allow: policyOf({ onnx: [other] }).onnx });
      expect(await installed(wrong, bundle)).toBe(code);
    },
  );

  it('when it comes by the environment, reads the same list; what is no domain is a start-up error', () => {
    const environment = { SKEIN_AGENT_POLICY_ONNX: 'ep-context,com.microsoft' };
    const config = parseAgentConfig({ file: undefined, environment, settings: [] });
    expect(config.ok && config.value.policy.onnx).toEqual({
      ...{ epContext: true, domains: ['com.microsoft'] },
    });
    for (const wrong of ['everything', 'Com.Microsoft', '*', '']) {
      const file = { policy: { onnx: [wrong] } };
      expect(parseAgentConfig({ file, environment: {}, settings: [] })).toMatchObject({
        error: { code: 'config-invalid' },
      });
    }
  });
});

describe('the floor under releases', () => {
  it('when a stolen federated key offers an old candidate below the floor, refuses it', async () => {
    const scene = await open({});
    const { origin } = scene;
    const thief = ed25519Signer('federated');
    const candidate = sampleBundle({ version: '1.0.9' });
    const path = 'federated/plant/adder@1.0.9' as TargetPath;
    const custom = {
      ...{ name: 'adder', version: '1.0.9', releaseCounter: 4, fleets: [], classMatch: {} },
      status: 'live',
    };
    const life = { version: 1, expiresAtMs: day0Ms + 30 * dayMs };
    origin.operator.delegations = [
      {
        ...{ name: 'federated-plant', terminating: true, paths: ['federated/plant/*'] },
        ...{ keys: [thief.key], threshold: 1 },
      },
    ];
    origin.add(candidate);
    const order = async (floor: number): Promise<string> => {
      origin.operator.rollbackFloor = { adder: floor };
      const version = origin.operator.version + 1;
      const targets = [{ path, bytes: candidate.manifest, custom }];
      const file = signBody(targetsBody({ ...life, version, targets }), [thief.sign]);
      origin.delegated.set('federated-plant', file);
      await scene.offer();
      return scene.install(candidate, { path });
    };
    // Above the floor it comes as far as the question whose child it is.
    expect(await order(4)).toBe('parent-unknown');
    expect(await order(5)).toBe('below-rollback-floor');
  });
});

describe('a bundle that needs a newer agent', () => {
  const bundle = sampleBundle({ minAgent: '1.2.0' });
  const target = {
    ...{ app: bundle.config.name, path: 'bundles/adder@1.0.0' as TargetPath, retry: 0 },
    ...{ digest: bundle.digest, rollout: undefined, directorVersion: 1, generation: 1 },
  };

  it('when the agent is just new enough, installs it; one step older, refuses before a blob is fetched', async () => {
    expect(await installed(await open({ agentVersion: '1.2.0' }), bundle)).toBe('ok');
    const older = await open({ agentVersion: '1.1.9' });
    expect(await installed(older, bundle)).toBe('agent-too-old');
    const scope = { trustedNowMs: day0Ms, revoked: new Set<Digest>() };
    expect(await older.installer.fetch(target, scope)).toMatchObject({ error: { isFinal: true } });
  });

  it('when an agent that is new enough starts, tries again what an older one refused, and nothing else', async () => {
    const scene = await open({ agentVersion: '1.1.9' });
    const { updates, installer } = scene;
    expect(await installed(scene, bundle)).toBe('agent-too-old');
    const { app, path, digest, retry } = target;
    await updates.record({
      ...{ kind: 'desired-accepted', seen: { directorVersion: 1, generation: 1 } },
      ...{ expiresAtMs: day0Ms + dayMs, targets: [target], revoked: [] },
    });
    const slot = { path, digest, retry };
    await updates.record({ kind: 'verdict-reached', app, slot, reason: 'agent-too-old' });
    const other = { ...slot, digest: `sha256:${'9'.repeat(64)}` as Digest };
    await updates.record({ kind: 'verdict-reached', app, slot: other, reason: 'crash-loop' });

    await liftRefusals({ updates, installer, agentVersion: '1.1.9' });
    expect(updates.state.refusals.map(({ reason }) => reason)).toEqual([
      ...['agent-too-old', 'crash-loop'],
    ]);
    await liftRefusals({ updates, installer, agentVersion: '1.2.0' });
    expect(updates.state.refusals.map(({ reason }) => reason)).toEqual(['crash-loop']);
    expect(updates.state.apps.get(app)?.attempt).toMatchObject({ phase: 'fetching', target });
  });
});
