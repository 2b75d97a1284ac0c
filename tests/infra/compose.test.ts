/** What `docker compose up` would run, read without Docker. `image.test.ts` starts parts of it. */

import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { SERVICES } from '@gateway/protocol';
import { repositoryRoot } from '@gateway/testing';
import { describe, expect, test } from 'vitest';
import { composeText, composeVariables, readCompose, readEnvironmentFile } from './compose-file.ts';
import { namesRead, type ProcessName, settingsProblems } from './settings-read.ts';

const example = readEnvironmentFile('.env.example');
/** What someone who follows `.env.example` has: every empty secret filled in. */
const filled = Object.fromEntries(
  [...example].map(([name, value]) => [
    name,
    value === '' && /_PASSWORD$|PEPPER$|ADMIN_KEY$/.test(name) ? `p-${name}-0123456789` : value,
  ]),
);
const compose = readCompose(filled);
const services = Object.entries(compose.services);
const service = (name: string) => {
  const found = compose.services[name];
  if (found === undefined) throw new Error(`${name} is not in docker-compose.yml`);
  return found;
};
const OURS: readonly ProcessName[] = [...SERVICES, 'provision'];
const CONFIGURATION = join(repositoryRoot, 'config/gateway.example.yaml');
/** Runs once, to make the volumes writable for the others. */
const ROOT = 'volumes';
const ONE_SHOT = [ROOT, 'provision'];

describe('docker-compose.yml', () => {
  test('has the five services, their servers and the traces', () => {
    expect(Object.keys(compose.services).sort()).toEqual(
      [
        ...SERVICES,
        ...['nats', 'postgres', 'redis-cache', 'redis-limits', 'otel-collector', 'jaeger'],
        ...ONE_SHOT,
      ].sort(),
    );
  });

  test.each(services)('%s is confined', (name, definition) => {
    expect(definition).toMatchObject({
      read_only: true,
      cap_drop: ['ALL'],
      security_opt: ['no-new-privileges:true'],
    });
    if (name === ROOT) {
      expect(definition).toMatchObject({ cap_add: ['CHOWN'], network_mode: 'none' });
      return;
    }
    expect(definition.cap_add).toEqual([]);
    expect(definition.user).toMatch(/^(\d{2,}:\d{2,}|redis|postgres)$/);
    expect(definition.tmpfs).toContain('/tmp');
    expect(definition.logging?.options).toEqual({ 'max-size': '10m', 'max-file': '5' });
  });

  test.each(services)('%s starts again by itself, and says how it is', (name, definition) => {
    const isOneShot = ONE_SHOT.includes(name);
    expect(definition.restart).toMatch(isOneShot ? /^(no|on-failure)$/ : /^unless-stopped$/);
    // The collector's image has no program that could ask.
    const isChecked = !isOneShot && name !== 'otel-collector';
    expect(definition.healthcheck !== undefined).toBe(isChecked);
  });

  test.each(services)('%s takes a pinned image, or the one built here', (name, definition) => {
    expect(definition.image === undefined).toBe(definition.build !== undefined);
    if (definition.build === undefined) {
      expect(definition.image).toMatch(/^[a-z0-9/-]+:\d+[\w.-]*$/);
      return;
    }
    expect(definition.build.context).toBe('.');
    const { SERVICE } = definition.build.args;
    expect(SERVICE).toBe(name === 'provision' ? 'ingress' : name);
    expect(existsSync(join(repositoryRoot, `services/${SERVICE}/src/main.ts`))).toBe(true);
  });

  test('takes a nats-server that the bus supports', () => {
    const [, major, minor] = /^nats:(\d+)\.(\d+)/.exec(service('nats').image ?? '') ?? [];
    expect(Number(major) * 100 + Number(minor)).toBeGreaterThanOrEqual(212);
  });

  test('publishes the ingress where the user says, by default on loopback, and Jaeger there', () => {
    const published = services.filter(([, { ports }]) => ports.length > 0);
    expect(Object.fromEntries(published.map(([name, { ports }]) => [name, ports]))).toEqual({
      ingress: ['127.0.0.1:8080:8080'],
      jaeger: ['127.0.0.1:16686:16686'],
    });
    const open = readCompose({ ...filled, GATEWAY_BIND: '0.0.0.0', GATEWAY_PORT: '80' });
    expect(open.services.ingress?.ports).toEqual(['0.0.0.0:80:8080']);
  });

  test('lets only the published and the provider workers out of the internal network', () => {
    expect(compose.networks.internal).toEqual({ internal: true });
    const elsewhere = services
      .filter(([, { networks }]) => networks.some((network) => network !== 'internal'))
      .map(([name, { networks }]) => [name, networks]);
    expect(Object.fromEntries(elsewhere)).toEqual({
      jaeger: ['internal', 'published'],
      ingress: ['internal', 'published'],
      'provider-worker': ['internal', 'outbound'],
    });
    const used = new Set(services.flatMap(([, { networks }]) => networks));
    expect([...used].sort()).toEqual(Object.keys(compose.networks).sort());
  });

  test('keeps configuration, logs and the data of every server in named volumes', () => {
    const named = new Map<string, string[]>();
    for (const [name, { volumes }] of services) {
      for (const mount of volumes) {
        const [source = '', target = '', mode] = mount.split(':');
        if (source.startsWith('./')) {
          expect(mode).toBe('ro');
          expect(existsSync(join(repositoryRoot, source))).toBe(true);
        } else {
          named.set(source, [...(named.get(source) ?? []), `${name}:${target}`]);
        }
      }
    }
    expect([...named.keys()].sort()).toEqual(Object.keys(compose.volumes).sort());
    expect(named.get('configuration')).toEqual(['ingress:/etc/gateway']);
    expect(named.get('nats')).toContain('nats:/data');
    expect(named.get('redis-limits')).toEqual(['redis-limits:/data']);
    expect(named.get('redis-cache')).toEqual(['redis-cache:/data']);
    expect(named.get('postgres')).toEqual(['postgres:/var/lib/postgresql/data']);
    expect(named.get('spool')).toEqual([
      'volumes:/spool',
      ...['ingress', 'provider-worker', 'audit-writer'].map(
        (name) => `${name}:/var/lib/gateway/spool`,
      ),
    ]);
    for (const name of SERVICES) expect(named.get('logs')).toContain(`${name}:/var/log/gateway`);
  });

  test('starts nothing before what it needs', () => {
    for (const [name, { depends_on }] of services) {
      for (const [needed, { condition }] of Object.entries(depends_on)) {
        const { healthcheck } = service(needed);
        const fitting = ONE_SHOT.includes(needed)
          ? 'service_completed_successfully'
          : healthcheck && name !== 'otel-collector'
            ? 'service_healthy'
            : 'service_started';
        expect(`${name} → ${needed}: ${condition}`).toBe(`${name} → ${needed}: ${fitting}`);
      }
    }
    for (const name of SERVICES) {
      expect(Object.keys(service(name).depends_on)).toEqual(
        expect.arrayContaining(['volumes', 'provision']),
      );
    }
  });

  test('gives time to drain before it kills', () => {
    for (const name of SERVICES) expect(service(name).stop_grace_period).toBe('45s');
  });
});

describe('.env.example', () => {
  test('has every variable of docker-compose.yml and no others', () => {
    const used = new Set(composeVariables().map(({ name }) => name));
    expect([...example.keys()].sort()).toEqual([...used].sort());
  });

  test('says what docker-compose.yml does without it', () => {
    const differing = composeVariables()
      .filter(({ isRequired }) => !isRequired)
      .filter(({ name, default: value }) => example.get(name) !== value)
      .map(({ name }) => name);
    // The limit is on for those who copy the file; without it there is none.
    expect([...new Set(differing)].sort()).toEqual(['RATE_LIMIT_REQUESTS', 'RATE_LIMIT_WINDOW']);
  });

  test('leaves secrets empty, and the start names each that is required', () => {
    const required = composeVariables().filter(({ isRequired }) => isRequired);
    for (const { name } of required) {
      expect(example.get(name)).toBe('');
      expect(() => readCompose({ ...filled, [name]: '' })).toThrow(name);
    }
    expect(new Set(required.map(({ name }) => name)).size).toBe(10);
  });

  test('has no text that looks like a key', () => {
    expect(composeText + [...example.values()].join()).not.toMatch(/\b(sk-|gw_|AIza)/);
  });
});

describe.each(OURS)('the environment of %s', (name) => {
  const { environment } = service(name);

  test('is one that it starts with', () => {
    const problems = settingsProblems(name, {
      ...environment,
      // These two are in volumes.
      LOG_FILE: undefined,
      ...(environment.GATEWAY_CONFIG && { GATEWAY_CONFIG: CONFIGURATION }),
    });
    expect(problems).toEqual([]);
  });

  test('has no name that it does not read', () => {
    const known = namesRead(name);
    const isKnown = (variable: string) => known.has(variable) || variable.startsWith('OTEL_');
    expect(Object.keys(environment).filter((variable) => !isKnown(variable))).toEqual([]);
  });

  test('has the bus user of its own', () => {
    expect(environment.NATS_USER).toBe(name === 'provision' ? 'provisioner' : name);
    const file = readFileSync(join(repositoryRoot, 'infra/nats/nats-server.conf'), 'utf8');
    expect(file).toContain(`user: ${environment.NATS_USER}\n`);
  });
});
