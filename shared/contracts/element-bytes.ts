import type { DefaultRow } from './bundle-config.ts';

/** Bytes of one element of a tensor; a `bool` is one byte of 0 or 1. */
export const elementBytes: Readonly<Record<DefaultRow['type'], number>> = {
  float32: 4,
  float64: 8,
  int8: 1,
  uint8: 1,
  int16: 2,
  uint16: 2,
  int32: 4,
  uint32: 4,
  int64: 8,
  uint64: 8,
  bool: 1,
};
