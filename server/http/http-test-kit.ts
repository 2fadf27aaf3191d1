import { mkdirSync, mkdtempSync, writeFileSync } from 'node:fs';
import { request } from 'node:http';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Grant } from '../../contract/access.ts';
import { routes } from '../../contract/routes.ts';
import type { OverlayTokens } from '../auth/overlay-tokens.ts';
import { createAccessControl } from '../auth/token-access-control.ts';
import { createRequestIds } from '../lib/request-id.ts';
import { createMetrics } from '../metrics/metrics.ts';
import { accessHandlers } from './access-routes.ts';
import { createHttpApp, type HttpDeps } from './app.ts';
import { createTestOrders, livestreamInfo, testCatalogue } from './http-test-domain.ts';
import { closeServer, createNodeServer, listen } from './node-server.ts';
import { createOrderFastPath, createRequestListener } from './order-fast-path.ts';
import { createOrderLink } from './order-link.ts';
import { orderHandlers } from './order-routes.ts';
import { paymentHandlers } from './payment-routes.ts';
import { createReadiness } from './readiness.ts';
import type { RouteHandlers } from './request.ts';
import { createSimulatedPayment } from './simulated-payment.ts';

/** What tests of the HTTP shell share: the real shell on a real port, around a small domain, and clients that repair nothing. */

export const webhookSecret = 'whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=';
export const testSecret = 'a secret of the tests, 32 characters at least';

/** A clock that stands until it is moved. */
export function standingClock(startAtMs = 1_800_000_000_000) {
  let nowMs = startAtMs;
  return {
    now: () => nowMs,
    advance(ms: number) {
      nowMs += ms;
    },
  };
}

/** Handlers of the routes that these tests do not call answer in a way that no test could take for a success. */
function unused(): RouteHandlers {
  const entries = Object.keys(routes).map((name) => [
    name,
    () => Promise.reject(new Error(`${name} is not part of this test`)),
  ]);
  return Object.fromEntries(entries);
}

export type TestServer = Awaited<ReturnType<typeof startTestServer>>;

type TestOptions = {
  config?: Partial<HttpDeps['config']>;
  handlers?: Partial<RouteHandlers>;
  withFastPath?: boolean;
  bodyTimeoutMs?: number;
  sessionsPerIpPerMinute?: number;
  probes?: Record<string, () => Promise<unknown>>;
  failPaymentsTimes?: number;
  overlays?: OverlayTokens;
};

export async function startTestServer(options: TestOptions = {}) {
  const parts = assemble(options);
  const { app, fastPath, payment, access } = parts;
  const server = createNodeServer(options.withFastPath === false ? app : createRequestListener(app, fastPath));
  const port = await listen(server, 0, '127.0.0.1');
  const url = parts.at(`http://127.0.0.1:${port}`);
  return {
    ...parts,
    server,
    port,
    url,
    issue: (grant: Partial<Grant> & Pick<Grant, 'role'>, ttlMs = 60_000): Promise<string> =>
      access.issue({ livestreamId: null, buyerId: null, deviceId: null, ...grant }, ttlMs),
    async stop() {
      await payment.stop();
      await closeServer(server, 100);
    },
  };
}

/** The real shell around the small domain. */
function assemble(options: TestOptions) {
  const clock = standingClock();
  const config = { publicUrl: null, allowedOrigins: [], trustProxy: 0, metricsToken: null, ...options.config };
  const access = createAccessControl({
    secret: testSecret,
    secureCookies: config.publicUrl !== null,
    clock,
    ...(options.overlays === undefined ? {} : { overlays: options.overlays }),
  });
  const metrics = createMetrics();
  const { log, lines } = recordingLog();
  const { service, orders, buyers, shedding } = createTestOrders(clock);
  const readiness = createReadiness({
    probes: options.probes ?? {},
    timeoutMs: 100,
    maxAgeMs: 0,
    clock,
    onFailing: (name) => log.warn({ probe: name }),
  });
  const link = createOrderLink({ secret: testSecret, paymentPageUrl: null, demo: true });
  let url = '';
  const payment = createSimulatedPayment({
    link,
    findOrder: async (orderId) => orders.get(orderId) ?? null,
    infoOf: (livestreamId) => testCatalogue.info(livestreamId),
    webhookSecret,
    serverUrl: () => url,
    publicUrl: config.publicUrl,
    log,
    clock,
  });
  const handlers: RouteHandlers = {
    ...unused(),
    ...accessHandlers({
      access,
      catalogue: testCatalogue,
      clock,
      sessionsPerIpPerMinute: options.sessionsPerIpPerMinute ?? 6_000,
    }),
    ...orderHandlers({ orders: service }),
    paymentCallback: failingFirst(options.failPaymentsTimes ?? 0, paymentHandlers({ orders: service }).paymentCallback),
    listLivestreams: async () => ({ livestreams: [livestreamInfo('live-1')] }),
    getLivestream: async ({ params }) => ({ livestream: livestreamInfo(params.livestreamId) }),
    ...options.handlers,
  };
  const shared = { access, metrics, readiness, config, log, nextRequestId: createRequestIds('test') };
  const extras = [{ path: '/pay/api', router: payment.router }];
  const app = createHttpApp({
    ...shared,
    handlers,
    paymentWebhookSecret: webhookSecret,
    clock,
    folders: testFolders(),
    extras,
  });
  const fastPath = createOrderFastPath({ ...shared, orders: service, bodyTimeoutMs: options.bodyTimeoutMs ?? 2_000 });
  const at = (address: string): string => (url = address);
  return { app, fastPath, payment, access, clock, metrics, readiness, lines, orders, buyers, shedding, link, at };
}

function recordingLog() {
  const lines: unknown[] = [];
  const note = (fields: unknown): void => void lines.push(fields);
  return { lines, log: { trace: note, debug: note, info: note, warn: note, error: note, fatal: note } };
}

function failingFirst(times: number, handler: RouteHandlers['paymentCallback']): RouteHandlers['paymentCallback'] {
  let failures = times;
  return async (input) => {
    if (failures === 0) return handler(input);
    failures -= 1;
    throw new Error('a payment that fails');
  };
}

function testFolders() {
  const root = mkdtempSync(join(tmpdir(), 'stockcast-pages-'));
  const write = (path: string, content: string): void => {
    mkdirSync(join(root, path, '..'), { recursive: true });
    writeFileSync(join(root, path), content);
  };
  write('pages/index.html', '<!doctype html><title>entrance</title>');
  write('pages/viewer/index.html', `<!doctype html><title>viewer</title>${'<p>item</p>'.repeat(300)}`);
  write('pages/assets/viewer-Bx3k9_aQ.js', 'export const page = "viewer";');
  write('demo/tea.svg', '<svg xmlns="http://www.w3.org/2000/svg"/>');
  return { pages: join(root, 'pages'), demoAssets: join(root, 'demo') };
}

export type Answer = { status: number; headers: Record<string, string | string[] | undefined>; text: string };

/** One request as it is, without what a browser or `fetch` would add, repair or forbid. */
export function send(
  url: string,
  options: { method?: string; headers?: Record<string, string>; body?: string | Buffer } = {},
): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const req = request(
      url,
      { method: options.method ?? 'GET', headers: options.headers ?? {}, agent: false },
      (res) => {
        const chunks: Buffer[] = [];
        res.on('data', (chunk: Buffer) => chunks.push(chunk));
        res.on('end', () =>
          resolve({ status: res.statusCode ?? 0, headers: res.headers, text: Buffer.concat(chunks).toString('utf8') }),
        );
      },
    );
    req.on('error', reject);
    req.end(options.body);
  });
}

export const sendJson = (url: string, body: unknown, headers: Record<string, string> = {}): Promise<Answer> =>
  send(url, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body: JSON.stringify(body),
  });

/** Bytes on a bare connection; resolves with everything that came back until the other side closed. */
export function sendRaw(port: number, bytes: string | Buffer): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect(port, '127.0.0.1', () => socket.write(bytes));
    const chunks: Buffer[] = [];
    socket.on('data', (chunk) => chunks.push(chunk));
    socket.on('close', () => resolve(Buffer.concat(chunks).toString('utf8')));
    socket.on('error', reject);
  });
}

/** The parsed body of an answer; what it holds is for the test to say. */
// oxlint-disable-next-line typescript/no-explicit-any -- an expectation on a wrong shape must fail as a value, not as a type
export const bodyOf = (answer: Pick<Answer, 'text'>): any => JSON.parse(answer.text);

export const codeOf = (answer: Answer): string | undefined => bodyOf(answer).error?.code;
