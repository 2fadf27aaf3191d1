import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { describe, expect, test } from 'vitest';
import { createAccessControl } from '../auth/token-access-control.ts';
import { systemClock } from '../lib/clock.ts';
import { ConfigError, parseConfig } from './config.ts';
import { resolveSecrets } from './local-secrets.ts';
import { describeSettings, environmentExample, settingsTable } from './settings.ts';

const production = {
  NODE_ENV: 'production',
  SESSION_SECRET: 'a-session-secret-of-thirty-two-characters',
  PAYMENT_WEBHOOK_SECRET: 'whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=',
};
const root = join(import.meta.dirname, '../..');
const emptyFolder = (): string => join(mkdtempSync(join(tmpdir(), 'stockcast-config-')), 'data');

/** The text with which this environment is refused. */
function refusal(environment: Record<string, string>): string {
  try {
    parseConfig(environment);
  } catch (error) {
    if (error instanceof ConfigError) return error.message;
    throw error;
  }
  return 'accepted';
}

describe('the environment', () => {
  test('[HT-22] without any setting the server is a demo on this machine only', () => {
    expect(parseConfig({})).toMatchObject({
      mode: 'development',
      host: '127.0.0.1',
      port: 3000,
      dataDir: 'data',
      redisUrl: null,
      databaseUrl: null,
      demo: true,
      allowedOrigins: [],
      trustProxy: 0,
      transports: ['websocket', 'polling'],
    });
    expect(parseConfig({ TRANSPORTS: 'websocket' }).transports).toEqual(['websocket']);
    expect(refusal({ TRANSPORTS: 'carrier pigeon' })).toContain('TRANSPORTS: websocket,polling or websocket');
    expect(Object.isFrozen(parseConfig({}))).toBe(true);
    expect(parseConfig({ PORT: '', REDIS_URL: ' ' })).toEqual(parseConfig({}));
  });

  test('[HT-22] production listens for everybody and is no demo, unless told', () => {
    expect(parseConfig(production)).toMatchObject({ host: '0.0.0.0', demo: false });
    expect(parseConfig({ ...production, HOST: '::1', DEMO: 'on' })).toMatchObject({ host: '::1', demo: true });
  });

  test('[AC-12] production without its secrets is refused, and the text says what to set', () => {
    const message = refusal({ NODE_ENV: 'production' });
    expect(message).toContain('SESSION_SECRET: needed in production');
    expect(message).toContain('PAYMENT_WEBHOOK_SECRET: needed in production');
    const suggestion = /SESSION_SECRET: .* would be (\S+)/.exec(message)?.[1] ?? '';
    expect(parseConfig({ ...production, SESSION_SECRET: suggestion }).sessionSecret).toBe(suggestion);
  });

  test('[AC-12] weak secrets are refused everywhere', () => {
    expect(refusal({ SESSION_SECRET: 'short' })).toContain('SESSION_SECRET: at least 32 characters');
    expect(refusal({ PAYMENT_WEBHOOK_SECRET: 'whsec_c2hvcnQ=' })).toContain('24 random bytes');
    expect(refusal({ PAYMENT_WEBHOOK_SECRET: 'x'.repeat(40) })).toContain('whsec_');
    expect(refusal({ METRICS_TOKEN: 'short' })).toContain('METRICS_TOKEN');
  });

  test('[HT-22] every mistake is listed at once', () => {
    const message = refusal({
      PORT: '70000',
      REDIS_URL: 'localhost:6379',
      DATABASE_URL: 'mysql://x',
      LOG_LEVEL: 'loud',
      PUBLIC_URL: 'https://x.example/path',
      DEMO: 'maybe',
      PENDING_LEASE_MS: '2.5',
      ALLOWED_ORIGINS: 'https://a.example,b.example',
      PAYMENT_PAGE_URL: 'https://pay.example/',
    });
    for (const name of [
      'PORT',
      'REDIS_URL',
      'DATABASE_URL',
      'LOG_LEVEL',
      'PUBLIC_URL',
      'DEMO',
      'PENDING_LEASE_MS',
      'ALLOWED_ORIGINS.1',
      'PAYMENT_PAGE_URL',
    ]) {
      expect(message).toContain(`  - ${name}: `);
    }
  });

  test('[HT-22] origins and numbers are understood as people write them', () => {
    const config = parseConfig({
      PUBLIC_URL: 'https://Live.Shop.example/',
      ALLOWED_ORIGINS: ' https://a.example , https://b.example:8443,',
      PORT: '0',
    });
    expect(config.publicUrl).toBe('https://live.shop.example');
    expect(config.allowedOrigins).toEqual(['https://a.example', 'https://b.example:8443']);
    expect(config.port).toBe(0);
  });
});

describe('descriptions', () => {
  test('[HT-22] .env.example names every setting and no other, and is what the schema prints', () => {
    const file = readFileSync(join(root, '.env.example'), 'utf8');
    const named = [...file.matchAll(/^# ([A-Z_]+)=/gm)].map(([, name]) => name);
    expect(named).toEqual(describeSettings().map(({ name }) => name));
    expect(named.length).toBeGreaterThan(10);
    expect(file).toBe(environmentExample());
  });

  test('[HT-22] the defaults that are described are those that hold', () => {
    const described = Object.fromEntries(
      describeSettings()
        .filter(({ about }) => /^\d+$|^(data|info|development)$/.test(about.fallback))
        .map(({ name, about }) => [name, about.fallback]),
    );
    expect(Object.keys(described).length).toBeGreaterThan(8);
    expect(parseConfig(described)).toEqual(parseConfig({}));
  });

  test('[HT-22] every example can be used as it stands', () => {
    const examples = describeSettings().filter(
      ({ about }) => about.example !== undefined && !about.example.startsWith('('),
    );
    expect(examples.length).toBeGreaterThan(4);
    for (const { name, about } of examples) expect(() => parseConfig({ [name]: about.example })).not.toThrow();
    expect(
      settingsTable()
        .split('\n')
        .filter((line) => line.startsWith('| `')),
    ).toHaveLength(describeSettings().length);
  });
});

describe('secrets of the first start', () => {
  test('[AC-13] are made once, for their owner only, and kept', async () => {
    const dataDir = emptyFolder();
    const config = parseConfig({ DATA_DIR: dataDir });
    const first = await resolveSecrets(config);
    expect(await resolveSecrets(config)).toEqual(first);
    expect(
      parseConfig({ SESSION_SECRET: first.sessionSecret, PAYMENT_WEBHOOK_SECRET: first.paymentWebhookSecret }),
    ).toBeTruthy();
    expect(statSync(join(dataDir, 'secrets.json')).mode & 0o777).toBe(0o600);
    expect(statSync(dataDir).mode & 0o777).toBe(0o700);
  });

  test('[AC-13] two processes that start at once agree', async () => {
    const config = parseConfig({ DATA_DIR: emptyFolder() });
    const all = await Promise.all(Array.from({ length: 8 }, () => resolveSecrets(config)));
    expect(new Set(all.map((each) => each.sessionSecret)).size).toBe(1);
  });

  test('[AC-13] a configured secret wins, and then nothing is written', async () => {
    const dataDir = emptyFolder();
    const secrets = await resolveSecrets(parseConfig({ ...production, DATA_DIR: dataDir }));
    expect(secrets.sessionSecret).toBe(production.SESSION_SECRET);
    expect(existsSync(dataDir)).toBe(false);
    const half = await resolveSecrets(parseConfig({ DATA_DIR: dataDir, SESSION_SECRET: production.SESSION_SECRET }));
    expect(half.sessionSecret).toBe(production.SESSION_SECRET);
    expect(half.paymentWebhookSecret).toMatch(/^whsec_/);
  });

  test('[AC-13] a damaged file is refused, never replaced in silence', async () => {
    const dataDir = emptyFolder();
    const config = parseConfig({ DATA_DIR: dataDir });
    await resolveSecrets(config);
    for (const content of ['', '{"sessionSecret":"short"}']) {
      writeFileSync(join(dataDir, 'secrets.json'), content);
      await expect(resolveSecrets(config)).rejects.toThrow(ConfigError);
    }
  });
});

/** Runs `npm run access` as its script is written. */
async function runAccess(environment: Record<string, string>, ...args: string[]) {
  const script = join(root, 'tools/access.ts');
  const child = spawn(process.execPath, ['--import', 'tsx', script, ...args], {
    cwd: root,
    env: environment,
  });
  const [out, err] = await Promise.all([text(child.stdout), text(child.stderr)]);
  return { out: out.trim(), err };
}

test('[AC-16] npm run access prints a link that the server with the same folder accepts', {
  timeout: 30_000,
}, async () => {
  const environment = { DATA_DIR: emptyFolder(), PORT: '3999' };
  const { out } = await runAccess(environment, '--role', 'operator', '--livestream', 'demo', '--buyer', 'amy');
  const [, token = ''] = /^http:\/\/localhost:3999\/operator\/\?livestream=demo#token=(\S+)$/.exec(out) ?? [];
  const { sessionSecret } = await resolveSecrets(parseConfig(environment));
  const access = createAccessControl({ secret: sessionSecret, secureCookies: false, clock: systemClock });
  expect(await access.verify(token)).toEqual({
    role: 'operator',
    livestreamId: 'demo',
    buyerId: 'amy',
    deviceId: null,
  });
  const wrong = await runAccess(environment, '--role', 'operator');
  expect([wrong.out, wrong.err.includes('need --livestream')]).toEqual(['', true]);
});
