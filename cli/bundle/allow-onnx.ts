import type { Command } from 'commander';
import {
  type OnnxAllowance,
  OnnxWordsSchema,
  onnxAllowanceOf,
} from '../../shared/codec/onnx-allowance.ts';
import { createValidator } from '../../shared/codec/validator.ts';
import { collect as more } from '../api/arguments.ts';
import { exitCodes } from '../exit-code.ts';
import { endWith } from './output.ts';

export interface AllowanceFlags {
  readonly allowOnnx?: readonly string[];
}

const validate = createValidator(OnnxWordsSchema);

/** For the verbs that look at graphs: the server and the devices must be told the same word in their own files. */
export const withAllowance = (command: Command): Command =>
  command.option(
    '--allow-onnx <word>',
    "ep-context or an operator domain, as in a device's policy.onnx; may repeat",
    more,
  );

export function allowanceIn({ allowOnnx = [] }: AllowanceFlags): OnnxAllowance {
  const words = validate([...new Set(allowOnnx)]);
  if (words.ok) return onnxAllowanceOf(words.value);
  const given = allowOnnx.join(', ');
  return endWith(exitCodes.usage, `--allow-onnx takes ep-context or an operator domain: ${given}`);
}
