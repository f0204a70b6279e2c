/**
 * Accuracy of `filetype` as measured: table of counts, v1 and v2 on held-out and live packages and on a far folder,
 * and the time each step took. Arguments: [--far DIR].
 */
import { readFarFolder } from '../firmware-bundles/zoo/filetype/catalogue.ts';
import { countsTable, readFiletypeDataSet } from '../firmware-bundles/zoo/filetype/data-set.ts';
import {
  buildFiletypeRelease,
  evaluateFiletype,
} from '../firmware-bundles/zoo/filetype/release.ts';

const farFlag = process.argv.indexOf('--far');
const farFolder = farFlag < 0 ? '/usr/share' : (process.argv[farFlag + 1] ?? '/usr/share');

async function timed<T>(what: string, work: () => T | Promise<T>): Promise<T> {
  const startedMs = performance.now();
  const value = await work();
  console.log(`${what}: ${Math.round(performance.now() - startedMs)} ms`);
  return value;
}

const read = await timed('read and split', () =>
  readFiletypeDataSet('node_modules', { liveFilesMin: 4000 }),
);
if (!read.ok) throw new Error(read.error.message);
const data = read.value;
console.table(countsTable(data).map(({ parts, ...row }) => ({ ...row, ...parts })));
const v1 = await timed('make v1', () => buildFiletypeRelease(data.learnedByV1, data.labels));
const v2 = await timed('make v2', () => buildFiletypeRelease(data.learnedByV2, data.labels));

const far = readFarFolder(farFolder, { labels: data.labels, filesMax: 5000 });
if (far === undefined) console.log(`far test left out: ${farFolder} is absent`);
const sets = {
  'held-out': [...data.held.gate, ...data.held.state],
  'held-out, stated half': data.held.state,
  live: data.live,
  ...(far === undefined ? {} : { [`far (${farFolder})`]: far }),
};
for (const [name, files] of Object.entries(sets)) {
  for (const [version, release] of Object.entries({ v1, v2 })) {
    const accuracy = await evaluateFiletype(release.model, files, data.labels);
    const [estimate, low, high] = [accuracy.estimate, accuracy.low, accuracy.high].map((share) =>
      share.toFixed(4),
    );
    const more = `n=${accuracy.n} log loss ${accuracy.logLoss.toFixed(4)}`;
    console.log(`${name} ${version}: ${estimate} [${low}, ${high}] ${more}`);
  }
}
