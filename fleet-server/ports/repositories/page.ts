/** One page of a list: everything after a key, so that rows inserted meanwhile move nothing. */
export interface Page<Key> {
  /** The last key of the page before; absent for the first page. */
  readonly after?: Key;
  /** At most `limits.storePageMax`. */
  readonly limit: number;
}
