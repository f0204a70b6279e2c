/** Every bound of the system, with its unit and its reason. A bound elsewhere is a defect. */
export const limits = {
  /** MQTT frame: AWS IoT's payload cap is 128 KB, a window is at most 64 KB, the rest is envelope. */
  frameBytesMax: 96 * 1024,
  windowBytesMax: 64 * 1024,
  /** Header line of a frame; fixed fields only. */
  frameHeaderBytesMax: 1024,
} as const;
