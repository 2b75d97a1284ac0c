import { expect, test } from 'vitest';
import { requireOpenFiles } from './open-files.ts';

const limits = (hard: string) =>
  `Limit                     Soft Limit           Hard Limit           Units\n` +
  `Max processes             1024                 1024                 processes\n` +
  `Max open files            1024                 ${hard.padEnd(21)}files\n`;

test.each(['10500', '1048576', 'unlimited'])('10,000 streams fit into a limit of %s', (hard) => {
  expect(() => requireOpenFiles(10_000, limits(hard))).not.toThrow();
});

test('one file too few is told before anything is started', () => {
  expect(() => requireOpenFiles(10_000, limits('10499'))).toThrow(/10500 files.*10499.*ulimit/);
});

test('this machine says its limit', () => {
  expect(() => requireOpenFiles(2 ** 40)).toThrow(/may open \d{3,}\./);
});
