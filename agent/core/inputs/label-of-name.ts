/** How a file's name becomes the label its answer is compared with. */
export type LabelRule = 'none' | 'extension';

/** Their bytes do not tell them apart. */
const sameType: ReadonlyMap<string, string> = new Map([
  ['mjs', 'js'],
  ['cjs', 'js'],
  ['mts', 'ts'],
  ['cts', 'ts'],
]);

/**
 * The last part of the name, in lower case; `undefined` for a name without an extension, or when
 * there are no labels.
 */
export function labelOfName(name: string, rule: LabelRule): string | undefined {
  if (rule === 'none') return undefined;
  const base = name.slice(name.lastIndexOf('/') + 1);
  const at = base.lastIndexOf('.');
  // A leading dot hides a file; it names no type.
  if (at <= 0 || at === base.length - 1) return undefined;
  const extension = base.slice(at + 1).toLowerCase();
  return sameType.get(extension) ?? extension;
}
