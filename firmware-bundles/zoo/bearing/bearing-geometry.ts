/** A rolling-element bearing; lengths in one unit of any kind. */
export interface BearingGeometry {
  readonly balls: number;
  readonly ballDiameter: number;
  readonly pitchDiameter: number;
  readonly contactAngleRad: number;
}

/** Deep-groove ball bearing 6205: nine balls of 7.94 mm on a pitch circle of 39.04 mm. */
export const bearing6205: BearingGeometry = {
  balls: 9,
  ballDiameter: 7.94,
  pitchDiameter: 39.04,
  contactAngleRad: 0,
};

/** Fault frequencies as multiples of the shaft speed. */
export interface FaultOrders {
  /** Ball pass frequency, outer race (BPFO). */
  readonly outer: number;
  /** Ball pass frequency, inner race (BPFI). */
  readonly inner: number;
  /** Ball spin frequency (BSF); a damaged ball strikes twice a turn. */
  readonly ball: number;
  /** Fundamental train frequency of the cage (FTF). */
  readonly cage: number;
}

/**
 * Kinematics of pure rolling with the outer race at rest (Randall and Antoni, 2011, Mechanical Systems and Signal
 * Processing 25, equations 1-4).
 */
export function faultOrders(geometry: BearingGeometry): FaultOrders {
  const { balls, ballDiameter, pitchDiameter, contactAngleRad } = geometry;
  const ratio = (ballDiameter / pitchDiameter) * Math.cos(contactAngleRad);
  return {
    outer: (balls / 2) * (1 - ratio),
    inner: (balls / 2) * (1 + ratio),
    ball: (pitchDiameter / (2 * ballDiameter)) * (1 - ratio * ratio),
    cage: (1 - ratio) / 2,
  };
}
