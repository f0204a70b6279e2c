/** What may happen to a message between a device and the broker, as data. Rates are probabilities per message. */
export interface LinkFaults {
  /** Uniform between the two, each way. */
  readonly delayMs: readonly [number, number];
  /** Device to broker: it never arrives and the connection breaks. Broker to device: it vanishes. */
  readonly lostRate: number;
  /** Device to broker: acknowledged, then never handed to the server. */
  readonly ackedThenLostRate: number;
  /** Device to broker: handed to the server, and the connection breaks before the acknowledgement. */
  readonly ackLostRate: number;
  /** Arrives twice. */
  readonly duplicateRate: number;
  /** Arrives up to `reorderMs` late, behind what was sent after it. */
  readonly reorderRate: number;
  readonly reorderMs: number;
}

export const perfectLink: LinkFaults = {
  delayMs: [0, 0],
  lostRate: 0,
  ackedThenLostRate: 0,
  ackLostRate: 0,
  duplicateRate: 0,
  reorderRate: 0,
  reorderMs: 0,
};

export type Way = 'up' | 'down';
