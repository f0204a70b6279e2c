import { limits } from '../../shared/contracts/limits.ts';
import type { Ack } from '../../shared/contracts/window.ts';
import { hexOf, utf8 } from '../../shared/core/bytes.ts';
import type { OutboxId } from '../../shared/core/ids.ts';
import { codeOf, OperatingError } from '../../shared/core/operating-error.ts';
import type { DeviceDisk } from '../../shared/ports/device-disk.ts';
import type { Log } from '../../shared/ports/log.ts';
import type { Random } from '../../shared/ports/random.ts';
import type { WindowDraft } from '../core/monitor/window-draft.ts';
import { isSendable, mergeWindows, shedToFit } from '../core/outbox/merge-windows.ts';
import {
  compactOutbox,
  emptyOutbox,
  type OutboxRecord,
  type OutboxState,
  replayOutbox,
  type SealedWindow,
} from '../core/outbox/outbox-state.ts';
import { parseOutboxRecord } from '../core/outbox/parse-outbox-record.ts';
import { type OutboxEvent, stepOutbox } from '../core/outbox/step-outbox.ts';
import { JournalFile, type OpenedJournal } from './journal-file.ts';

export interface OutboxWriterOptions {
  readonly disk: DeviceDisk;
  /** Such as `state/outbox.journal`. */
  readonly path: string;
  readonly random: Random;
  readonly log: Log;
}

/** Body of one `up/window`. The caller wraps it in a fresh frame each time; the body never changes. */
export interface OutgoingWindow {
  readonly first: number;
  readonly last: number;
  readonly body: Uint8Array;
}

/** Resolves or rejects as Transport's publish does; neither means that the window is durable. */
export type PublishWindow = (window: OutgoingWindow) => Promise<void>;

/**
 * Performs the outbox's decisions: journal first, Transport second.
 *
 * INVARIANTS
 * - Events are taken one at a time, in call order.
 * - A window is sealed on disk before its first byte leaves the device.
 */
export class OutboxWriter {
  readonly #journal: JournalFile<OutboxRecord>;
  readonly #log: Log;
  #state: OutboxState;
  #publish: PublishWindow | undefined;
  /** Counts that found no room on disk yet. */
  #held: WindowDraft | undefined;
  #compactedBytes = 0;
  #turn: Promise<unknown> = Promise.resolve();

  private constructor(journal: JournalFile<OutboxRecord>, state: OutboxState, log: Log) {
    this.#journal = journal;
    this.#state = state;
    this.#log = log;
  }

  /** Opens the store, or starts a new one with a new id when it is absent or damaged. */
  static async open(options: OutboxWriterOptions): Promise<OutboxWriter> {
    const opened = await JournalFile.open<OutboxRecord>({
      disk: options.disk,
      path: options.path,
      bytesMax: limits.outboxBytesMax,
      parse: parseOutboxRecord,
    });
    const kept = keptState(opened, options.log);
    const state = kept ?? emptyOutbox(hexOf(options.random.bytes(16)) as OutboxId);
    const writer = new OutboxWriter(opened.journal, state, options.log);
    if (kept === undefined) await opened.journal.compact(compactOutbox(state));
    writer.#compactedBytes = opened.journal.bytes;
    return writer;
  }

  get outbox(): OutboxId {
    return this.#state.outbox;
  }

  /** On disk. */
  get bytes(): number {
    return this.#journal.bytes;
  }

  get backlog(): { readonly unsent: number; readonly inFlight: number; readonly durable: number } {
    const { unsent, sealed, durable } = this.#state;
    return { unsent: unsent.length, inFlight: sealed.length, durable };
  }

  /**
   * Durable when resolved with `durable`. While the disk is full the window is held in memory, merged with the ones
   * that follow, and written with the first that finds room.
   */
  async appendWindow(draft: WindowDraft): Promise<'durable' | 'held'> {
    await this.#take({ kind: 'window-closed', draft });
    return this.#held === undefined ? 'durable' : 'held';
  }

  /** Everything in flight is handed over again, then as much more as may fly. */
  openSession(publish: PublishWindow): Promise<void> {
    this.#publish = publish;
    return this.#take({ kind: 'session-opened' });
  }

  closeSession(): void {
    this.#publish = undefined;
  }

  acknowledge(ack: Ack): Promise<void> {
    return this.#take({ kind: 'acknowledged', ack });
  }

  /** Called when no acknowledgement came for long although windows are in flight. */
  resend(): Promise<void> {
    return this.#take({ kind: 'resend-due' });
  }

  #take(event: OutboxEvent): Promise<void> {
    const work = (): Promise<void> =>
      event.kind === 'window-closed' ? this.#performOrHold(event.draft) : this.#perform(event);
    const result = this.#turn.then(work, work);
    this.#turn = result;
    return result;
  }

  async #performOrHold(latest: WindowDraft): Promise<void> {
    const merged = this.#held === undefined ? latest : mergeWindows(this.#held, latest);
    const draft = isSendable(merged) ? merged : shedToFit(merged);
    try {
      await this.#perform({ kind: 'window-closed', draft });
      this.#held = undefined;
    } catch (error) {
      const code = codeOf(error);
      if (code !== 'disk-full' && code !== 'journal-full') throw error;
      this.#held = draft;
      this.#log.warn({ event: 'window-held', code }, 'the window waits in memory for room on disk');
    }
  }

  async #perform(event: OutboxEvent): Promise<void> {
    const publish = this.#publish;
    const step = stepOutbox(this.#state, event, { isConnected: publish !== undefined });
    if (step.records.length > 0) {
      await this.#makeRoom();
      // A lost acknowledgement costs a resend that the server knows already: no reason to wear out the flash.
      if (event.kind === 'acknowledged') await this.#journal.note(step.records);
      else await this.#journal.appendAll(step.records);
    }
    this.#state = step.state;
    for (const { first, last } of step.shed) {
      this.#log.warn({ event: 'window-shed', first, last }, 'a merged window lost detail to fit');
    }
    if (publish !== undefined) for (const window of step.publish) this.#send(window, publish);
  }

  /** Not awaited: a slow broker must not stop the journal, and what fails is sent again at the next session. */
  #send({ first, last, text }: SealedWindow, publish: PublishWindow): void {
    publish({ first, last, body: utf8(text) }).catch((error: unknown) => {
      if (!(error instanceof OperatingError)) throw error;
      this.#log.info(
        { event: 'window-not-sent', first, last, code: codeOf(error) },
        'the window stays in the outbox',
      );
    });
  }

  /** The journal is four times what the last compaction left: most of it is history. */
  async #makeRoom(): Promise<void> {
    const worthIt = Math.max(limits.outboxCompactBytes, 4 * this.#compactedBytes);
    if (this.#journal.bytes < worthIt && !this.#journal.isLarge) return;
    await this.#journal.compact(compactOutbox(this.#state));
    this.#compactedBytes = this.#journal.bytes;
  }
}

/**
 * A torn tail was never acted on and is cut. After damage in the middle the numbers behind it may have been used for
 * other windows: going on would make the server drop or count them twice, so the store begins anew.
 */
function keptState(opened: OpenedJournal<OutboxRecord>, log: Log): OutboxState | undefined {
  const state = replayOutbox(opened.records);
  if (opened.damage.kind !== 'corrupt') return state;
  log.error(
    {
      event: 'journal-corrupt',
      code: opened.damage.code,
      lostWindows: (state?.unsent.length ?? 0) + (state?.sealed.length ?? 0),
      strandedRecords: opened.damage.strandedRecords,
    },
    'the outbox begins anew; windows it held are lost',
  );
  return undefined;
}
