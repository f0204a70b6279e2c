import { limits } from '../../shared/contracts/limits.ts';
import { textOf, utf8 } from '../../shared/core/bytes.ts';
import { canonicalJson, type Json } from '../../shared/core/canonical-json.ts';
import { sha256Hex } from '../../shared/trust/hash.ts';
import { HttpProblem } from './problem-answer.ts';

export interface PageQuery {
  readonly limit?: string | undefined;
  readonly cursor?: string | undefined;
}

/**
 * Keyset cursors. A cursor is the last key of its page, bound by a hash to the list it came from (route, fleet,
 * filter),
 * so that one of another list is refused instead of answering nonsense.
 */
export class Cursors<Key extends Json> {
  readonly #binding: string;
  readonly #isKey: (value: unknown) => value is Key;

  constructor(list: Json, isKey: (value: unknown) => value is Key) {
    this.#binding = sha256Hex(utf8(canonicalJson(list))).slice(0, 16);
    this.#isKey = isKey;
  }

  page(query: PageQuery): { readonly limit: number; readonly after?: Key } {
    const limit = query.limit === undefined ? limits.pageRows : Number(query.limit);
    if (limit > limits.pageRowsMax) {
      throw new HttpProblem('schema-mismatch', {
        detail: `limit is at most ${limits.pageRowsMax}`,
        errors: [{ pointer: '/limit', message: `at most ${limits.pageRowsMax}` }],
      });
    }
    return query.cursor === undefined ? { limit } : { limit, after: this.#open(query.cursor) };
  }

  /** Reads one row more than asked for to know whether a next page exists. */
  async answer<Row, Item>(
    query: PageQuery,
    list: {
      readonly read: (page: {
        readonly limit: number;
        readonly after?: Key;
      }) => Promise<readonly Row[]>;
      readonly keyOf: (row: Row) => Key;
      readonly show: (row: Row) => Item;
    },
  ): Promise<{ readonly items: readonly Item[]; readonly nextCursor?: string }> {
    const page = this.page(query);
    const rows = await list.read({ ...page, limit: page.limit + 1 });
    const items = rows.slice(0, page.limit);
    const last = items.at(-1);
    const hasMore = rows.length > page.limit && last !== undefined;
    return {
      items: items.map(list.show),
      ...(hasMore ? { nextCursor: this.#seal(list.keyOf(last)) } : {}),
    };
  }

  #seal(key: Key): string {
    return Buffer.from(canonicalJson([this.#binding, key])).toString('base64url');
  }

  #open(cursor: string): Key {
    const text = textOf(Buffer.from(cursor, 'base64url')) ?? '';
    const [binding, key, ...rest] = listOf(text);
    if (binding !== this.#binding || rest.length > 0 || !this.#isKey(key)) {
      throw new HttpProblem('cursor-invalid');
    }
    return key;
  }
}

function listOf(text: string): readonly unknown[] {
  try {
    const value: unknown = JSON.parse(text);
    return Array.isArray(value) ? (value as unknown[]) : [];
  } catch {
    return [];
  }
}
