import {
  highestCommonProtocol,
  type ProtocolRange,
  spokenProtocol,
} from '../../../shared/contracts/protocol-range.ts';
import type { Device } from '../model/device.ts';

type Speaker = Pick<Device, 'protocolMin' | 'protocolMax'>;

/** Null until the agent has reported what it speaks. */
export const protocolOf = ({
  protocolMin: min,
  protocolMax: max,
}: Speaker): ProtocolRange | null => (min === null || max === null ? null : { min, max });

/** The version this server speaks with the device: the highest that both know; null where none is known to be. */
export function spokenWith(device: Speaker): number | null {
  const theirs = protocolOf(device);
  return theirs === null ? null : highestCommonProtocol(theirs, spokenProtocol);
}

/** It has said what it speaks, and nothing of that is spoken here: an order would only be refused. */
export const isForeignSpeaker = (device: Speaker): boolean =>
  protocolOf(device) !== null && spokenWith(device) === null;
