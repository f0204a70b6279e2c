import { isOlderVersion } from '../../shared/core/version-order.ts';
import type { Installer } from './installer.ts';
import type { UpdateRunner } from './update-runner.ts';

/**
 * At each start: what an older agent had to refuse for its own age is tried again by one that is new enough. What can
 * no longer be read is fetched, and judged, once more.
 */
export async function liftRefusals(options: {
  readonly updates: Pick<UpdateRunner, 'state' | 'record'>;
  readonly installer: Pick<Installer, 'read'>;
  readonly agentVersion: string;
}): Promise<void> {
  const { updates, installer, agentVersion } = options;
  for (const { app, digest, reason } of updates.state.refusals) {
    if (reason !== 'agent-too-old') continue;
    const bundle = await installer.read(digest);
    if (bundle.ok && isOlderVersion(agentVersion, bundle.value.config.minAgent)) continue;
    await updates.record({ kind: 'refusal-lifted', app, digest });
  }
}
