import { createDecoder } from '../../shared/codec/validator.ts';
import { type AgentMemoryRecord, AgentMemorySchema } from '../../shared/contracts/agent-memory.ts';
import type { AuditHead } from '../../shared/contracts/desired.ts';
import { limits } from '../../shared/contracts/limits.ts';
import { utf8 } from '../../shared/core/bytes.ts';
import { canonicalJson } from '../../shared/core/canonical-json.ts';
import type { Epoch } from '../../shared/core/ids.ts';
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

  get auditHead(): AuditHead | undefined {
    return this.#record.auditHead;
  }

  async keepEpoch(epoch: Epoch): Promise<void> {
    if (epoch !== this.#record.epoch) await this.#write({ ...this.#record, epoch });
  }

  /** Written at most once an hour: flash wears out. */
  async keepFloor(floorMs: number): Promise<void> {
    if (floorMs < this.#record.floorMs + limits.timeFloorStepMs) return;
    await this.#write({ ...this.#record, floorMs });
  }

  async keepAuditHead(auditHead: AuditHead): Promise<void> {
    if (auditHead.size > (this.#record.auditHead?.size ?? 0)) {
      await this.#write({ ...this.#record, auditHead });
    }
  }

  /** Rises over boots. Numbers are reserved in blocks, so a report costs no write of its own. */
  async nextReportNumber(): Promise<number> {
    const number = this.#nextReport;
    if (number > this.#record.reportsReserved) {
      await this.#write({ ...this.#record, reportsReserved: number + limits.reportNumberBlock });
    }
    this.#nextReport = number + 1;
    return number;
  }

  async #write(record: AgentMemoryRecord): Promise<void> {
    await this.#disk.replace(path, utf8(canonicalJson(record)));
    this.#record = record;
  }
}
