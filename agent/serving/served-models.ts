import type { BundleConfig } from '../../shared/contracts/bundle-config.ts';
import type { AppName } from '../../shared/core/ids.ts';
import { isAppName } from '../../shared/core/ids.ts';
import { OperatingError } from '../../shared/core/operating-error.ts';
import { sortedApps } from '../core/update/update-state.ts';
import type { DeviceAgent } from '../runner/device-agent.ts';

/** What the front door needs of the agent. */
export type ServedAgent = Pick<DeviceAgent, 'state' | 'activeModel' | 'standIn' | 'infer'>;

/**
 * The configuration of the bundle that answers now, by its model or its default answer.
 * Throws `model-unknown`, `no-model`, `version-not-active`.
 */
export function servedConfig(
  agent: ServedAgent,
  name: string,
  version: string | undefined,
): { readonly app: AppName; readonly config: BundleConfig } {
  const app = isAppName(name) ? name : undefined;
  if (app === undefined || !agent.state.apps.has(app)) {
    throw new OperatingError('model-unknown', `this device has no model ${name.slice(0, 64)}`);
  }
  const config = agent.activeModel(app)?.bundle.config ?? agent.standIn(app)?.config;
  if (config === undefined) throw new OperatingError('no-model', `nothing answers for ${app}`);
  if (version !== undefined && version !== config.version) {
    throw new OperatingError('version-not-active', `${app} runs ${config.version}`);
  }
  return { app, config };
}

/** Ready means: every app that is wanted here answers, by a model or by default, and there is one at least. */
export function isReady(agent: ServedAgent): boolean {
  const wanted = sortedApps(agent.state).filter((app) => !app.isWithdrawn);
  return wanted.length > 0 && wanted.every(({ app }) => answers(agent, app));
}

const answers = (agent: ServedAgent, app: AppName): boolean =>
  agent.activeModel(app) !== undefined || agent.standIn(app) !== undefined;
