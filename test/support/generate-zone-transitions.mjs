// Writes sim/world/generated/zone-transitions.ts from this Node's own zone rules:
//   node test/support/generate-zone-transitions.mjs
// The test of the Zones port compares the result with Intl again.
import { writeFileSync } from 'node:fs';

const zones = [
  'America/Los_Angeles',
  'America/New_York',
  'America/Sao_Paulo',
  'Asia/Kathmandu',
  'Asia/Kolkata',
  'Asia/Tokyo',
  'Australia/Lord_Howe',
  'Australia/Sydney',
  'Europe/Berlin',
  'Europe/London',
  'Pacific/Kiritimati',
  'UTC',
];
const startMs = Date.UTC(2020, 0, 1);
const endMs = Date.UTC(2041, 0, 1);
const dayMs = 86_400_000;

function offsetAt(format, atMs) {
  const parts = Object.fromEntries(
    format.formatToParts(atMs).map(({ type, value }) => [type, value]),
  );
  const { year, month, day, hour, minute } = parts;
  const localMs = Date.UTC(year, month - 1, day, hour, minute);
  return (localMs - Math.floor(atMs / 60_000) * 60_000) / 60_000;
}

/** The first minute with the new offset, given that it changes within the span. */
function changeWithin(format, fromMs, toMs) {
  let before = fromMs;
  let after = toMs;
  const old = offsetAt(format, fromMs);
  while (after - before > 60_000) {
    const middle = before + Math.floor((after - before) / 120_000) * 60_000;
    if (offsetAt(format, middle) === old) before = middle;
    else after = middle;
  }
  return after;
}

function transitions(zone) {
  const format = new Intl.DateTimeFormat('en-US', {
    timeZone: zone,
    hourCycle: 'h23',
    year: 'numeric',
    month: 'numeric',
    day: 'numeric',
    hour: 'numeric',
    minute: 'numeric',
  });
  const found = [[startMs, offsetAt(format, startMs)]];
  for (let atMs = startMs; atMs < endMs; atMs += dayMs) {
    if (offsetAt(format, atMs) === offsetAt(format, atMs + dayMs)) continue;
    const changeMs = changeWithin(format, atMs, atMs + dayMs);
    found.push([changeMs, offsetAt(format, changeMs)]);
  }
  return found;
}

const entries = zones.map((zone) => {
  const rows = transitions(zone).map(([fromMs, minutes]) => `    [${fromMs}, ${minutes}],\n`);
  return `  '${zone}': [\n${rows.join('')}  ],\n`;
});
writeFileSync(
  new URL('../../sim/world/generated/zone-transitions.ts', import.meta.url),
  `/** Written by test/support/generate-zone-transitions.mjs; do not edit. From when on (ms), minutes east of UTC. */
export const zoneTransitions: Readonly<Record<string, readonly (readonly [number, number])[]>> = {
${entries.join('')}};
`,
);
