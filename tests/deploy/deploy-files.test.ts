import { expect, test } from 'vitest';
import { parse } from 'yaml';
import * as z from 'zod';
import { parseConfig } from '../../server/config/config.ts';
import { describeSettings } from '../../server/config/settings.ts';
import { exists, expectNone, read } from '../tidy/project-files.ts';
import { copyOf, stagesOf } from './dockerfile.ts';

const settings = new Set(describeSettings().map(({ name }) => name));

const Service = z.object({
  image: z.string(),
  environment: z.record(z.string(), z.string()).optional(),
  healthcheck: z.object({ test: z.array(z.string()) }).optional(),
  command: z.array(z.string()).optional(),
  depends_on: z.record(z.string(), z.object({ condition: z.literal('service_healthy') })).optional(),
  stop_grace_period: z.string().optional(),
  volumes: z.array(z.string()).optional(),
});
const Compose = z.object({ services: z.record(z.string(), Service), volumes: z.record(z.string(), z.null()) });
const compose = Compose.parse(parse(read('compose.yaml'), { merge: true }));
const nodes = Object.entries(compose.services).filter(([, { image }]) => image === 'stockcast');

test('[CU-14] everything that the image copies exists, and the context lets it through', () => {
  const copies = [...stagesOf('Dockerfile').values()]
    .flat()
    .filter(({ name }) => name === 'COPY')
    .map(copyOf);
  const sources = copies.filter(({ from }) => from === null).flatMap((copy) => copy.sources);
  expect(sources.length).toBeGreaterThan(8);
  expectNone(
    sources.filter((path) => !exists(path)),
    'The Dockerfile copies what is not there:',
  );
  const let_in =
    read('.dockerignore')
      .match(/^!\S+/gm)
      ?.map((line) => line.slice(1)) ?? [];
  expectNone(
    sources.filter((path) => !let_in.some((allowed) => path === allowed || path.startsWith(`${allowed}/`))),
    '.dockerignore keeps these out of the context:',
  );
  for (const secret of ['.env', 'data', 'deploy']) expect(let_in).not.toContain(secret);
});

test('[CU-14] the image is production, not root, says how it is, and signals reach the server itself', () => {
  const final = stagesOf('Dockerfile').get('final') ?? [];
  const of = (name: string) => final.filter((each) => each.name === name).map(({ rest }) => rest);
  expect(of('USER')).toEqual(['node']);
  expect(of('ENV').join(' ')).toContain('NODE_ENV=production');
  for (const [, name = ''] of of('ENV')
    .join(' ')
    .matchAll(/([A-Z_]+)=/g))
    expect(settings).toContain(name);
  expect(JSON.parse(of('CMD')[0] ?? '')).toEqual(['node', '--import', 'tsx', 'server/main.ts']);
  expect(of('HEALTHCHECK')[0]).toContain('/healthz');
});

test('[CU-14] the nodes of compose.yaml get settings that exist, secrets that must be given, and time to drain', () => {
  expect(nodes.map(([name]) => name)).toEqual(['app-1', 'app-2']);
  const example = read('deploy/env.example');
  for (const [, { environment = {}, healthcheck, stop_grace_period: grace = '0s' }] of nodes) {
    expect(Object.keys(environment).length).toBeGreaterThan(8);
    for (const name of Object.keys(environment)) expect(settings, name).toContain(name);
    for (const secret of ['SESSION_SECRET', 'PAYMENT_WEBHOOK_SECRET', 'PUBLIC_URL', 'VAPID_PRIVATE_KEY']) {
      expect(environment[secret]).toMatch(new RegExp(`^\\$\\{${secret}:\\?`));
    }
    const given = {
      SESSION_SECRET: 's'.repeat(40),
      PAYMENT_WEBHOOK_SECRET: `whsec_${Buffer.alloc(32, 7).toString('base64')}`,
    };
    const literal = Object.fromEntries(Object.entries(environment).filter(([, value]) => !value.includes('${')));
    const config = parseConfig({ NODE_ENV: 'production', ...given, ...literal });
    expect(Number.parseInt(grace, 10) * 1_000).toBeGreaterThan(config.drainNoticeMs + config.shutdownGraceMs);
    expect(config.trustProxy).toBe(1);
    expect(healthcheck?.test.join(' ')).toContain('/readyz');
    for (const [, name = ''] of Object.values(environment)
      .join(' ')
      .matchAll(/\$\{([A-Z_]+)/g)) {
      expect(example, `deploy/env.example names ${name}`).toMatch(new RegExp(`^(# )?${name}=`, 'm'));
    }
  }
});

test('[CU-14] Redis throws nothing away, PostgreSQL keeps its files, and nginx knows every node', () => {
  const { redis, postgres, nginx } = compose.services;
  expect(redis?.command?.join(' ')).toContain('--appendonly yes --maxmemory-policy noeviction');
  for (const volume of [redis?.volumes?.[0], postgres?.volumes?.[0]]) {
    expect(Object.keys(compose.volumes)).toContain(volume?.split(':')[0]);
  }
  const [file = ''] = nginx?.volumes?.[0]?.split(':') ?? [];
  const upstreams = [...read(file.replace(/^\.\//, '')).matchAll(/^\s*server ([\w-]+):3000 /gm)].map(
    ([, name]) => name,
  );
  expect(upstreams).toEqual(nodes.map(([name]) => name));
  for (const [name, { depends_on: needs = {} }] of Object.entries(compose.services)) {
    for (const needed of Object.keys(needs)) {
      expect(compose.services[needed]?.healthcheck, `${name} waits for ${needed} to be healthy`).toBeDefined();
    }
  }
});
