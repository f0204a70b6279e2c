import { expect, test } from 'vitest';
import { parseEnrolment, printEnrolment } from './enrolment-string.ts';

const root = `sha256:${'a'.repeat(64)}`;
const ca = `sha256:${'b'.repeat(64)}`;
const claim = 'c'.repeat(32);

test('given a ticket, what is parsed is what was printed', () => {
  const tickets = [
    { origin: 'https://fleet.example', claim, root },
    { origin: 'https://fleet.example:8443', claim, root, ca },
    { origin: 'http://127.0.0.1:8080', claim, root },
    { origin: 'http://[::1]:8080', claim, root },
  ];
  for (const ticket of tickets) {
    expect(parseEnrolment(printEnrolment(ticket))).toEqual({ ok: true, value: ticket });
  }
});

test('given the documented form, that is how it is printed', () => {
  expect(printEnrolment({ origin: 'https://h.example:1', claim, root, ca })).toBe(
    `skein://h.example:1/#claim=${claim}&root=${root}&ca=${ca}`,
  );
  expect(printEnrolment({ origin: 'http://localhost', claim, root })).toMatch(/^skein\+http:/);
});

test.each([
  ['without a root', `skein://h/#claim=${claim}`],
  ['with a short claim', `skein://h/#claim=abc&root=${root}`],
  ['with a path', `skein://h/x#claim=${claim}&root=${root}`],
  ['with a login', `skein://u@h/#claim=${claim}&root=${root}`],
  ['with a query', `skein://h/?claim=${claim}&root=${root}`],
  ['of another scheme', `https://h/#claim=${claim}&root=${root}`],
  ['with more behind', `skein://h/#claim=${claim}&root=${root}&x=1`],
])('given a string %s, it is refused', (_name, text) => {
  expect(parseEnrolment(text).ok).toBe(false);
});
