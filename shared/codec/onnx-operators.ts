/** Standard operators: every operator of these domains is defined by the published standard. */
export const standardDomains: ReadonlySet<string> = new Set(['', 'ai.onnx', 'ai.onnx.ml']);

/**
 * The part of the runtime's own domain that a bundle may use: fused and quantized arithmetic. Left out is
 * whatever loads compiled code, opens files or calls back (EPContext and its kin).
 */
export const runtimeDomain = 'com.microsoft';

export const runtimeOperators: ReadonlySet<string> = new Set([
  'Attention',
  'BiasAdd',
  'BiasGelu',
  'BiasSplitGelu',
  'DequantizeLinear',
  'DynamicQuantizeLSTM',
  'DynamicQuantizeMatMul',
  'EmbedLayerNormalization',
  'FastGelu',
  'FusedConv',
  'FusedGemm',
  'FusedMatMul',
  'GatherBlockQuantized',
  'Gelu',
  'GroupQueryAttention',
  'MatMulInteger16',
  'MatMulIntegerToFloat',
  'MatMulNBits',
  'MultiHeadAttention',
  'NhwcMaxPool',
  'QAttention',
  'QEmbedLayerNormalization',
  'QGemm',
  'QLinearAdd',
  'QLinearAveragePool',
  'QLinearConcat',
  'QLinearConv',
  'QLinearGlobalAveragePool',
  'QLinearLeakyRelu',
  'QLinearMul',
  'QLinearReduceMean',
  'QLinearSigmoid',
  'QLinearSoftmax',
  'QLinearWhere',
  'QuantizeLinear',
  'QuickGelu',
  'RotaryEmbedding',
  'SimplifiedLayerNormalization',
  'SkipLayerNormalization',
  'SkipSimplifiedLayerNormalization',
]);

/** Bits per element of each tensor data type; strings have none. */
export const elementBits: ReadonlyMap<number, number> = new Map([
  [1, 32], // float
  [2, 8], // uint8
  [3, 8], // int8
  [4, 16], // uint16
  [5, 16], // int16
  [6, 32], // int32
  [7, 64], // int64
  [9, 8], // bool
  [10, 16], // float16
  [11, 64], // double
  [12, 32], // uint32
  [13, 64], // uint64
  [14, 64], // complex64
  [15, 128], // complex128
  [16, 16], // bfloat16
  [17, 8], // float8e4m3fn
  [18, 8], // float8e4m3fnuz
  [19, 8], // float8e5m2
  [20, 8], // float8e5m2fnuz
  [21, 4], // uint4
  [22, 4], // int4
  [23, 4], // float4e2m1
  [24, 8], // float8e8m0
  [25, 2], // uint2
  [26, 2], // int2
]);

export const stringElement = 8;
