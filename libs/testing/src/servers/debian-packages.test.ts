import { describe, expect, test } from 'vitest';
import { parseDebianSource } from './debian-packages.ts';
import { isAtLeast, parseVersion } from './server-programs.ts';

describe('parseDebianSource', () => {
  test.each([
    {
      name: 'the stanza format, past archives of others',
      text: `Types: deb
URIs: https://mirror.example/debian-security
Suites: stable-security

Types: deb
URIs: https://mirror.example/debian
Suites: stable
Components: main contrib
Signed-By: /keys/archive.gpg
`,
      source: {
        uri: 'https://mirror.example/debian',
        components: 'main contrib',
        signedBy: '/keys/archive.gpg',
      },
    },
    {
      name: 'the line format with options',
      text: `# a comment
deb [signed-by=/keys/archive.gpg] http://mirror.example/debian/ stable main
`,
      source: {
        uri: 'http://mirror.example/debian/',
        components: 'main',
        signedBy: '/keys/archive.gpg',
      },
    },
    {
      name: 'a file of another distribution',
      text: 'deb http://mirror.example/ubuntu noble main\n',
      source: undefined,
    },
  ])('reads $name', ({ text, source }) => {
    expect(parseDebianSource(text)).toEqual(source);
  });
});

describe('versions', () => {
  test.each([
    { output: 'nats-server: v2.15.1', version: '2.15.1' },
    { output: 'Redis server v=7.0.15 sha=00000000:0', version: '7.0.15' },
    { output: 'postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)', version: '15.18' },
    { output: 'no number', version: undefined },
  ])('finds $version in "$output"', ({ output, version }) => {
    expect(parseVersion(output)).toBe(version);
  });

  test('are compared as numbers', () => {
    expect(isAtLeast('2.12.0', [2, 12])).toBe(true);
    expect(isAtLeast('2.9.10', [2, 12])).toBe(false);
    expect(isAtLeast('3.0', [2, 12])).toBe(true);
  });
});
