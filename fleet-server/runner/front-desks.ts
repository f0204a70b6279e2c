import type { Digest } from '../../shared/core/ids.ts';
import { AuditDesk } from './audit-desk.ts';
import { BundleShelf } from './bundle-shelf.ts';
import { ClaimDesk } from './claim-desk.ts';
import { DeviceDesk } from './device-desk.ts';
import { EventStream } from './event-stream.ts';
import { ExplainDesk } from './explain-desk.ts';
import { RoundOffice } from './federation/round-office.ts';
import { FleetDesk } from './fleet-desk.ts';
import type { FleetServer, FleetServerPorts } from './fleet-server.ts';
import { IdempotencyDesk } from './idempotency-desk.ts';
import { RolloutOffice } from './rollout-office.ts';
import type { SessionDesk } from './session-desk.ts';
import { TokenDesk } from './token-desk.ts';

/** Everything a front door may ask for: one runner per noun. */
export interface FrontDesks {
  readonly access: TokenDesk;
  readonly answers: IdempotencyDesk;
  readonly sessions: SessionDesk;
  readonly fleets: FleetDesk;
  readonly devices: DeviceDesk;
  readonly claims: ClaimDesk;
  readonly rollouts: RolloutOffice;
  readonly rounds: RoundOffice;
  readonly explanations: ExplainDesk;
  readonly bundles: BundleShelf;
  readonly audit: AuditDesk;
  readonly events: EventStream;
}

export function createFrontDesks(
  server: FleetServer,
  ports: Pick<FleetServerPorts, 'store' | 'clock' | 'random' | 'zones' | 'broker' | 'tokens'>,
  options: { readonly revoked: () => ReadonlySet<Digest> },
): FrontDesks {
  const { store, clock, random, zones, broker, tokens } = ports;
  const { book, director, federation, live, rollouts, sessions } = server;
  const wake = (): void => server.wake();
  return {
    access: new TokenDesk({ store, clock, random, sessionTokens: tokens }),
    answers: new IdempotencyDesk({ store, clock }),
    sessions,
    fleets: new FleetDesk({ store, clock }),
    devices: new DeviceDesk({ store, clock, random, broker, live, director, rollouts, wake }),
    claims: new ClaimDesk({ store, clock, random }),
    rollouts: new RolloutOffice({ store, desk: rollouts, wake }),
    rounds: new RoundOffice({ store, clock, federation }),
    explanations: new ExplainDesk({
      ...{ store, clock, zones, book, revoked: options.revoked },
      walked: (row) => rollouts.walked(row),
    }),
    bundles: new BundleShelf(store),
    audit: new AuditDesk({ store, heads: server.heads }),
    events: new EventStream({ store, clock }),
  };
}
