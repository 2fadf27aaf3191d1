import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { routes } from '../../contract/routes.ts';
import { ApiClient } from '../../load-tests/lib/api-client.ts';
import { seededRandom } from '../../load-tests/lib/random.ts';
import { buildStage } from '../../load-tests/lib/stage.ts';
import { Viewer } from '../../load-tests/lib/viewer.ts';
import { type Certificate, makeCertificate } from '../services/certificates.ts';
import { startPostgresServer, type TestPostgres } from '../services/postgres-server.ts';
import { freePort, RedisProcess, soonTrue } from '../services/redis-process.ts';
import { startServerProcess } from '../services/server-process.ts';

const soon = { timeout: 60_000, interval: 50 };
const livestreamId = 'encrypted';

let directory = '';
let certificate: Certificate;
let postgres: TestPostgres;
const started: RedisProcess[] = [];
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'stockcast-tls-'));
  certificate = await makeCertificate(directory);
  postgres = await startPostgresServer();
});
afterAll(async () => {
  await Promise.all([postgres.stop(), ...started.map((process) => process.kill())]);
  await rm(directory, { recursive: true, force: true });
});

/** Its port for TLS, beside the plain one that the test itself uses. */
type Secured = { readonly process: RedisProcess; readonly tlsPort: number };

async function folder(): Promise<string> {
  const own = join(directory, String(started.length));
  await mkdir(own);
  return own;
}

function securedSettings(tlsPort: number): Record<string, string> {
  return {
    'tls-port': String(tlsPort),
    'tls-cert-file': certificate.certificate,
    'tls-key-file': certificate.key,
    'tls-ca-cert-file': certificate.certificate,
    'tls-auth-clients': 'no',
    'tls-replication': 'yes',
  };
}

async function startSecured(more: Readonly<Record<string, string>> = {}): Promise<Secured> {
  const tlsPort = await freePort();
  const settings = { ...securedSettings(tlsPort), save: '', requirepass: 'hunter2', ...more };
  const process = await RedisProcess.start({ directory: await folder(), settings, password: 'hunter2' });
  started.push(process);
  return { process, tlsPort };
}

/** Where a server of its own keeps what it keeps. */
const places = async () => ({ dataDir: directory, databaseUrl: await postgres.createDatabase() });

/** The address of each shape, and the server that holds the gate there. */
const shapes = {
  async single() {
    const { process, tlsPort } = await startSecured();
    return { process, url: `rediss://:hunter2@localhost:${tlsPort}` };
  },
  async cluster() {
    const bus = { 'cluster-enabled': 'yes', 'tls-cluster': 'yes', 'cluster-port': String(await freePort()) };
    const { process, tlsPort } = await startSecured(bus);
    await process.lines('CLUSTER ADDSLOTSRANGE 0 16383');
    await soonTrue('the cluster is well', async () =>
      (await process.command('CLUSTER INFO')).includes('cluster_state:ok'),
    );
    return { process, url: `rediss+cluster://:hunter2@127.0.0.1:${tlsPort}` };
  },
  async sentinel() {
    const { process, tlsPort } = await startSecured();
    const port = await freePort();
    const lines = Object.entries(securedSettings(port)).map(([name, value]) => `${name} ${value}`);
    const watched = [`sentinel monitor mymaster 127.0.0.1 ${tlsPort} 1`, 'sentinel auth-pass mymaster hunter2'];
    const sentinel = await RedisProcess.start({
      directory: await folder(),
      settings: {},
      sentinel: [...lines, ...watched],
    });
    started.push(sentinel);
    await soonTrue('the sentinel sees the primary', async () =>
      (await sentinel.lines('SENTINEL MASTER mymaster')).includes('master'),
    );
    return { process, url: `rediss+sentinel://:hunter2@127.0.0.1:${port}/mymaster` };
  },
};

test.each(Object.entries(shapes))(
  '[RD-2] %s over TLS: orders and levels, also after its connections were cut',
  async (_shape, start) => {
    const { process, url } = await start();
    const environment = { DEMO: 'false', NODE_EXTRA_CA_CERTS: certificate.certificate };
    const server = await startServerProcess({ ...(await places()), redisUrl: url, environment });
    const api = new ApiClient(server.url, { timeoutMs: 20_000 });
    try {
      const items = [{ skuId: 'tea', title: 'Tea', priceMinor: 990, currency: 'CNY', allotted: 10 }];
      const night = { livestreamId, title: 'Night', holdTtlMs: 600_000, items };
      await buildStage(api, await server.token({ role: 'admin' }), night);
      const token = await server.token({ role: 'viewer', livestreamId, buyerId: 'buyer' });
      const now = () => performance.now();
      const random = seededRandom(1);
      const watching = { url: server.url, livestreamId, token, lane: 'viewers' as const, strict: true, now, random };
      const viewer = await Viewer.watch(watching);
      const buy = async (key: string): Promise<string> => {
        const body = { idempotencyKey: `key-of-the-${key}`, lines: [{ skuId: 'tea', quantity: 1 }] };
        const result = await api.call(routes.placeOrder, { token, params: { livestreamId }, body });
        return result.ok ? 'accepted' : result.error.code;
      };
      expect(await buy('first')).toBe('accepted');
      await expect.poll(() => viewer.book.rows.get(0)?.shown, soon).toBe(9);
      for (const kind of ['normal', 'pubsub']) await process.lines(`CLIENT KILL TYPE ${kind}`);
      await expect.poll(() => buy('second'), soon).toBe('accepted');
      await expect.poll(() => viewer.book.rows.get(0)?.shown, soon).toBe(8);
      viewer.stop();
    } finally {
      api.close();
      await server.kill();
    }
  },
);

test('[RD-2] a certificate that nobody here trusts ends the start with a sentence, without the password', async () => {
  const { url } = await shapes.single();
  const starting = startServerProcess({ ...(await places()), redisUrl: url });
  const said = await starting.then(
    async (server) => {
      await server.kill();
      return 'started';
    },
    (error: unknown) => String(error),
  );
  expect(said).toMatch(/Redis is away: .*self-signed certificate.*REDIS_URL/);
  expect(said).not.toContain('hunter2');
});
