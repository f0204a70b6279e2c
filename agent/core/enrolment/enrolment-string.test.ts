import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseEnrolmentString } from './enrolment-string.ts';

const claim = 'abcdefghijklmnopqrstuvwxyz_-0123';
const digest = `sha256:${'a1'.repeat(32)}`;
const fields = `claim=${claim}&root=${digest}`;
const strict = { insecurePlaintext: false };
const parse = (text: string) => parseEnrolmentString(text, strict);
const codeOf = (text: string) => {
  const parsed = parse(text);
  return parsed.ok ? 'ok' : parsed.error.code;
};

describe('parseEnrolmentString', () => {
  it('when everything stands there, returns origin, claim and pins', () => {
    const parsed = parse(`skein://Fleet.Example:8443/#${fields}&ca=${digest}&fleet=plant-7`);
    expect(parsed).toEqual({
      ok: true,
      value: {
        origin: 'https://fleet.example:8443',
        host: 'fleet.example',
        isPlaintext: false,
        claim,
        root: digest,
        ca: digest,
        fleet: 'plant-7',
      },
    });
  });

  it('when the port is the usual one, leaves it out of the origin, as URL does', () => {
    for (const host of ['a.example', '[fe80::1]', '10.0.0.1']) {
      for (const port of ['', ':443', ':8443']) {
        const parsed = parse(`skein://${host}${port}/#${fields}`);
        const origin = parsed.ok ? parsed.value.origin : '';
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
      expect(parseEnrolmentString(text, { insecurePlaintext: true }).ok).toBe(true);
    }
  });

  it('when a part is missing, doubled, unknown or of another form, refuses the whole', () => {
    const bad = [
      '',
      'https://a.example/#x',
      `skein://a.example/#root=${digest}`,
      `skein://a.example/#claim=${claim}`,
      `skein://a.example/#${fields}&root=${digest}`,
      `skein://a.example/#${fields}&owner=me`,
      `skein://a.example/#${fields}&`,
      `skein://a.example/#claim=${claim}&root=sha256:12`,
      `skein://a.example/#claim=short&root=${digest}`,
      `skein://a.example/#${fields}&ca=sha1:${'a'.repeat(40)}`,
      `skein://a.example/#${fields}&fleet=Not_A_Name`,
      `skein://a.example/path#${fields}`,
      `skein://user@a.example/#${fields}`,
      `skein://a.example:0/#${fields}`,
      `skein://a.example:65536/#${fields}`,
      `skein+http://localhost/#${fields}&ca=${digest}`,
      `skein://a.example/#${fields}${'&'.repeat(2000)}`,
    ];
    for (const text of bad) expect(codeOf(text), text).toBe('enrolment-string-malformed');
  });

  it('whatever the text is, answers with a value and never with its claim in the message', () => {
    fc.assert(
      fc.property(fc.string({ maxLength: 80 }), (noise) => {
        const parsed = parse(`skein://${noise}/#${fields}&x=${noise}`);
        return parsed.ok || !parsed.error.message.includes(claim);
      }),
    );
  });
});
