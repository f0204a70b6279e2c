import { join } from 'node:path';
import { NodeDisk } from '../../shared/adapters/disk/node-disk.ts';

/** Files of one device below its state folder that are no part of its disk. */
export const statePaths = (folder: string) => ({
  key: join(folder, 'keys', 'device.key'),
  supervisor: join(folder, 'supervisor'),
});

/** The device's disk; a failed fsync ends the process, because the page cache can no longer be believed. */
export const openStateDisk = (folder: string): NodeDisk =>
  new NodeDisk({ root: folder, onFsyncFailure: () => process.abort() });
