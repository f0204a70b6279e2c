/** Whether version `a` comes before `b`; both are three numbers, as `versionPattern` demands. */
export function isOlderVersion(a: string, b: string): boolean {
  const others = b.split('.').map(Number);
  for (const [place, number] of a.split('.').map(Number).entries()) {
    const other = others[place];
    if (other !== undefined && number !== other) return number < other;
  }
  return false;
}
