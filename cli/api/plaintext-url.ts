/** Whether what is sent there leaves this machine in the clear; false for what is no URL. */
export function isPlaintextAway(url: string): boolean {
  if (!URL.canParse(url)) return false;
  const { protocol, hostname } = new URL(url);
  const isHere = /^(localhost|127(\.[0-9]+){3}|\[::1\])$/.test(hostname);
  return (protocol === 'http:' || protocol === 'mqtt:') && !isHere;
}
