/** Providers whose servers cannot be found, reached or trusted: no request leaves for any of them. */
import { execFile, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import type { IncomingMessage } from 'node:http';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { getCACertificates, setDefaultCACertificates } from 'node:tls';
import { promisify } from 'node:util';
import { describe, expect, onTestFinished, test } from 'vitest';
import { failure, open, options, request } from './upstream-harness.ts';

const run = promisify(execFile);

const HAS_OPENSSL = spawnSync('openssl', ['version']).status === 0;
if (!HAS_OPENSSL) console.warn('openssl is not on PATH: certificates of providers are not tested');

const FROM = '20200101000000Z';
const UNTIL = '20991231000000Z';
const LONG_AGO = '20200102000000Z';

interface Certificate {
  readonly cert: Buffer;
  readonly key: Buffer;
}

/** Unlike `openssl req`, `openssl ca` takes times in every version. */
const AUTHORITY = `
[ca]
default_ca = itself
[itself]
database = index.txt
rand_serial = yes
new_certs_dir = .
default_md = sha256
policy = any
copy_extensions = copy
[any]
commonName = supplied
`;

/** Signed by itself, for these names. */
async function makeCertificate(names: string, until = UNTIL): Promise<Certificate> {
  const cwd = await mkdtemp(join(tmpdir(), 'certificate-'));
  const read = (name: string) => readFile(join(cwd, name));
  const openssl = (...line: string[]) => run('openssl', line, { cwd });
  try {
    await writeFile(join(cwd, 'authority.cnf'), AUTHORITY);
    await writeFile(join(cwd, 'index.txt'), '');
    const kind = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes'];
    const subject = ['-subj', '/CN=test', '-addext', `subjectAltName=${names}`];
    await openssl('req', '-new', ...kind, ...subject, '-keyout', 'key.pem', '-out', 'asked.pem');
    const signed = ['-selfsign', '-keyfile', 'key.pem', '-in', 'asked.pem', '-out', 'cert.pem'];
    const times = ['-startdate', FROM, '-enddate', until];
    await openssl('ca', '-config', 'authority.cnf', '-batch', '-notext', ...signed, ...times);
    return { cert: await read('cert.pem'), key: await read('key.pem') };
  } finally {
    await rm(cwd, { recursive: true });
  }
}

/** Adds it to the authorities that this process trusts, as an operator would, until the test ends. */
function trust({ cert }: Certificate): void {
  const before = getCACertificates('default');
  onTestFinished(() => setDefaultCACertificates(before));
  setDefaultCACertificates([...before, cert.toString()]);
}

/** A provider's server with this certificate, at `https://127.0.0.1`. */
async function startTls(certificate: Certificate) {
  const requests: IncomingMessage[] = [];
  const server = createServer(certificate, (incoming, response) => {
    requests.push(incoming);
    response.end('{}');
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  return { requests, baseUrl: `https://127.0.0.1:${(server.address() as AddressInfo).port}` };
}

describe('a provider', () => {
  test('whose name nobody knows is unavailable', async () => {
    // Longer than a label may be (RFC 1035 §2.3.4), so that it is known without asking a server.
    const host = `${'a'.repeat(64)}.invalid`;
    for (const scheme of ['https', 'http']) {
      const provider = open({ baseUrl: `${scheme}://${host}` });
      const error = await failure(provider.send(request, options()));
      expect(error).toMatchObject({ code: 'provider_unavailable', status: 502 });
      expect(error.message).not.toContain(host);
      expect(error.facts.detail).toMatch(/ENOTFOUND/);
    }
  });

  test.skipIf(!HAS_OPENSSL).for([
    { title: 'signed by itself', names: 'IP:127.0.0.1', reason: /SELF_SIGNED/ },
    { title: 'for another name', names: 'DNS:other.example', isTrusted: true, reason: /ALTNAME/ },
    {
      title: 'that has expired',
      names: 'IP:127.0.0.1',
      until: LONG_AGO,
      isTrusted: true,
      reason: /CERT_HAS_EXPIRED/,
    },
  ])('with a certificate $title gets no request', async (one) => {
    const certificate = await makeCertificate(one.names, one.until);
    if (one.isTrusted) trust(certificate);
    const { requests, baseUrl } = await startTls(certificate);
    const error = await failure(open({ baseUrl }).send(request, options()));
    expect(error).toMatchObject({ code: 'provider_unavailable', status: 502 });
    expect(error.facts.detail).toMatch(one.reason);
    expect(error.message).not.toContain('127.0.0.1');
    expect(requests).toEqual([]);
  });

  test.skipIf(!HAS_OPENSSL)('with a certificate that is trusted is asked', async () => {
    const certificate = await makeCertificate('IP:127.0.0.1');
    trust(certificate);
    const { requests, baseUrl } = await startTls(certificate);
    expect((await open({ baseUrl }).send(request, options())).status).toBe(200);
    expect(requests).toHaveLength(1);
  });
});
