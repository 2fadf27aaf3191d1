import { expect, test } from 'vitest';
import { besideLabel } from './cue-text.ts';

test('[PA-13] a cue says its label once, and beside it what it is about', () => {
  expect(besideLabel('放慢节奏', '放慢节奏：岩茶')).toBe('岩茶');
  expect(besideLabel('Slow down', 'Slow down: Rock tea')).toBe('Rock tea');
  expect(besideLabel('保持节奏', '保持节奏')).toBe('');
  expect(besideLabel('Keep the pace', 'Another sentence')).toBe('Another sentence');
});
