import { expect, test } from 'vitest';
import { allowedBy, OnnxWordsSchema, onnxAllowanceOf } from './onnx-allowance.ts';
import { createValidator } from './validator.ts';

const validate = createValidator(OnnxWordsSchema);

test('when words are given, compiled code and domains are told apart; none allow nothing', () => {
  expect(onnxAllowanceOf([])).toEqual({ epContext: false, domains: [] });
  expect(onnxAllowanceOf(['com.microsoft', 'ep-context', 'org.example'])).toEqual({
    ...{ epContext: true, domains: ['com.microsoft', 'org.example'] },
  });
});

test('when a word is no domain, it is refused', () => {
  expect(validate(['ep-context', 'com.microsoft']).ok).toBe(true);
  for (const wrong of ['', '*', 'everything', 'Com.Microsoft', 'a..b', 'a.b '] as const) {
    expect(validate([wrong]).ok, wrong).toBe(false);
  }
});

test('when something is refused, the sentence names the word that allows it, if a file can say it', () => {
  expect(allowedBy('ep-context')).toContain('the word ep-context in policy.onnx');
  expect(allowedBy('org.example')).toContain('the word org.example in policy.onnx');
  for (const unsayable of ['Magic', '', 'a b.c']) expect(allowedBy(unsayable)).toBe('');
});
