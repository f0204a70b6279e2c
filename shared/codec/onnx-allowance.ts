import { Type } from '../contracts/json-schema.ts';

/** What an owner permits graphs beyond what every device accepts. */
export interface OnnxAllowance {
  readonly epContext?: boolean;
  readonly domains?: readonly string[];
}

/** Graphs compiled for one accelerator. */
export const epContextWord = 'ep-context';
const domainPattern = '^[a-z0-9_-]+([.][a-z0-9_-]+)+$';

/** The words of `policy.onnx` and `--allow-onnx`: `ep-context`, or a domain of operators such as `com.microsoft`. */
export const OnnxWordsSchema = Type.Array(
  Type.Union([
    Type.Literal(epContextWord),
    Type.String({ pattern: domainPattern, maxLength: 128 }),
  ]),
  { maxItems: 16, uniqueItems: true },
);

/** No word allows nothing. */
export const onnxAllowanceOf = (words: readonly string[]): Required<OnnxAllowance> => ({
  epContext: words.includes(epContextWord),
  domains: words.filter((word) => word !== epContextWord),
});

/** The end of a refusal's sentence: the word that would allow it, where there is one. */
export const allowedBy = (word: string): string =>
  word === epContextWord || new RegExp(domainPattern).test(word)
    ? `; the word ${word} in policy.onnx or --allow-onnx allows it`
    : '';
