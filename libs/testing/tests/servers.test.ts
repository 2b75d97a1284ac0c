import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { startNats, startPostgres, startRedis, waitFor } from '../src/index.ts';
import { ask } from '../src/servers/ask.ts';
import { runStatements } from '../src/servers/postgres-query.ts';

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

/** One JetStream API call in NATS' own text protocol. */
function jetStream(port: number, call: string, body: string): Promise<string> {
  const question = `CONNECT {"verbose":false}\r\nSUB reply 1\r\nPUB ${call} reply ${body.length}`;
  return ask(port, `${question}\r\n${body}\r\n`, /\nMSG reply 1 \d+\r\n.*\r\n/);
}

describe('startNats', () => {
  test('keeps stored messages over SIGKILL and restart on the same port', async () => {
    await using server = await startNats();
    const { port, pid } = server;
    const stream = JSON.stringify({ name: 'KEPT', subjects: ['kept.>'], storage: 'file' });
    expect(await jetStream(port, '$JS.API.STREAM.CREATE.KEPT', stream)).toContain('"created"');
    expect(await jetStream(port, 'kept.one', 'text')).toContain('"seq":1');

    await server.kill();
    expect(await server.waitExit()).toEqual({ code: null, signal: 'SIGKILL' });
    await expect(ask(port, undefined, /INFO/)).rejects.toThrow();
    await server.restart();

    expect(server.pid).not.toBe(pid);
    expect(server.port).toBe(port);
    expect(await jetStream(port, '$JS.API.STREAM.INFO.KEPT', '')).toContain('"messages":1');
  });

  test('runs a configuration with variables and says why one is refused', async () => {
    await using server = await startNats({
      config: 'authorization { token: $TOKEN }\n',
      environment: { TOKEN: 'a-token-of-the-test' },
    });
    expect(await ask(server.port, undefined, /INFO.*\r\n/)).toContain('"auth_required":true');
    await expect(startNats({ config: 'nonsense {' })).rejects.toThrow(/nats-server ended.*\n.*/);
  });

  test('is silent while paused and answers again once resumed', async () => {
    await using server = await startNats();
    server.pause();
    await expect(ask(server.port, undefined, /INFO/)).rejects.toThrow('silent');
    server.resume();
    expect(await ask(server.port, undefined, /INFO/)).toContain('INFO');
  });

  test('removes a temporary directory at stop and keeps a given one', async () => {
    const temporary = await startNats();
    await temporary.stop();
    expect(existsSync(temporary.dataDirectory)).toBe(false);
    expect(isAlive(temporary.pid)).toBe(false);

    const dataDir = mkdtempSync(join(tmpdir(), 'gateway-kept-'));
    const kept = await startNats({ dataDir });
    await kept.stop();
    expect(existsSync(kept.logFile)).toBe(true);
    await rm(dataDir, { recursive: true });
  });

  test('dies with a parent that is killed', async () => {
    const script = fileURLToPath(new URL('parent-main.ts', import.meta.url));
    const parent = spawn(process.execPath, [script], { stdio: ['ignore', 'pipe', 'inherit'] });
    const [line] = (await once(parent.stdout, 'data')) as [Buffer];
    const { pid, logFile } = JSON.parse(line.toString());
    expect(isAlive(pid)).toBe(true);
    parent.kill('SIGKILL');
    await waitFor(() => !isAlive(pid), { what: 'the server to die with its parent' });
    await rm(dirname(logFile), { recursive: true });
  });
});

describe('startRedis', () => {
  test('keeps acknowledged writes over SIGKILL and restart', async () => {
    await using server = await startRedis();
    expect(await ask(server.port, 'SET name value\r\n', /\r\n/)).toBe('+OK\r\n');
    await server.kill();
    await server.restart();
    expect(await ask(server.port, 'GET name\r\n', /\r\n.*\r\n/)).toBe('$5\r\nvalue\r\n');
  });
});

describe('startPostgres', () => {
  // Root runs it as another user, and its own directories are closed to others.
  test('keeps its data in a directory that nobody else may enter', async () => {
    const closed = mkdtempSync(join(tmpdir(), 'gateway-closed-'));
    const server = await startPostgres({ dataDir: join(closed, 'postgres') });
    await server.createDatabase();
    await server.stop();
    await rm(closed, { recursive: true });
  });

  test('keeps committed rows over SIGKILL and restart', async () => {
    await using server = await startPostgres();
    const target = { port: server.port, user: 'gateway', database: 'gateway' };
    await runStatements(target, 'CREATE TABLE kept (n int); INSERT INTO kept VALUES (7)');
    await server.kill();
    await server.restart();
    const check = (n: number) =>
      `DO $$ BEGIN ASSERT (SELECT array_agg(n) FROM kept) = '{${n}}'; END $$`;
    await runStatements(target, check(7));
    await expect(runStatements(target, check(8))).rejects.toThrow('assertion failed');
  });

  test('makes databases apart from each other, also as copies of one', async () => {
    await using server = await startPostgres();
    const open = async (template?: string) => {
      const url = new URL(await server.createDatabase(template));
      const database = url.pathname.slice(1);
      return { port: Number(url.port), user: url.username, database };
    };
    const first = await open();
    await runStatements(first, 'CREATE TABLE only_here (n int)');
    const second = await open();
    await expect(runStatements(second, 'SELECT * FROM only_here')).rejects.toThrow('not exist');
    const copy = await open(first.database);
    await runStatements(copy, 'SELECT * FROM only_here');
  });
});
