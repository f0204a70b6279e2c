import type {
  InferenceResult,
  InferenceSession,
  Tensor,
} from '../../../shared/ports/inference-runtime.ts';

type Inputs = ReadonlyMap<string, Tensor>;

interface Call {
  readonly inputs: Inputs;
  readonly resolve: (result: InferenceResult) => void;
  readonly reject: (error: unknown) => void;
}

/** Rows of one run: it shall not take longer than a caller is willing to wait. */
const rowsMax = 64;

/** A session whose calls of one turn of the loop run as one batch, where each is a single row of the same form. */
export function batched(session: InferenceSession): InferenceSession {
  let waiting: Call[] = [];
  const flush = (): void => {
    const calls = waiting;
    waiting = [];
    for (let from = 0; from < calls.length; from += rowsMax) {
      void runTogether(session, calls.slice(from, from + rowsMax));
    }
  };
  return {
    inputs: session.inputs,
    outputs: session.outputs,
    run: (inputs) => {
      if (!isOneRow(inputs)) return session.run(inputs);
      return new Promise((resolve, reject) => {
        if (waiting.length === 0) setImmediate(flush);
        waiting.push({ inputs, resolve, reject });
      });
    },
    residentBytes: () => session.residentBytes(),
    close: () => session.close(),
  };
}

/** What one call gets of a batch is its row, and the time of the whole run: that is how long the model took for it. */
async function runTogether(session: InferenceSession, calls: readonly Call[]): Promise<void> {
  const [first] = calls;
  if (first === undefined) return;
  const isAlike = calls.every(({ inputs }) => formOf(inputs) === formOf(first.inputs));
  if (calls.length === 1 || !isAlike) {
    await Promise.all(
      calls.map((call) => session.run(call.inputs).then(call.resolve, call.reject)),
    );
    return;
  }
  try {
    const { outputs, runMs } = await session.run(joined(calls.map(({ inputs }) => inputs)));
    for (const [row, call] of calls.entries()) {
      const own = new Map([...outputs].map(([name, tensor]) => [name, rowOf(tensor, row)]));
      call.resolve({ outputs: own, runMs });
    }
  } catch (error) {
    for (const { reject } of calls) reject(error);
  }
}

const isOneRow = (inputs: Inputs): boolean =>
  inputs.size > 0 && [...inputs.values()].every(({ shape }) => shape[0] === 1);

const formOf = (inputs: Inputs): string =>
  [...inputs].map(([name, { type, shape }]) => `${name} ${type} ${shape.join()}`).join();

function joined(rows: readonly Inputs[]): Inputs {
  const [first] = rows;
  return new Map(
    [...(first ?? [])].map(([name, { type, shape, bytes }]) => {
      const all = new Uint8Array(bytes.length * rows.length);
      for (const [row, inputs] of rows.entries()) {
        all.set(inputs.get(name)?.bytes ?? bytes, row * bytes.length);
      }
      return [name, { type, shape: [rows.length, ...shape.slice(1)], bytes: all }];
    }),
  );
}

function rowOf({ type, shape, bytes }: Tensor, row: number): Tensor {
  const rowBytes = bytes.length / (shape[0] ?? 1);
  const from = row * rowBytes;
  return { type, shape: [1, ...shape.slice(1)], bytes: bytes.slice(from, from + rowBytes) };
}
