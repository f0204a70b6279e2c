/** CRC-32C (Castagnoli, 1993; the polynomial of iSCSI, RFC 3720 appendix B.4), reflected form. */
const table = buildTable();

function buildTable(): Uint32Array {
  const entries = new Uint32Array(256);
  for (let byte = 0; byte < 256; byte += 1) {
    let rest = byte;
    for (let bit = 0; bit < 8; bit += 1) rest = rest & 1 ? (rest >>> 1) ^ 0x82f63b78 : rest >>> 1;
    entries[byte] = rest;
  }
  return entries;
}

/** Checksum of `bytes` as an unsigned 32-bit integer. Detects accidents, not attackers. */
export function crc32c(bytes: Uint8Array): number {
  let sum = 0xffffffff;
  for (let i = 0; i < bytes.length; i += 1) {
    sum = (sum >>> 8) ^ (table[(sum ^ (bytes[i] ?? 0)) & 255] ?? 0);
  }
  return (sum ^ 0xffffffff) >>> 0;
}
