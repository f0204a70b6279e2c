import { Readable } from 'node:stream';
import type { Store } from 'mqtt';

/**
 * Keeps nothing. A client serves one connection, and what must survive it lies in the outbox; the
 * library's own store replays old
 * messages in front of new ones and loses some while it does.
 */
export function createNullStore(): Store {
  const store = {
    put(_packet: unknown, done: () => void) {
      done();
      return store;
    },
    del(_packet: unknown, done: () => void) {
      done();
      return store;
    },
    get(_packet: unknown, done: (error: Error) => void) {
      done(new Error('nothing is stored'));
      return store;
    },
    createStream: () => Readable.from([]),
    close: (done: () => void) => done(),
  };
  return store as unknown as Store;
}
