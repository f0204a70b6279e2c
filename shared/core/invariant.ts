/** A bug in Skein itself. It is never caught to continue: the process ends and the supervisor restarts it. */
export class InvariantViolation extends Error {
  readonly code = 'invariant-violated';

  constructor(message: string) {
    super(message);
    this.name = 'InvariantViolation';
  }
}

/** Stays on in production: a broken assumption must stop the process before it reaches disk or wire. */
export function invariant(condition: unknown, message: string): asserts condition {
  if (!condition) throw new InvariantViolation(message);
}

/** The default branch of an exhaustive switch over a value that came through an edge. */
export function unreachable(value: never): never {
  throw new InvariantViolation(`unreachable: ${JSON.stringify(value)}`);
}
