import { parentPort, workerData } from 'node:worker_threads';
import { benchDevice, openFleetBench } from './fleet-bench.ts';

/** The thread of the server that `p1-windows` measures: it shares the machine with the generator, not the loop. */
const { devices } = workerData as { readonly devices: number };
const bench = await openFleetBench(devices);
const passwords: string[] = [];
for (let at = 0; at < devices; at += 1) passwords.push(await bench.login(benchDevice(at)));
parentPort?.postMessage({ port: bench.port, passwords });
parentPort?.once('message', () => {
  const windows = bench.count('windows');
  void bench.close().then(() => parentPort?.postMessage({ windows }));
});
