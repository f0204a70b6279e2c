import type { ErrorCode } from '../../../shared/contracts/error-codes.ts';

/** A place that bad input comes to, and all that it could change there. */
export interface Scene {
  /** A hash of everything that lasts; what it leaves out stands where it is made. */
  state(): Promise<string>;
  close(): Promise<void>;
}

/** Sends the bad thing and tells the code that came back, `ok` when it was taken. */
export type Attack = () => Promise<string> | string;

/** What happens before the returned attack is allowed to change the scene: it is what honest people did. */
export interface BadCase<S extends Scene> {
  readonly code: ErrorCode;
  /** Read after "when". */
  readonly title: string;
  readonly prepare: (scene: S) => Promise<Attack> | Attack;
}

export interface Door<S extends Scene = Scene> {
  readonly name: string;
  readonly open: () => Promise<S>;
  readonly cases: readonly BadCase<S>[];
}

/** Runs one case: the code that was seen, and the state before and after. */
export interface Outcome {
  readonly code: string;
  readonly before: string;
  readonly after: string;
}

/** A door whose scene nobody outside its file has to know. */
export interface OpenDoor {
  readonly name: string;
  readonly cases: readonly {
    readonly code: ErrorCode;
    readonly title: string;
    readonly run: () => Promise<Outcome>;
  }[];
  readonly close: () => Promise<void>;
}

/** All cases of a door share one scene: what a case must not change, the next one cannot miss. */
export function atDoor<S extends Scene>({ name, open, cases }: Door<S>): OpenDoor {
  let opened: Promise<S> | undefined;
  return {
    name,
    cases: cases.map(({ code, title, prepare }) => ({
      code,
      title,
      run: async () => {
        opened ??= open();
        const scene = await opened;
        const attack = await prepare(scene);
        const before = await scene.state();
        const seen = await attack();
        return { code: seen, before, after: await scene.state() };
      },
    })),
    close: async () => (await opened)?.close(),
  };
}

/** The code of an expected outcome. */
export const codeOfResult = (
  result:
    | { readonly ok: true }
    | { readonly ok: false; readonly error: { readonly code: string } | string },
): string => {
  if (result.ok) return 'ok';
  return typeof result.error === 'string' ? result.error : result.error.code;
};
