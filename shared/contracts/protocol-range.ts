/** Versions of the messages between agent and server that one side speaks, both ends included. */
export interface ProtocolRange {
  readonly min: number;
  readonly max: number;
}

/** What this build speaks: the agent reports it, and the server answers within it. */
export const spokenProtocol: ProtocolRange = { min: 1, max: 1 };

/** The version that both speak with each other; null when there is none. */
export function highestCommonProtocol(a: ProtocolRange, b: ProtocolRange): number | null {
  const highest = Math.min(a.max, b.max);
  return highest >= Math.max(a.min, b.min) ? highest : null;
}
