/** What became of one bundle; `kind` says what was wrong with it, if anything. */
export interface ResultRow {
  readonly bundle: string;
  readonly kind:
    | 'good'
    | 'tampered'
    | 'unsigned'
    | 'golden'
    | 'crash'
    | 'slow'
    | 'wrong'
    | 'federated';
  readonly state: string;
  readonly reason: string | null;
  /** Devices to which an order naming the digest was delivered. */
  readonly exposed: number;
  /** Devices on which it answered live inputs. */
  readonly activated: number;
  /** Of these, those that answer with the previous model again. */
  readonly reverted: number;
  /** From the abort, or the device's own verdict if earlier, to the first answer of the previous model. */
  readonly revertP99Ms: number | null;
  readonly seconds: number;
}

/** Why a row is not what the play promises; `undefined` when it is. */
export function complaintOf(row: ResultRow, devices: number): string | undefined {
  const { bundle, kind, state, reason, exposed, activated, reverted } = row;
  if (kind === 'good' || kind === 'federated') {
    if (state !== 'completed')
      return `${bundle} (${kind}) ended ${state}: ${reason ?? 'no reason'}`;
    if (exposed !== devices) return `${bundle} reached ${exposed} of ${devices} devices`;
    return reverted === 0 ? undefined : `${bundle} was taken back on ${reverted} devices`;
  }
  const wanted = kind === 'unsigned' ? 'refused' : 'aborted';
  if (state !== wanted) return `${bundle} (${kind}) ended ${state}, not ${wanted}`;
  if (reason === null) return `${bundle} (${kind}) has no reason`;
  if (exposed === 0) return `${bundle} (${kind}) reached nobody, which proves nothing`;
  if (reverted !== activated) {
    return `${bundle} (${kind}) ran on ${activated} devices, ${reverted} of them went back`;
  }
  const mustNotRun = kind === 'tampered' || kind === 'unsigned' || kind === 'golden';
  if (mustNotRun && activated > 0) return `${bundle} (${kind}) answered on ${activated} devices`;
  // What dies of its first live input has answered none.
  const mustRun = kind === 'slow' || kind === 'wrong';
  return !mustRun || activated > 0 ? undefined : `${bundle} (${kind}) never answered live input`;
}
