import { limits } from '../../../shared/contracts/limits.ts';
import type { Window, WindowModel } from '../../../shared/contracts/window.ts';

/** A closed window without its number: the outbox gives it one. */
export type WindowDraft = Omit<Window, 'outbox' | 'first' | 'last'>;

/** Room for ids, numbers and instants around the models, bytes; all of them are ASCII. */
const envelopeBytes = 512;

/**
 * As many drafts as it takes to keep each within the wire's bounds. Every text in a window is ASCII by its schema,
 * so the length of the JSON text is its size in bytes. A window that counted nothing gives no draft.
 */
export function draftWindows(draft: WindowDraft): WindowDraft[] {
  const { energyMicrojoules, defaults = [], ...rest } = draft;
  const room = limits.windowBytesMax - envelopeBytes - JSON.stringify(defaults).length;
  const groups: WindowModel[][] = [];
  let bytes = Number.POSITIVE_INFINITY;
  for (const model of draft.models) {
    const size = JSON.stringify(model).length + 1;
    const group = groups.at(-1);
    const fits = bytes + size <= room;
    if (group === undefined || !fits || group.length >= limits.windowModelsMax) {
      groups.push([model]);
      bytes = size;
    } else {
      group.push(model);
      bytes += size;
    }
  }
  const ofDevice = {
    ...(defaults.length === 0 ? {} : { defaults }),
    ...(energyMicrojoules === undefined ? {} : { energyMicrojoules }),
  };
  if (groups.length === 0 && Object.keys(ofDevice).length > 0) groups.push([]);
  return groups.map((models, i) => ({
    ...rest,
    models,
    // They belong to the device, not to a model: counted once.
    ...(i === 0 ? ofDevice : {}),
  }));
}
