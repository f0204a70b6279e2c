import { decideSteps, type Step } from '../../agent/core/update/decide-steps.ts';
import type { Slot, Target } from '../../agent/core/update/slot.ts';
import { stepUpdate } from '../../agent/core/update/step-update.ts';
import type { UpdateEvent } from '../../agent/core/update/update-event.ts';
import { initialUpdateState, type UpdateState } from '../../agent/core/update/update-state.ts';
import type { AppName, Digest, TargetPath } from '../../shared/core/ids.ts';

export const app = 'filetype' as AppName;
export const digestOf = (letter: string): Digest => `sha256:${letter.repeat(64)}` as Digest;
const probation = { inferences: 10, durationMs: 1000 };

export const target = (letter: string, generation: number, retry = 0): Target => ({
  app,
  path: `bundles/filetype@1.0.${letter.charCodeAt(0)}` as TargetPath,
  digest: digestOf(letter),
  retry,
  rollout: undefined,
  directorVersion: 1,
  generation,
});

/** A device in miniature: performs every step at once, with verdicts by digest. */
export class MiniatureDevice {
  state: UpdateState = initialUpdateState;
  nowMs = 0;
  trustedNowMs: number | undefined = 1;
  stale: ReadonlySet<Digest> = new Set();
  /** Bundles that have a default answer. */
  defaults: ReadonlySet<Digest> = new Set();
  readonly journal: UpdateEvent[] = [];
  readonly activations = new Map<string, number>();
  readonly fails = new Map<Digest, 'self-test' | 'crash'>();

  want(wanted: Target, revoked: readonly Digest[] = []): void {
    this.record({
      kind: 'desired-accepted',
      seen: { directorVersion: wanted.directorVersion, generation: wanted.generation },
      expiresAtMs: 1_000_000,
      targets: [wanted],
      revoked,
    });
  }

  record(event: UpdateEvent): void {
    this.journal.push(event);
    this.feed(event);
  }

  feed(event: UpdateEvent): void {
    this.state = stepUpdate(this.state, event, { monotonicMs: this.nowMs });
  }

  reboot(): void {
    this.state = this.journal.reduce(
      (state, event) => stepUpdate(state, event, { monotonicMs: this.nowMs }),
      initialUpdateState,
    );
    this.feed({ kind: 'booted' });
  }

  next(): Step | undefined {
    return this.decision()?.step;
  }

  decision() {
    const { state, nowMs: monotonicMs, trustedNowMs, stale } = this;
    return decideSteps(state, { monotonicMs, trustedNowMs, stale })[0];
  }

  /** Runs until nothing is left to do, at most 100 steps. */
  run(): void {
    for (let i = 0; i < 100; i += 1) {
      const step = this.next();
      if (step === undefined) return;
      this.perform(step);
    }
    throw new Error('does not settle');
  }

  perform(step: Step): void {
    switch (step.kind) {
      case 'record':
        this.record(step.event);
        if (step.event.kind === 'activation-begun') {
          const key = `${step.event.target.digest}/${step.event.target.generation}`;
          this.activations.set(key, (this.activations.get(key) ?? 0) + 1);
        }
        return;
      case 'fetch-bundle': {
        this.feed({ kind: 'bundle-fetched', app, digest: step.target.digest });
        return;
      }
      case 'verify-bundle': {
        this.feed({ kind: 'bundle-verified', app, digest: step.target.digest });
        return;
      }
      case 'stage-slot': {
        this.feed({ kind: 'slot-staged', app, digest: step.target.digest });
        return;
      }
      case 'self-test': {
        if (this.fails.get(step.target.digest) === 'self-test') {
          const reason = 'golden-mismatch';
          this.record({ kind: 'verdict-reached', app, slot: slotOf(step.target), reason });
        } else {
          this.feed({ kind: 'self-test-passed', app, digest: step.target.digest });
        }
        return;
      }
      case 'activate':
        this.feed({ kind: 'activated', app, slot: step.slot, host: step.host, probation });
        if (step.host === 'process' && this.fails.get(step.slot.digest) === 'crash') {
          this.feed({ kind: 'session-lost', app, digest: step.slot.digest });
        }
        return;
      case 'stand-in': {
        const slot = step.slots.find(({ digest }) => this.defaults.has(digest));
        const candidates = step.slots.map(({ digest }) => digest);
        this.feed({ kind: 'stood-in', app, candidates, slot });
        return;
      }
      case 'stop': {
        const digest = this.running();
        if (digest !== undefined) this.feed({ kind: 'session-lost', app, digest });
      }
    }
  }

  prove(): void {
    const digest = this.running();
    if (digest !== undefined) this.feed({ kind: 'inferences-counted', app, digest, count: 10 });
    this.nowMs += 1000;
    this.run();
  }

  running(): Digest | undefined {
    return this.state.apps.get(app)?.running?.slot.digest;
  }

  install(wanted: Target): void {
    this.want(wanted);
    this.run();
    this.prove();
  }
}

export const slotOf = ({ path, digest, retry }: Target): Slot => ({ path, digest, retry });
