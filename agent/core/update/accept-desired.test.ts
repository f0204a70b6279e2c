import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { DesiredState } from '../../../shared/contracts/desired.ts';
import type { DeviceId, Epoch, FleetId } from '../../../shared/core/ids.ts';
import { acceptDesired, compareSeen, type DeviceIdentity } from './accept-desired.ts';

const identity: DeviceIdentity = {
  fleet: 'plant' as FleetId,
  device: 'edge-1' as DeviceId,
  deviceKey: 'a'.repeat(64),
  epoch: 'b'.repeat(32) as Epoch,
};

const order = (change: Partial<DesiredState> = {}): DesiredState => ({
  ...identity,
  directorVersion: 1,
  generation: 5,
  issuedAtMs: 0,
  expiresAtMs: 1,
  apps: [],
  revoked: [],
  ...change,
});

describe('acceptDesired', () => {
  const seen = { directorVersion: 1, generation: 4 };

  it('takes a newer order for exactly this device', () => {
    expect(acceptDesired(order(), identity, seen)).toMatchObject({
      ok: true,
      value: { seen: { directorVersion: 1, generation: 5 } },
    });
  });

  it.each([
    ['another fleet', { fleet: 'other' as FleetId }, 'desired-for-another'],
    ['another device', { device: 'edge-2' as DeviceId }, 'desired-for-another'],
    ['another key', { deviceKey: 'c'.repeat(64) }, 'desired-for-another'],
    ['another enrolment', { epoch: 'c'.repeat(32) as Epoch }, 'desired-epoch-mismatch'],
    ['the generation it has', { generation: 4 }, 'desired-repeated'],
    ['an older generation', { generation: 3 }, 'stale-generation'],
    ['a number far above', { generation: 4 + 1_000_001 }, 'generation-leaps'],
    [
      'a new director far above nothing',
      { directorVersion: 2, generation: 1_000_001 },
      'generation-leaps',
    ],
    [
      'an older director with a high generation',
      { directorVersion: 0, generation: 99 },
      'stale-generation',
    ],
  ])('refuses %s', (_case, change, code) => {
    expect(acceptDesired(order(change), identity, seen)).toEqual({ ok: false, error: code });
  });

  it('takes a new director although its count begins anew', () => {
    const renewed = order({ directorVersion: 2, generation: 1 });
    expect(acceptDesired(renewed, identity, { directorVersion: 1, generation: 9 }).ok).toBe(true);
  });

  it('never goes back, whatever arrives in whatever order', () => {
    const place = fc.record({ directorVersion: fc.nat(3), generation: fc.nat(5) });
    fc.assert(
      fc.property(fc.array(place, { maxLength: 20 }), (places) => {
        let newest = { directorVersion: 0, generation: 0 };
        for (const next of places) {
          const accepted = acceptDesired(order(next), identity, newest);
          if (!accepted.ok) continue;
          expect(compareSeen(accepted.value.seen, newest)).toBeGreaterThan(0);
          newest = accepted.value.seen;
        }
      }),
    );
  });
});
