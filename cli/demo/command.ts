import type { Command } from 'commander';
import { CommandEnded, exitCodes } from '../exit-code.ts';
import { complaintsOf, type DemoResult, jsonOf } from './demo-result.ts';
import type { LiveView } from './live-view.ts';
import { createPlainView } from './plain-view.ts';
import { runDemo } from './run-demo.ts';
import { TerminalView } from './terminal-view.ts';

const devicesMax = 200;

/** `skein demo`: the whole journey on this machine, with nothing left behind. */
export function registerDemo(program: Command): void {
  program
    .command('demo')
    .description('sign, roll out, watch and take back, with real devices on this machine')
    .option('--ci', 'no terminal: plain lines, and one JSON object as the last one')
    .option('--devices <n>', `how many devices, 40 to ${devicesMax}`, String(devicesMax))
    .action(async (flags: { readonly ci?: boolean; readonly devices: string }) => {
      const devices = Number(flags.devices);
      if (!Number.isSafeInteger(devices) || devices < 40 || devices > devicesMax) {
        console.error(`error: --devices takes 40 to ${devicesMax}; a 1 % wave needs a fleet`);
        throw new CommandEnded(exitCodes.usage);
      }
      await play(devices, flags.ci === true);
    });
}

async function play(devices: number, isCi: boolean): Promise<void> {
  const stop = new AbortController();
  const interrupted = (): void => stop.abort();
  // The program's own handler would leave folders and processes behind.
  process.removeAllListeners('SIGINT');
  process.on('SIGINT', interrupted);
  process.on('SIGTERM', interrupted);
  const view = openView(devices, isCi);
  let result: DemoResult | undefined;
  try {
    result = await runDemo({ devices, view, signal: stop.signal });
  } catch (error) {
    if (!stop.signal.aborted) throw error;
  } finally {
    view.close();
    process.removeListener('SIGINT', interrupted);
    process.removeListener('SIGTERM', interrupted);
  }
  // Sessions that were cut short may hold the process; nothing is left to be written.
  if (stop.signal.aborted || result === undefined) process.exit(exitCodes.interrupted);
  const complaints = complaintsOf(result);
  for (const complaint of complaints) console.error(`not as promised: ${complaint}`);
  if (!isCi) console.log(commandsText);
  console.log(JSON.stringify(jsonOf(result)));
  if (complaints.length > 0) throw new CommandEnded(exitCodes.failed);
}

function openView(devices: number, isCi: boolean): LiveView {
  const write = (text: string): void => {
    process.stdout.write(text);
  };
  if (isCi || !process.stdout.isTTY) return createPlainView(write);
  return new TerminalView({ write, columns: () => process.stdout.columns, devices });
}

/** What a person would have typed for the same journey. */
const commandsText = `
The same by hand:
  skein keys create --role targets --holder 1
  skein bundle build filetype.yaml --out filetype-2.0.0
  skein bundle sign filetype-2.0.0 --repository http://127.0.0.1:8080 \\
    --key .skein/keys/targets-1.key.json --yes
  skein bundle publish filetype-2.0.0 --server http://127.0.0.1:8080 --token-file TOKEN
  skein rollout create --bundle filetype@2.0.0 --waves 1%,10%,50%,100% --soak 3s --submit
  skein rollout wait ROLLOUT
  skein rollout explain ROLLOUT
  skein device explain edge-001
  skein audit verify
`;
