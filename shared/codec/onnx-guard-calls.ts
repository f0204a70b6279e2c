import { err, ok, type Result } from '../core/result.ts';
import type { OnnxRefusal } from './onnx-guard-fields.ts';

/**
 * Who calls which model-local function. The runtime inlines calls, so a cycle would never end and a chain of
 * doublings would fill memory; both show here without inlining anything.
 */
export interface CallGraph {
  /** False when the function was declared before. */
  declare(key: string): boolean;
  countNode(caller: string): void;
  /** Records a call and answers whether `callee` is a declared function. */
  call(caller: string, callee: string): boolean;
  /** Nodes of the model after inlining every call; refused when cyclic or above `nodesMax`. */
  expandedNodes(nodesMax: number): Result<number, OnnxRefusal>;
}

interface Body {
  nodes: number;
  readonly calls: Map<string, number>;
}

export function createCallGraph(): CallGraph {
  const bodies = new Map<string, Body>([['', { nodes: 0, calls: new Map() }]]);
  const bodyOf = (key: string): Body => {
    const body = bodies.get(key) ?? { nodes: 0, calls: new Map<string, number>() };
    bodies.set(key, body);
    return body;
  };
  return {
    declare: (key) => {
      if (bodies.has(key)) return false;
      bodyOf(key);
      return true;
    },
    countNode: (caller) => {
      bodyOf(caller).nodes += 1;
    },
    call: (caller, callee) => {
      if (callee === '' || !bodies.has(callee)) return false;
      const calls = bodyOf(caller).calls;
      calls.set(callee, (calls.get(callee) ?? 0) + 1);
      return true;
    },
    expandedNodes: (nodesMax) => expand(bodies, nodesMax),
  };
}

/** Post-order over an explicit stack: a chain of functions can be longer than the call stack. */
function expand(bodies: ReadonlyMap<string, Body>, nodesMax: number): Result<number, OnnxRefusal> {
  const sizes = new Map<string, number>();
  const open = new Set<string>();
  for (const root of bodies.keys()) {
    const stack = [root];
    while (stack.length > 0) {
      const key = stack[stack.length - 1] ?? '';
      const body = bodies.get(key);
      if (body === undefined || sizes.has(key)) {
        stack.pop();
        continue;
      }
      const waiting = [...body.calls.keys()].filter((callee) => !sizes.has(callee));
      if (waiting.length === 0) {
        let size = body.nodes;
        for (const [callee, times] of body.calls) size += times * (sizes.get(callee) ?? 0);
        if (size > nodesMax) {
          return err({
            code: 'onnx-too-large',
            message: `more than ${nodesMax} nodes once inlined`,
          });
        }
        sizes.set(key, size);
        open.delete(key);
        stack.pop();
        continue;
      }
      open.add(key);
      for (const callee of waiting) {
        if (open.has(callee)) {
          return err({ code: 'onnx-function-invalid', message: `function ${callee} calls itself` });
        }
      }
      for (const callee of waiting) stack.push(callee);
    }
  }
  return ok(sizes.get('') ?? 0);
}
