import type { Migration } from './migrate-database.ts';

/** Frames are numbered within a login, whose key lives in memory: no mark of an earlier process means anything. */
export const dropReplayMarksMigration: Migration = {
  name: '0004-drop-replay-marks',
  statements: ['drop table replayMarks'],
};
