import { describe, expect, it } from 'vitest';
import { requestOf, specOf } from '../../../test/support/rollout-samples.ts';
import { bindingOf, defaultGates, isSameBinding, resolveSpec } from './spec.ts';

describe('resolveSpec', () => {
  it('fills in every default and the canonical target', () => {
    const spec = specOf(2, { target: '(tags.site="oslo")' });
    expect(spec).toMatchObject({
      target: 'tags.site = oslo',
      membership: 'static',
      holdback: null,
      approval: 'none',
      gates: defaultGates,
      supersede: false,
      overrideStop: false,
    });
  });

  it('keeps the gates that a request does not name', () => {
    const spec = specOf(2, {
      gates: { accuracy: null, minimumSample: { devices: 5, inferences: 9 } },
    });
    expect(spec.gates).toEqual({
      ...defaultGates,
      accuracy: null,
      minimumSample: { devices: 5, inferences: 9 },
    });
  });

  it('refuses a target that does not parse, with the caret in the message', () => {
    const result = resolveSpec(requestOf(2, { target: 'tag.site = oslo' }), { jitterMs: 0 });
    expect(result).toMatchObject({
      ok: false,
      error: { code: 'filter-unknown-name', pointer: '/target' },
    });
    expect(result.ok ? '' : result.error.message).toContain('^^^');
  });

  it.each([
    [[{ percent: 50 }], '/waves/0'],
    [[{ percent: 20 }, { percent: 10 }, { percent: 100 }], '/waves/1'],
    [[{ count: 5 }, { count: 5 }, { percent: 100 }], '/waves/1'],
    [[{ percent: 100 }, { percent: 100 }], '/waves/1'],
    [[{ percent: 10 }, { count: 500 }], '/waves/1'],
  ])('refuses the waves %j that do not ascend to everyone', (waves, pointer) => {
    expect(resolveSpec(requestOf(2, { waves }), { jitterMs: 0 })).toMatchObject({
      ok: false,
      error: { code: 'rollout-spec-invalid', pointer },
    });
  });

  it('refuses a time within which devices that spread their fetches have not begun', () => {
    const times = { deadlineMs: 5_000, reachMs: 5_000 };
    expect(resolveSpec(requestOf(2, times), { jitterMs: 5_000 }).ok).toBe(true);
    for (const [pointer, longer] of [
      ['/deadlineMs', { reachMs: 9_000 }],
      ['/reachMs', { deadlineMs: 9_000 }],
    ] as const) {
      const result = resolveSpec(requestOf(2, { ...times, ...longer }), { jitterMs: 5_001 });
      expect(result).toMatchObject({ ok: false, error: { code: 'rollout-spec-invalid', pointer } });
    }
  });
});

describe('bindingOf', () => {
  it('changes with bundle, policy or target, and not with their spelling', () => {
    const binding = bindingOf(specOf(2));
    expect(isSameBinding(binding, bindingOf(specOf(2, { target: '(state = accepted)' })))).toBe(
      true,
    );
    for (const other of [
      specOf(3),
      specOf(2, { soakMs: 1 }),
      specOf(2, { gates: { falseAbortShare: 0.01 } }),
      specOf(2, { target: 'online = true' }),
      specOf(2, { overrideStop: true }),
    ]) {
      expect(isSameBinding(binding, bindingOf(other))).toBe(false);
    }
  });
});
