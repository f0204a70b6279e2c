/** Bytes fetched in one month of the device's own clock (UTC). */
export interface ByteAccount {
  /** `2026-11`; compares as text. */
  readonly month: string;
  readonly bytes: number;
}

export const monthOf = (nowMs: number): string => new Date(nowMs).toISOString().slice(0, 7);

/** A later month starts at zero. An earlier one does not: setting the clock back must not refill the account. */
export const accountAt = (account: ByteAccount, nowMs: number): ByteAccount => {
  const month = monthOf(nowMs);
  return month > account.month ? { month, bytes: 0 } : account;
};

/** Undefined when the text is no account. */
export function parseByteAccount(text: string): ByteAccount | undefined {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return undefined;
  }
  if (typeof value !== 'object' || value === null) return undefined;
  const { month, bytes } = value as Record<string, unknown>;
  const isAccount =
    typeof month === 'string' &&
    /^\d{4}-\d{2}$/.test(month) &&
    typeof bytes === 'number' &&
    Number.isSafeInteger(bytes) &&
    bytes >= 0;
  return isAccount ? { month, bytes } : undefined;
}
