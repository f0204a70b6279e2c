import type { OnnxSession } from './onnx-session.ts';

export interface EvaluatedGraph {
  readonly graph: Uint8Array;
  /** External data by location. */
  readonly tensors: ReadonlyMap<string, Uint8Array>;
}

/** What graphs are measured on: an argument, because the simulator's bench is arithmetic under a virtual clock. */
export interface Bench {
  openSession(model: EvaluatedGraph): Promise<OnnxSession>;
  monotonicMs(): number;
  /** For the evidence: latencies are this machine's. */
  readonly machineClass: string;
}
