import { limits } from '../../shared/contracts/limits.ts';
import type { DeviceDisk } from '../../shared/ports/device-disk.ts';
import type { Metrics } from '../../shared/ports/metrics.ts';
import { blobFolder, downloadFolder } from '../core/store/store-path.ts';
import { refusalOf, sortedApps } from '../core/update/update-state.ts';
import type { ByteBudget } from './byte-budget.ts';
import type { FreshnessWatch } from './freshness-watch.ts';
import type { ModelHost } from './model-host.ts';
import type { OutboxWriter } from './outbox-writer.ts';
import type { SessionLoop } from './session-loop.ts';
import type { TrustedCatalogue } from './trusted-catalogue.ts';
import type { UpdateRunner } from './update-runner.ts';

export interface GaugedRooms {
  readonly metrics: Metrics;
  readonly disk: DeviceDisk;
  readonly models: ModelHost;
  readonly updates: UpdateRunner;
  readonly outbox: OutboxWriter;
  readonly budget: ByteBudget;
  readonly sessions: SessionLoop;
  readonly freshness: Pick<FreshnessWatch, 'ageMs'>;
  readonly catalogue: Pick<TrustedCatalogue, 'expiries'>;
}

/** Reads what is so now into gauges, when somebody asks: between two scrapes it costs nothing. */
export async function setStateGauges(rooms: GaugedRooms): Promise<void> {
  const { metrics, disk, outbox, budget, sessions } = rooms;
  metrics.gauge('skein_session_open', sessions.uplink === undefined ? 0 : 1);
  metrics.gauge('skein_last_contact_age_seconds', sessions.silentMs / 1_000);
  metrics.gauge('skein_metadata_age_seconds', rooms.freshness.ageMs / 1_000);
  const { unsent, inFlight } = outbox.backlog;
  metrics.gauge('skein_outbox_bytes', outbox.bytes);
  metrics.gauge('skein_outbox_limit_bytes', limits.outboxBytesMax);
  metrics.gauge('skein_outbox_windows', unsent + inFlight);
  metrics.gauge('skein_download_month_bytes', budget.usedBytes);
  metrics.gauge('skein_download_month_limit_bytes', budget.capBytes ?? 0);
  setModelGauges(rooms);
  setExpiryGauges(rooms);
  const stored = (await bytesIn(disk, blobFolder)) + (await bytesIn(disk, downloadFolder));
  metrics.gauge('skein_store_bytes', stored);
  metrics.gauge('skein_disk_free_bytes', await disk.freeBytes());
}

function setModelGauges({ metrics, models, updates }: GaugedRooms): void {
  const { state } = updates;
  let refused = 0;
  for (const { app, wanted } of sortedApps(state)) {
    const host = models.active(app)?.host;
    metrics.gauge('skein_model_loaded', host === 'worker' ? 1 : 0, { app, slot: 'committed' });
    metrics.gauge('skein_model_loaded', host === 'process' ? 1 : 0, { app, slot: 'trial' });
    if (wanted !== undefined && refusalOf(state, wanted) !== undefined) refused += 1;
  }
  metrics.gauge('skein_apps_refused', refused);
}

/** By trusted time alone: a device whose clock is wrong says nothing rather than something wrong. */
function setExpiryGauges({ metrics, catalogue, sessions }: GaugedRooms): void {
  const nowMs = sessions.trustedNowMs();
  if (nowMs === undefined) return;
  for (const [role, expiresAtMs] of catalogue.expiries) {
    metrics.gauge('skein_metadata_expiry_seconds', (expiresAtMs - nowMs) / 1_000, { role });
  }
}

/** A file that leaves in between counts as nothing. */
async function bytesIn(disk: DeviceDisk, folder: string): Promise<number> {
  let bytes = 0;
  for (const name of await disk.list(folder)) bytes += (await disk.size(`${folder}/${name}`)) ?? 0;
  return bytes;
}
