import type { TensorType } from '../../shared/ports/inference-runtime.ts';

/** `TensorProto.data_type` of the element types the house computes with. */
export const elementTypes = {
  float32: 1,
  uint8: 2,
  int8: 3,
  uint16: 4,
  int16: 5,
  int32: 6,
  int64: 7,
  bool: 9,
  float64: 11,
  uint32: 12,
  uint64: 13,
} as const satisfies Record<TensorType, number>;

export const elementBytes: Readonly<Record<TensorType, number>> = {
  float32: 4,
  uint8: 1,
  int8: 1,
  uint16: 2,
  int16: 2,
  int32: 4,
  int64: 8,
  bool: 1,
  float64: 8,
  uint32: 4,
  uint64: 8,
};

const names = new Map<number, TensorType>(
  (Object.keys(elementTypes) as TensorType[]).map((name) => [elementTypes[name], name]),
);

/** The house's name of a `data_type`, or `undefined` for strings, half and narrow types. */
export const elementTypeOf = (dataType: number): TensorType | undefined => names.get(dataType);
