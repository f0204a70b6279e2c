import { createDecoder } from '../../shared/codec/validator.ts';
import {
  type AgentMemoryRecord,
  AgentMemorySchema,
  type Freshness,
} from '../../shared/contracts/agent-memory.ts';
import type { AuditHead } from '../../shared/contracts/desired.ts';
import { limits } from '../../shared/contracts/limits.ts';
import { utf8 } from '../../shared/core/bytes.ts';
import { canonicalJson } from '../../shared/core/canonical-json.ts';
import type { Epoch } from '../../shared/core/ids.ts';
import { invariant } from '../../shared/core/invariant.ts';
import type { DeviceDisk } from '../../shared/ports/device-disk.ts';

const path = 'state/memory.json';
const bytesMax = 4096;
const decode = createDecoder(AgentMemorySchema, bytesMax);

/**
 * Small facts that outlive a boot, in one file that is replaced whole. A torn or foreign file reads
 * as empty: nothing in
 * here is needed to keep a model running.
 */
export class AgentMemory {
  readonly #disk: DeviceDisk;
  #record: AgentMemoryRecord;
  #nextReport: number;
  #turn: Promise<unknown> = Promise.resolve();

  private constructor(disk: DeviceDisk, record: AgentMemoryRecord) {
    this.#disk = disk;
    this.#record = record;
    this.#nextReport = record.reportsReserved + 1;
  }

  /** `builtAtMs`: no time before the agent was built can be true. */
  static async open(disk: DeviceDisk, builtAtMs: number): Promise<AgentMemory> {
    const bytes = await disk.read(path, { bytesMax });
    const decoded = bytes === undefined ? undefined : decode(bytes);
    const stored = decoded?.ok === true ? decoded.value : { floorMs: 0, reportsReserved: 0 };
    return new AgentMemory(disk, { ...stored, floorMs: Math.max(builtAtMs, stored.floorMs) });
  }

  get epoch(): Epoch | undefined {
    return this.#record.epoch;
  }

  get floorMs(): number {
    return this.#record.floorMs;
  }

  /** The largest audit head, as it was signed. */
  get signedHead(): string | undefined {
    return this.#record.signedHead;
  }

  get freshness(): Freshness | undefined {
    return this.#record.freshness;
  }

  /** How often is the caller's choice. */
  keepFreshness(freshness: Freshness): Promise<void> {
    return this.#change((record) => {
      const { freshAtMs, aliveMs } = record.freshness ?? {};
      return freshness.aliveMs === aliveMs && freshness.freshAtMs === freshAtMs
        ? record
        : { ...record, freshness };
    });
  }

  get jitterMs(): number | undefined {
    return this.#record.jitterMs;
  }

  /** The server chooses it; it must hold when that server and this device have both lost power. */
  keepJitter(jitterMs: number): Promise<void> {
    return this.#change((record) =>
      jitterMs === record.jitterMs ? record : { ...record, jitterMs },
    );
  }

  keepEpoch(epoch: Epoch): Promise<void> {
    return this.#change((record) => (epoch === record.epoch ? record : { ...record, epoch }));
  }

  /** Written at most once an hour: flash wears out. */
  keepFloor(floorMs: number): Promise<void> {
    return this.#change((record) =>
      floorMs < record.floorMs + limits.timeFloorStepMs ? record : { ...record, floorMs },
    );
  }

  /** What was verified, with the text it was signed in. Kept only when it is larger than the one before. */
  keepAuditHead(auditHead: AuditHead, signedHead: string): Promise<void> {
    return this.#change((record) => {
      // A head without its signature is from before heads were signed: nobody could verify it.
      const size = record.signedHead === undefined ? 0 : (record.auditHead?.size ?? 0);
      return auditHead.size > size ? { ...record, auditHead, signedHead } : record;
    });
  }

  /** Rises over boots. Numbers are reserved in blocks, so a report costs no write of its own. */
  async nextReportNumber(): Promise<number> {
    const number = this.#nextReport;
    this.#nextReport = number + 1;
    await this.#change((record) =>
      number > record.reportsReserved
        ? { ...record, reportsReserved: number + limits.reportNumberBlock }
        : record,
    );
    return number;
  }

  /**
   * One change at a time, each upon the one before: of two that began from the same record the later write would undo
   * the other. A lost reservation makes the next boot count from one again, and the server drops such reports as old.
   */
  #change(change: (record: AgentMemoryRecord) => AgentMemoryRecord): Promise<void> {
    const work = async (): Promise<void> => {
      const record = change(this.#record);
      if (record === this.#record) return;
      const bytes = utf8(canonicalJson(record));
      // The next boot would read it as empty and forget all of it.
      invariant(decode(bytes).ok, 'the memory is written in the form in which it is read');
      await this.#disk.replace(path, bytes);
      this.#record = record;
    };
    const result = this.#turn.then(work, work);
    this.#turn = result;
    return result;
  }
}
