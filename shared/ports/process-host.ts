/** Starts and ends child processes. The supervisor lives on this port alone, so it runs in the simulator too. */
export interface ProcessHost {
  /** Throws an OperatingError `spawn-failed`. */
  spawn(options: SpawnProcess, listener: ProcessListener): Promise<ChildProcess>;
  /** SIGKILL to a process the child started; nothing when it has ended or the pid belongs to another process now. */
  kill(process: ProcessIdentity): void;
  /** Its resident memory in bytes; `undefined` when it has ended or the pid belongs to another process now. */
  residentBytesOf(process: ProcessIdentity): Promise<number | undefined>;
}

/** A pid is given away again; with the moment of its birth (the kernel's clock ticks) it names one process for ever. */
export interface ProcessIdentity {
  readonly pid: number;
  readonly birth: string;
}

export interface SpawnProcess {
  /** A program known to the adapter, never a path from a message. */
  readonly program: string;
  readonly arguments: readonly string[];
}

export interface ProcessListener {
  message(message: unknown): void;
  /** Called exactly once. `signal` is the one that ended it, as far as known. */
  exited(exit: { readonly code: number | null; readonly signal: string | null }): void;
}

export interface ChildProcess {
  readonly pid: number;
  send(message: unknown): void;
  /** SIGTERM asks; SIGKILL is the only thing that ends a hung native call. */
  kill(signal: 'SIGTERM' | 'SIGKILL'): void;
  /** Resident memory in bytes, or `undefined` once it has ended. */
  residentBytes(): Promise<number | undefined>;
}
