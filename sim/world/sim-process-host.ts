import { OperatingError } from '../../shared/core/operating-error.ts';
import type {
  ChildProcess,
  ProcessHost,
  ProcessIdentity,
  ProcessListener,
  SpawnProcess,
} from '../../shared/ports/process-host.ts';
import type { WorldTime } from './sim-clock.ts';

/** What a virtual program sees of its own process. */
export interface SimProcess {
  readonly pid: number;
  readonly birth: string;
  readonly arguments: readonly string[];
  /** To the parent, as JSON, like `process.send`. */
  send(message: unknown): void;
  onMessage(hear: (message: unknown) => void): void;
  /** Without a listener SIGTERM ends the process, as it does everywhere. */
  onTerminate(hear: () => void): void;
  /** Ends the process at once; what its main function still does has no effect through this object. */
  exit(code: number): void;
  /** Resident memory as the world sees it. */
  residentBytes: number;
  /** Aborts when the process has ended: pass it to whatever the program sleeps or waits on. */
  readonly ended: AbortSignal;
}

/** Its result is the exit code; a throw is code 1. */
export type SimProgram = (self: SimProcess) => Promise<number>;

/** What is wrong with the machine that hosts the processes, as data. */
export interface ProcessFaults {
  refusesSpawn: boolean;
  /** Processes stuck in a native call: they neither speak nor hear, SIGTERM included. Only SIGKILL ends them. */
  readonly hungPids: Set<number>;
}

const bootBytes = 50 * 1024 * 1024;
const firstPid = 1000;

/** ProcessHost over async functions. Messages and exits are events of the world, in the order they were sent. */
export class SimProcessHost implements ProcessHost {
  readonly faults: ProcessFaults = { refusesSpawn: false, hungPids: new Set() };
  readonly #programs: ReadonlyMap<string, SimProgram>;
  readonly #time: WorldTime;
  readonly #living = new Map<number, VirtualProcess>();
  #nextPid = firstPid;

  constructor(programs: ReadonlyMap<string, SimProgram>, time: WorldTime) {
    this.#programs = programs;
    this.#time = time;
  }

  async spawn(options: SpawnProcess, listener: ProcessListener): Promise<ChildProcess> {
    const program = this.#programs.get(options.program);
    if (program === undefined || this.faults.refusesSpawn) {
      throw new OperatingError('spawn-failed', `${options.program} could not be started`);
    }
    const pid = this.#nextPid;
    this.#nextPid += 1;
    const child = new VirtualProcess(pid, {
      arguments: options.arguments,
      listener,
      time: this.#time,
      hungPids: this.faults.hungPids,
    });
    this.#living.set(pid, child);
    child.ended.addEventListener('abort', () => this.#living.delete(pid));
    child.start(program);
    return {
      pid,
      send: (message) => child.hear(message),
      kill: (signal) => child.kill(signal),
      residentBytes: async () => (child.ended.aborted ? undefined : child.residentBytes),
    };
  }

  kill(process: ProcessIdentity): void {
    this.#find(process)?.kill('SIGKILL');
  }

  async residentBytesOf(process: ProcessIdentity): Promise<number | undefined> {
    return this.#find(process)?.residentBytes;
  }

  #find({ pid, birth }: ProcessIdentity): VirtualProcess | undefined {
    const child = this.#living.get(pid);
    return child?.birth === birth ? child : undefined;
  }

  /** Power cut: every process of this machine is gone and nobody is told. */
  powerCut(): void {
    for (const child of this.#living.values()) child.vanish();
  }
}

interface VirtualProcessOptions {
  readonly arguments: readonly string[];
  readonly listener: ProcessListener;
  readonly time: WorldTime;
  readonly hungPids: ReadonlySet<number>;
}

/** INVARIANTS: `exited` is told at most once and after the last message; an ended process is neither heard nor told. */
class VirtualProcess implements SimProcess {
  readonly pid: number;
  readonly birth: string;
  readonly arguments: readonly string[];
  residentBytes = bootBytes;
  readonly #options: VirtualProcessOptions;
  readonly #end = new AbortController();
  readonly #heard: ((message: unknown) => void)[] = [];
  readonly #terminated: (() => void)[] = [];

  constructor(pid: number, options: VirtualProcessOptions) {
    this.pid = pid;
    this.#options = options;
    this.arguments = options.arguments;
    this.birth = `${options.time.nowMs}-${pid}`;
  }

  get ended(): AbortSignal {
    return this.#end.signal;
  }

  get #isDeaf(): boolean {
    return this.ended.aborted || this.#options.hungPids.has(this.pid);
  }

  /** The program begins in an event of its own, as a real child does: never inside the parent's call. */
  start(program: SimProgram): void {
    this.#later(() => {
      if (this.ended.aborted) return;
      program(this).then(
        (code) => this.exit(code),
        () => this.exit(1),
      );
    });
  }

  send(message: unknown): void {
    if (this.#isDeaf) return;
    const copied = copyOf(message);
    this.#later(() => this.#options.listener.message(copied));
  }

  onMessage(hear: (message: unknown) => void): void {
    this.#heard.push(hear);
  }

  onTerminate(hear: () => void): void {
    this.#terminated.push(hear);
  }

  hear(message: unknown): void {
    const copied = copyOf(message);
    this.#later(() => {
      if (!this.#isDeaf) for (const hear of this.#heard) hear(copied);
    });
  }

  exit(code: number): void {
    if (!this.#isDeaf) this.#over(code, null);
  }

  kill(signal: 'SIGTERM' | 'SIGKILL'): void {
    this.#later(() => {
      if (this.ended.aborted) return;
      if (signal === 'SIGKILL') this.#over(null, signal);
      else if (this.#isDeaf) return;
      else if (this.#terminated.length === 0) this.#over(null, signal);
      else for (const hear of this.#terminated) hear();
    });
  }

  vanish(): void {
    this.#end.abort();
  }

  #over(code: number | null, signal: string | null): void {
    this.#end.abort();
    this.#later(() => this.#options.listener.exited({ code, signal }));
  }

  #later(run: () => void): void {
    this.#options.time.schedule(0, `process ${this.pid}`, run);
  }
}

/** The line between real processes carries JSON, so nothing else may pass here either. */
const copyOf = (message: unknown): unknown => JSON.parse(JSON.stringify(message)) as unknown;
