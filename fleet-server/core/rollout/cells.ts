import { limits } from '../../../shared/contracts/limits.ts';
import { utf8 } from '../../../shared/core/bytes.ts';
import type { DeviceId } from '../../../shared/core/ids.ts';
import { hmacSha256 } from '../../../shared/trust/hash.ts';

/** 0..4095; given once, at enrolment, and stored with an index. */
export type Cell = number;

/** The cell of a device: HMAC of its id under a server key, so that nobody can enrol into a cell of choice. */
export function cellOf(serverKey: Uint8Array, device: DeviceId): Cell {
  return uint32Of(hmacSha256(serverKey, utf8(`cell/${device}`))) % limits.cells;
}

/** The order of the cells in one rollout, both ways. */
export interface CellOrder {
  /** `cells[rank]` is the cell at that place. */
  readonly cells: Uint16Array;
  /** `ranks[cell]` is its place. */
  readonly ranks: Uint16Array;
}

/** Orders all cells by HMAC(secret, cell). 4096 hashes: build it once per rollout and keep it. */
export function orderCells(secret: Uint8Array): CellOrder {
  const keyed = Array.from({ length: limits.cells }, (_, cell) => ({
    cell,
    key: uint32Of(hmacSha256(secret, utf8(`order/${cell}`))),
  }));
  keyed.sort((a, b) => a.key - b.key || a.cell - b.cell);
  const cells = new Uint16Array(limits.cells);
  const ranks = new Uint16Array(limits.cells);
  keyed.forEach(({ cell }, rank) => {
    cells[rank] = cell;
    ranks[cell] = rank;
  });
  return { cells, ranks };
}

/** 0..2^32-1: the place of a device inside its cell, for the cell that a boundary cuts. */
export function cutOf(secret: Uint8Array, device: DeviceId): number {
  return uint32Of(hmacSha256(secret, utf8(`device/${device}`)));
}

/**
 * A place in the order of all devices: everything in cells before `rank`, and of the cell at `rank` the devices
 * with a cut below `cut`. `{ rank: 0, cut: 0 }` is nobody, `{ rank: 4096, cut: 0 }` everybody.
 */
export interface Boundary {
  readonly rank: number;
  readonly cut: number;
}

export const nobody: Boundary = { rank: 0, cut: 0 };
export const everybody: Boundary = { rank: limits.cells, cut: 0 };

export const isBefore = (a: Boundary, b: Boundary): boolean =>
  a.rank < b.rank || (a.rank === b.rank && a.cut < b.cut);

const uint32Of = (hash: Uint8Array): number =>
  (((hash[0] ?? 0) << 24) | ((hash[1] ?? 0) << 16) | ((hash[2] ?? 0) << 8) | (hash[3] ?? 0)) >>> 0;
