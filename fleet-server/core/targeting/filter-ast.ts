import type { EnrolmentState } from '../../../shared/contracts/enrolment.ts';

/**
 * The targeting language as a tree: what the in-memory evaluator walks and a SQL adapter compiles.
 *
 * Logic is two-valued. A comparison with a field the device does not have is false, whatever the operator but
 * `!=`, which is exactly `not =`: a SQL compiler must therefore wrap each leaf so that NULL reads as false
 * before `not` sees it. Ordering (`<` and the like) exists for numbers and instants only.
 */
export type FilterNode = JunctionNode | NotNode | FilterLeaf;
export type FilterLeaf = CompareNode | InNode | HasNode | GlobNode;

/** Half-open range of UTF-16 units in the source text. */
export interface Span {
  readonly start: number;
  readonly end: number;
}

/** Two or more items, never a junction of the same kind directly inside (the parser flattens). */
export interface JunctionNode {
  readonly kind: 'and' | 'or';
  readonly items: readonly FilterNode[];
  readonly span: Span;
}

export interface NotNode {
  readonly kind: 'not';
  readonly item: FilterNode;
  readonly span: Span;
}

export interface CompareNode {
  readonly kind: 'compare';
  readonly field: FilterField;
  readonly op: CompareOp;
  readonly value: FilterValue;
  readonly span: Span;
}

export interface InNode {
  readonly kind: 'in';
  readonly field: FilterField;
  readonly values: readonly FilterValue[];
  readonly span: Span;
}

/**
 * `tags:canary` the map has the key; `x:*` the field is there; `facts.providers:webgpu` the text, read as a list
 * separated by commas, has the item.
 */
export interface HasNode {
  readonly kind: 'has';
  readonly field: FilterField;
  readonly item: string;
  readonly span: Span;
}

/** `*` stands for any run of characters, `?` for one; the whole text must match; case counts. */
export interface GlobNode {
  readonly kind: 'glob';
  readonly field: FilterField;
  readonly pattern: string;
  readonly span: Span;
}

export type CompareOp = '=' | '!=' | '<' | '<=' | '>' | '>=';

/** `name` is the tag name or the dotted path of the fact; null on plain columns and on a whole map. */
export type FilterField =
  | { readonly root: PlainRoot; readonly name: null }
  | { readonly root: 'tags' | 'facts'; readonly name: string | null };

export type PlainRoot = 'device' | 'state' | 'zone' | 'online' | 'lastSeen' | 'enrolledAt';

export type FilterValue =
  | { readonly type: 'text'; readonly text: string }
  | { readonly type: 'number'; readonly number: number }
  | { readonly type: 'boolean'; readonly boolean: boolean }
  | { readonly type: 'instant'; readonly atMs: number }
  /** `now-2h`: an offset from the moment of evaluation. */
  | { readonly type: 'relative'; readonly offsetMs: number };

export type FactValue = string | number | boolean;

/** What the language can see of a device. Maps, because tag and fact names come from outside. */
export interface TargetableDevice {
  readonly device: string;
  readonly state: EnrolmentState;
  readonly zone: string;
  readonly online: boolean;
  /** Null until the device was heard of for the first time. */
  readonly lastSeenMs: number | null;
  readonly enrolledAtMs: number;
  readonly tags: ReadonlyMap<string, string>;
  /** Keyed by dotted path, such as `cpu.arch`. */
  readonly facts: ReadonlyMap<string, FactValue>;
}

/** How values of each plain field compare. */
export const plainRoots: Readonly<Record<PlainRoot, 'text' | 'boolean' | 'instant'>> = {
  device: 'text',
  state: 'text',
  zone: 'text',
  online: 'boolean',
  lastSeen: 'instant',
  enrolledAt: 'instant',
};

export const fieldText = (field: FilterField): string =>
  field.name === null ? field.root : `${field.root}.${field.name}`;
