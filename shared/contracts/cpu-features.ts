/**
 * Processor features that a variant may ask for and a device reports, by the names of Linux (`/proc/cpuinfo`): those
 * that change how fast, or with which saturation, a quantized model runs.
 */
export const cpuFeatures = [
  'amx_bf16',
  'amx_int8',
  'asimd',
  'asimddp',
  'asimdhp',
  'avx',
  'avx2',
  'avx512_bf16',
  'avx512_vnni',
  'avx512f',
  'avx_vnni',
  'bf16',
  'f16c',
  'fma',
  'i8mm',
  'sve',
  'sve2',
] as const;
export type CpuFeature = (typeof cpuFeatures)[number];
