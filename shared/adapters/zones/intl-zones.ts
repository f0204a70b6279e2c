import { limits } from '../../contracts/limits.ts';
import type { Zones } from '../../ports/zones.ts';

/** The shape of IANA names: newer engines also take offsets such as `+05:30`, which are no zones. */
const zoneName = /^[A-Za-z][A-Za-z0-9_+-]{0,30}(\/[A-Za-z0-9_+-]{1,30}){0,2}$/;

/** Zones by the engine's own copy of the IANA rules; the only place in the house that asks `Intl` for one. */
export class IntlZones implements Zones {
  /** Building a formatter costs a thousand times what using it does. */
  readonly #formats = new Map<string, Intl.DateTimeFormat>();

  offsetMinutes(name: string, atMs: number): number | undefined {
    const text = this.#format(name)
      ?.formatToParts(atMs)
      .find((part) => part.type === 'timeZoneName')?.value;
    // `GMT`, `GMT+05:30`, and with seconds for local mean time of the nineteenth century.
    const offset = /^GMT(?:([+-])(\d{2}):(\d{2})(?::\d{2})?)?$/.exec(text ?? '');
    if (offset === null) return undefined;
    const minutes = Number(offset[2] ?? 0) * 60 + Number(offset[3] ?? 0);
    return offset[1] === '-' && minutes > 0 ? -minutes : minutes;
  }

  #format(name: string): Intl.DateTimeFormat | undefined {
    const known = this.#formats.get(name);
    if (known !== undefined) return known;
    if (!zoneName.test(name)) return undefined;
    try {
      const format = new Intl.DateTimeFormat('en-US', {
        timeZone: name,
        timeZoneName: 'longOffset',
      });
      if (this.#formats.size >= limits.zoneFormatsMax) this.#formats.clear();
      this.#formats.set(name, format);
      return format;
    } catch (error) {
      if (error instanceof RangeError) return undefined;
      throw error;
    }
  }
}
