import { decodeFrame } from '../../shared/codec/frame.ts';
import type { DesiredState } from '../../shared/contracts/desired.ts';
import type { ReportedState } from '../../shared/contracts/reported.ts';
import type { Window } from '../../shared/contracts/window.ts';
import { bytesOfBase64, textOf } from '../../shared/core/bytes.ts';
import { readEnvelope } from '../../shared/trust/dsse.ts';
import type { Caught } from './man-in-the-middle.ts';

/** What one device really said and what the server really signed for it, as it was before anybody touched it. */
export interface Truth {
  readonly orders: ReadonlyMap<number, DesiredState>;
  readonly reports: ReadonlyMap<number, ReportedState>;
  /** By `outbox first last`. */
  readonly windows: ReadonlyMap<string, Window>;
}

export function truthOf(device: string, caught: readonly Caught[]): Truth {
  const orders = new Map<number, DesiredState>();
  const reports = new Map<number, ReportedState>();
  const windows = new Map<string, Window>();
  for (const one of caught) {
    if (one.device !== device) continue;
    if (one.way === 'down' && one.kind === 'desired') {
      const order = signedIn(one) as DesiredState;
      orders.set(order.generation, order);
    }
    if (one.way === 'up' && one.kind === 'reported') {
      const report = signedIn(one) as ReportedState;
      reports.set(report.number, report);
    }
    if (one.way === 'up' && one.kind === 'window') {
      const window = JSON.parse(textOf(bodyOf(one.payload)) ?? '') as Window;
      windows.set(`${window.outbox} ${window.first} ${window.last}`, window);
    }
  }
  return { orders, reports, windows };
}

export function bodyOf(payload: Buffer): Uint8Array {
  const frame = decodeFrame(payload);
  if (!frame.ok) throw new Error(frame.error.message);
  return frame.value.body;
}

function signedIn({ payload }: Caught): unknown {
  const envelope = readEnvelope(bodyOf(payload));
  if (!envelope.ok) throw new Error(envelope.error.message);
  const bytes = bytesOfBase64(envelope.value.payload) ?? new Uint8Array();
  return JSON.parse(textOf(bytes) ?? '');
}
