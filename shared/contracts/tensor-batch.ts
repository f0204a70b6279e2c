import type { BundleConfig } from './bundle-config.ts';

type Signature = BundleConfig['outputs'][number];

/** The batch: a leading dimension that is a symbol. Without one a tensor has the same form for every question. */
export const batchOf = ({ shape }: Signature): string | undefined =>
  typeof shape[0] === 'string' ? shape[0] : undefined;

/** The shape of one row, without the batch. */
export const rowShapeOf = (signature: Signature): Signature['shape'] =>
  batchOf(signature) === undefined ? signature.shape : signature.shape.slice(1);
