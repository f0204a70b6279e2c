/**
 * Characters that steer a terminal or turn a line around: C0 without tab and line feed, DEL, C1, the line separators,
 * and the bidirectional controls (Boucher and Anderson, 2021).
 */
const steering =
  /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/g;

/** Text from a device or a person as text only: whoever prints it is not steered by it. */
export const printable = (text: string): string => text.replace(steering, '�');
