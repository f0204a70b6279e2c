import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { readEnrolmentString } from './enrolment-string.ts';

const claim = 'abcdefghijklmnopqrstuvwxyz_-0123';
const digest = `sha256:${'a1'.repeat(32)}`;
const fields = `claim=${claim}&root=${digest}`;
const read = (text: string, insecurePlaintext = false) =>
  readEnrolmentString(text, { insecurePlaintext });
const codeOf = (text: string) => {
  const ticket = read(text);
  return ticket.ok ? 'ok' : ticket.error.code;
};

describe('readEnrolmentString', () => {
  it('when everything stands there, returns origin, host, claim and pins', () => {
    expect(read(`skein://Fleet.Example:8443/#${fields}&ca=${digest}`)).toEqual({
      ok: true,
      value: {
        origin: 'https://fleet.example:8443',
        host: 'fleet.example',
        claim,
        root: digest,
        ca: digest,
      },
    });
  });

  it('when the port is the usual one, leaves it out of the origin, as fetching needs it', () => {
    for (const host of ['a.example', '[fe80::1]', '10.0.0.1']) {
      for (const port of ['', ':443', ':8443']) {
        const ticket = read(`skein://${host}${port}/#${fields}`);
        const origin = ticket.ok ? ticket.value.origin : '';
        expect(origin).toBe(new URL(`https://${host}${port}`).origin);
      }
    }
  });

  it('when it asks for plaintext, allows this machine, and others only when that was said', () => {
    for (const host of ['localhost', '127.0.0.1', '127.1.2.3', '[::1]']) {
      expect(codeOf(`skein+http://${host}:8080/#${fields}`)).toBe('ok');
    }
    for (const host of ['10.0.0.1', 'localhost.example', '127.0.0.1.example', '[::2]']) {
      const text = `skein+http://${host}:8080/#${fields}`;
      expect(codeOf(text)).toBe('plaintext-refused');
      expect(read(text, true).ok).toBe(true);
    }
  });

  it('when a part is missing, doubled, unknown or of another form, refuses the whole', () => {
    const bad = [
      '',
      `skein://a.example/#root=${digest}`,
      `skein://a.example/#${fields}&root=${digest}`,
      `skein://a.example/#${fields}&owner=me`,
      `skein://a.example:65536/#${fields}`,
      `skein://[::g]/#${fields}`,
      `skein+http://localhost/#${fields}&ca=${digest}`,
      `skein://a.example/#${fields}${' '.repeat(2000)}`,
    ];
    for (const text of bad) expect(codeOf(text), text).toBe('enrolment-string-invalid');
  });

  it('whatever the text is, answers with a value and never with its claim in the message', () => {
    fc.assert(
      fc.property(fc.string({ maxLength: 80 }), (noise) => {
        const ticket = read(`skein://${noise}/#${fields}`);
        return ticket.ok || !ticket.error.message.includes(claim);
      }),
    );
  });
});
