import { textOf } from '../core/bytes.ts';
import type { SkimMessage, SkimRefusal, SkimValue } from './protobuf-skim.ts';

export interface OnnxRefusal {
  readonly code:
    | SkimRefusal['code']
    | 'onnx-tensor-invalid'
    | 'onnx-external-location'
    | 'onnx-external-range'
    | 'onnx-operator-refused'
    | 'onnx-ep-context'
    | 'onnx-function-invalid';
  readonly message: string;
}

const none: readonly SkimValue[] = [];

export const listOf = (message: SkimMessage, field: string): readonly SkimValue[] =>
  message.values.get(field) ?? none;

export function integerOf(message: SkimMessage, field: string): bigint | undefined {
  const value = listOf(message, field)[0];
  return typeof value === 'bigint' ? value : undefined;
}

/** Lists of nested messages; values of another kind cannot stand in such a field. */
export const messagesOf = (message: SkimMessage, field: string): readonly SkimMessage[] =>
  listOf(message, field).filter(
    (value): value is SkimMessage => typeof value === 'object' && !(value instanceof Uint8Array),
  );

/** Text of a singular field, empty when absent. Bytes that are not UTF-8 become a name nothing can match. */
export const textField = (message: SkimMessage, field: string): string =>
  textsOf(message, field)[0] ?? '';

export const textsOf = (message: SkimMessage, field: string): readonly string[] =>
  listOf(message, field).map((value) =>
    value instanceof Uint8Array ? (textOf(value) ?? '\u{fffd}') : '\u{fffd}',
  );
