import { type Command, Option } from 'commander';
import { outputOption } from '../api/output-option.ts';
import { Printer } from '../api/printer.ts';
import { CommandEnded, exitCodes } from '../exit-code.ts';
import type { DoctorRequest } from './examine.ts';
import type { Finding } from './finding.ts';

interface DoctorFlags extends DoctorRequest {
  readonly output: 'table' | 'json';
}

/** `skein doctor`: one line per check, and what to do about what is not well. Warnings leave the exit code alone. */
export function registerDoctor(program: Command): void {
  const doctor = program
    .command('doctor')
    .description('check this machine, a server, and a state folder, and say what to do')
    .addOption(new Option('--server <url>', 'a fleet server').env('SKEIN_SERVER'))
    .addOption(new Option('--token-file <file>', 'file with an API token').env('SKEIN_TOKEN_FILE'))
    .option('--insecure-plaintext', 'send the token over plain HTTP beyond this machine')
    .option('--broker <url>', 'its broker; mqtt or mqtts on its own host when absent')
    .option('--repository <where>', 'signed metadata: a URL or a folder; the server when absent')
    .addOption(new Option('--state <folder>', 'the folder of a device').env('SKEIN_AGENT_STATE'))
    .option('--data <folder>', 'the data folder of a server')
    .addOption(outputOption());
  doctor.action(async (flags: DoctorFlags) => {
    const { examine } = await import('./examine.ts');
    const print = new Printer(doctor, flags.output);
    const findings: Finding[] = [];
    for await (const finding of examine(flags)) {
      findings.push(finding);
      if (!print.isJson) print.line(finding, shown);
    }
    const isWell = findings.every(({ verdict }) => verdict !== 'failed');
    if (print.isJson) print.json({ isWell, findings });
    else print.say(summary(findings));
    if (!isWell) throw new CommandEnded(exitCodes.failed);
  });
}

/** One line, so that `grep failed` finds whole findings. */
function shown({ check, verdict, message, code, hint }: Finding): string {
  const line = `${verdict.padEnd(8)} ${check.padEnd(16)} ${message}`;
  return code === undefined ? line : `${line}. ${hint} (${code})`;
}

function summary(findings: readonly Finding[]): string {
  const count = (verdict: Finding['verdict']): number =>
    findings.filter((finding) => finding.verdict === verdict).length;
  return `${count('well')} well, ${count('warning')} to look at, ${count('failed')} failed, ${count('skipped')} not asked for`;
}
