/** Zone rules as an argument: maintenance windows are in device-local time. */
export interface Zones {
  /** Minutes east of UTC of the IANA zone `name` at the instant, or `undefined` for an unknown zone. */
  offsetMinutes(name: string, atMs: number): number | undefined;
}
