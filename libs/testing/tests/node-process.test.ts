import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { startNodeProcess } from '../src/index.ts';

const script = fileURLToPath(new URL('service-main.ts', import.meta.url));

test('starts a script, reads its log, waits for its HTTP and stops it', async () => {
  await using service = startNodeProcess({ script, environment: { NAME: 'one' } });
  const [, port] = await service.waitForLine(/"port":(\d+)/);
  await service.waitForHttp(`http://127.0.0.1:${port}/`);
  expect(service.records).toEqual([{ level: 'info', port: Number(port), name: 'one' }]);
  expect(await service.stop()).toEqual({ code: 7, signal: null });
  expect(service.lines).toContain('draining');
});

test('tells the signal that ended a process', async () => {
  await using service = startNodeProcess({ script });
  await service.waitForLine(/"port"/);
  service.kill('SIGKILL');
  expect(await service.waitExit()).toEqual({ code: null, signal: 'SIGKILL' });
});

test('says with its last lines that a process ended too early', async () => {
  await using service = startNodeProcess({ script: 'no-such-script.ts' });
  await expect(service.waitForLine(/never/)).rejects.toThrow(/ended \(1\)(.|\n)*no-such-script/);
  await expect(service.waitForHttp('http://127.0.0.1:1/')).rejects.toThrow('ended (1)');
});

test('pauses and resumes a process, and stops a paused one', async () => {
  await using service = startNodeProcess({ script });
  const [, port] = await service.waitForLine(/"port":(\d+)/);
  const url = `http://127.0.0.1:${port}/`;
  service.pause();
  const asking = fetch(url);
  const state = readFileSync(`/proc/${service.pid}/stat`, 'utf8');
  expect(state.slice(state.lastIndexOf(')'))).toMatch(/^\) T/);
  service.resume();
  expect((await asking).status).toBe(200);
  service.pause();
  expect(await service.stop()).toEqual({ code: 7, signal: null });
});
