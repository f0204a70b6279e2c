import { limits } from '../../shared/contracts/limits.ts';
import { spokenProtocol } from '../../shared/contracts/protocol-range.ts';
import type { Facts } from '../../shared/contracts/reported.ts';
import { utf8 } from '../../shared/core/bytes.ts';
import { canonicalJson } from '../../shared/core/canonical-json.ts';
import { Doorbell } from '../../shared/core/doorbell.ts';
import type { AppName, BootId } from '../../shared/core/ids.ts';
import { codeOf } from '../../shared/core/operating-error.ts';
import type { Clock } from '../../shared/ports/clock.ts';
import type { Log } from '../../shared/ports/log.ts';
import type { Signer } from '../../shared/ports/signer.ts';
import { signEnvelope } from '../../shared/trust/dsse.ts';
import { composeReport } from '../core/report/compose-report.ts';
import type { DeviceIdentity } from '../core/update/accept-desired.ts';
import type { AgentMemory } from './agent-memory.ts';
import type { OpenUplink } from './device-uplink.ts';
import type { SpreadWindow } from './spread-window.ts';
import type { UpdateRunner } from './update-runner.ts';

export interface ReporterOptions {
  readonly clock: Clock;
  readonly log: Log;
  readonly memory: AgentMemory;
  readonly updates: UpdateRunner;
  readonly deviceKey: Signer;
  readonly identity: () => DeviceIdentity | undefined;
  readonly uplink: () => OpenUplink | undefined;
  readonly spread: Pick<SpreadWindow, 'placeMs'>;
  /** By app, how well the bundle to go back to is kept. */
  readonly redundancy: ReadonlyMap<AppName, 'full' | 'shared'>;
  readonly boot: BootId;
  readonly agentVersion: string;
  /** As they are now. */
  readonly facts: () => Facts;
  readonly zone: string | undefined;
}

/** Says what the device does, whenever that changed and somebody may hear it. Reporting never changes the state. */
export class Reporter {
  readonly #options: ReporterOptions;
  readonly #due = new Doorbell();
  readonly #revertMs = new Map<AppName, number>();

  constructor(options: ReporterOptions) {
    this.#options = options;
  }

  ring(): void {
    this.#due.ring();
  }

  wentBack(app: AppName, revertMs: number): void {
    this.#revertMs.set(app, Math.max(0, Math.round(revertMs)));
    this.#due.ring();
  }

  /** Coalesces: one report covers all that changed within the pause. */
  async run(signal: AbortSignal): Promise<void> {
    const stop = (): void => this.#due.ring();
    signal.addEventListener('abort', stop, { once: true });
    const { clock, log, spread } = this.#options;
    const isOver = (): boolean => signal.aborted;
    let sentMs = Number.NEGATIVE_INFINITY;
    let told: string | undefined;
    for (;;) {
      await this.#due.wait();
      if (isOver()) return;
      const soonMs = clock.monotonicMs() + limits.reportPauseMs;
      await clock.sleepUntil(Math.max(soonMs, sentMs + limits.reportIntervalMs), signal);
      // Many devices were told the same at once; the order may have come while this one slept.
      if (clock.monotonicMs() < spread.placeMs) await clock.sleepUntil(spread.placeMs, signal);
      // The phases of an update may wait; what it came to does not.
      const phasesMs = sentMs + limits.reportPhasesMs;
      while (this.#outcomes() === told && clock.monotonicMs() < phasesMs) {
        if (isOver()) return;
        const nextMs = clock.monotonicMs() + limits.reportIntervalMs;
        await clock.sleepUntil(Math.min(phasesMs, nextMs), signal);
      }
      sentMs = clock.monotonicMs();
      told = this.#outcomes();
      try {
        await this.#send();
      } catch (error) {
        // The next session begins with a report, so nothing is lost.
        log.info(
          { event: 'report-not-sent', code: codeOf(error) },
          'the report waits for a session',
        );
      }
    }
  }

  /** What each app has come to, in a form that is equal when nothing of it changed. */
  #outcomes(): string {
    const { apps, refusals } = this.#options.updates.state;
    const settled = [...apps.values()].map(({ app, attempt, outcome, running, ...rest }) => [
      ...[app, rest.isWithdrawn, attempt === undefined, outcome?.kind, outcome?.target.digest],
      ...(attempt === undefined ? [running?.slot.digest, rest.standIn?.slot?.digest] : []),
    ]);
    return JSON.stringify([settled, refusals.length]);
  }

  async #send(): Promise<void> {
    const { clock, memory, updates, deviceKey, identity, uplink } = this.#options;
    const open = uplink();
    const who = identity();
    if (open === undefined || who === undefined) return;
    const { boot, agentVersion, facts, zone } = this.#options;
    const report = composeReport(updates.state, updates.decisions(), {
      identity: who,
      boot,
      number: await memory.nextReportNumber(),
      nowMs: clock.nowMs(),
      agentVersion,
      protocol: spokenProtocol,
      facts: facts(),
      zone,
      signedHead: memory.signedHead,
      revertMs: this.#revertMs,
      redundancy: this.#options.redundancy,
    });
    const payload = utf8(canonicalJson(report));
    await open.send('reported', await signEnvelope('reported', payload, [deviceKey]));
  }
}
