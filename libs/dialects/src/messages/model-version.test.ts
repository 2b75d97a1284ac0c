import { expect, test } from 'vitest';
import { claudeVersion } from './model-version.ts';

test.each([
  ['claude-opus-4-6', 406],
  ['claude-opus-4.6', 406],
  ['claude-sonnet-4-20250514', 400],
  ['claude-haiku-4-5-20251001', 405],
  ['claude-3-5-sonnet-20241022', 305],
  ['claude-3-5-sonnet-latest', 305],
  ['claude-3-opus-20240229', 300],
  ['claude-3-7-sonnet-latest', 307],
  ['claude-fable-5', 500],
  ['claude-opus-4-10', 410],
  ['anthropic.claude-opus-4-7-v1', 407],
  ['claude-latest', undefined],
  ['gpt-4', undefined],
])('claudeVersion reads %s as %s', (model, version) => {
  expect(claudeVersion(model)).toBe(version);
});
