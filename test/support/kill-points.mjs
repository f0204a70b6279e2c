// Preloaded into the agent's process (`NODE_OPTIONS=--import`): names each step by which an update touches the world,
// and ends the process by SIGKILL right before or right after the one that the plan asks for. The program itself is
// the built one, unchanged; in every other process and in workers this file does nothing.
//
// Folder `SKEIN_KILL_FOLDER`: `plan` (one kill per line), `allowed` (how many of them may fire so far), `hits` (the
// kills that fired, in order) and `steps` (every step that was seen).
import { appendFileSync, existsSync, readFileSync } from 'node:fs';
import fs from 'node:fs/promises';
import { syncBuiltinESMExports } from 'node:module';
import { Socket } from 'node:net';
import { join } from 'node:path';
import { isMainThread } from 'node:worker_threads';

const folder = process.env.SKEIN_KILL_FOLDER ?? '';
const isAgent = isMainThread && (process.argv[1] ?? '').endsWith('agent-entry.js');

const linesOf = (name) => {
  const path = join(folder, name);
  return existsSync(path) ? readFileSync(path, 'utf8').split('\n').filter(Boolean) : [];
};
const isNext = (step) => linesOf('plan')[linesOf('hits').length] === step;

/** Waits until the test has seen that the model answers, then dies. */
async function die(step) {
  while (linesOf('allowed').length <= linesOf('hits').length) {
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  if (!isNext(step)) return;
  appendFileSync(join(folder, 'hits'), `${step}\n`);
  process.kill(process.pid, 'SIGKILL');
}

async function around(step, act) {
  appendFileSync(join(folder, 'steps'), `${step}\n`);
  if (isNext(`before ${step}`)) await die(`before ${step}`);
  const done = await act();
  if (isNext(`after ${step}`)) await die(`after ${step}`);
  return done;
}

const lastOf = (path) => path.split('/').at(-1);

/** What a file is for; digests differ from update to update. */
function nounOf(path) {
  if (path.includes('/blobs/')) return 'blob';
  return path.includes('/trust/') ? 'metadata' : lastOf(path);
}

function journalStep(path, bytes) {
  if (lastOf(path) === 'outbox.journal') return 'write outbox record';
  const [, kind] = /"kind":"([a-z-]+)"/.exec(Buffer.from(bytes).toString()) ?? [];
  return `write ${kind} record`;
}

function watchFiles() {
  const { rename, link, open } = fs;
  fs.rename = (from, to) => around(`rename ${nounOf(to)}`, () => rename(from, to));
  fs.link = (from, to) => around(`link ${lastOf(to)}`, () => link(from, to));
  fs.open = async (path, ...rest) => {
    const file = await open(path, ...rest);
    if (!String(path).endsWith('.journal')) return file;
    const write = file.write.bind(file);
    file.write = (bytes, ...more) => around(journalStep(path, bytes), () => write(bytes, ...more));
    return file;
  };
  syncBuiltinESMExports();
}

function watchReports() {
  const { write } = Socket.prototype;
  const step = 'send report';
  Socket.prototype.write = function (chunk, ...rest) {
    if (!Buffer.from(chunk).includes('/up/reported')) return write.call(this, chunk, ...rest);
    appendFileSync(join(folder, 'steps'), `${step}\n`);
    if (isNext(`before ${step}`)) {
      // Nothing of it leaves: the process does not live on.
      void die(`before ${step}`);
      return true;
    }
    const isDue = isNext(`after ${step}`);
    const written = write.call(this, chunk, ...rest);
    // The pieces of one packet leave together at the end of the turn.
    if (isDue) setTimeout(() => void die(`after ${step}`), 20);
    return written;
  };
}

if (isAgent && folder !== '') {
  watchFiles();
  watchReports();
}
