import { LearningDevices, type LearningQuirks } from './learning-devices.ts';
import { LearningServer } from './learning-server.ts';

/** Both sides of what makes a smoke fleet one that learns. */
export interface LearningFleet {
  readonly devices: LearningDevices;
  readonly server: LearningServer;
}

export const learningFleet = (quirks: LearningQuirks = {}): LearningFleet => ({
  devices: new LearningDevices(quirks),
  server: new LearningServer(),
});
