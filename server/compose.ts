import { randomBytes } from 'node:crypto';
import type { Server } from 'node:http';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import type { Logger } from 'pino';
import type { Registry } from 'prom-client';
import type { Grant } from '../contract/access.ts';
import { createOverlayTokens } from './auth/overlay-tokens.ts';
import { createAccessControl } from './auth/token-access-control.ts';
import { composeDesk } from './compose-desk.ts';
import type { Config } from './config/config.ts';
import { resolveSecrets } from './config/local-secrets.ts';
import { type OpenDatabase, openDatabase } from './db/database.ts';
import { showDatabase } from './db/database-metrics.ts';
import { createLeases } from './db/lease.ts';
import { accessHandlers } from './http/access-routes.ts';
import { createHttpApp } from './http/app.ts';
import { createDemoReplay, demoReplayRoutes } from './http/demo-replay.ts';
import { managementHandlers } from './http/management-routes.ts';
import { closeServer, createNodeServer, listen, stopAccepting } from './http/node-server.ts';
import { createOrderFastPath, createRequestListener } from './http/order-fast-path.ts';
import { createOrderLink } from './http/order-link.ts';
import { orderHandlers } from './http/order-routes.ts';
import { paymentHandlers } from './http/payment-routes.ts';
import { createReadiness } from './http/readiness.ts';
import { refundHandlers } from './http/refund-routes.ts';
import { createSimulatedPayment } from './http/simulated-payment.ts';
import { createSimulatedRefund } from './http/simulated-refund.ts';
import { steadyClock, systemClock } from './lib/clock.ts';
import { createRequestIds } from './lib/request-id.ts';
import { createSeldom } from './lib/seldom.ts';
import { createDemoLivestream } from './livestreams/demo-livestream.ts';
import { demoLivestreamId } from './livestreams/demo-show.ts';
import { createPrismaCatalogue } from './livestreams/prisma-catalogue.ts';
import { createMetrics } from './metrics/metrics.ts';
import { openGate } from './open-gate.ts';
import { startOrderPath } from './orders/order-path.ts';
import { createPrismaLedger } from './orders/prisma-ledger.ts';
import { createRefundDesk } from './orders/refund-desk.ts';
import { refundPausesMs } from './orders/refund-sender.ts';
import { createRealtime } from './realtime/realtime.ts';

export type RunningServer = {
  /** Where it answers, as `http://127.0.0.1:3000`. */
  readonly url: string;
  readonly database: 'postgresql' | 'pglite';
  readonly gate: 'redis' | 'memory';
  readonly demoLivestreamId: string | null;
  /** Tokens for access links and tests. */
  issue(grant: Grant, ttlMs: number): Promise<string>;
  readonly demoReplay: { start(): Promise<boolean> } | null;
  /** Stops accepting, lets orders under way finish, closes everything in the reverse order of starting. Idempotent. */
  stop(reason: string): Promise<void>;
};

/** What a process that shares its address with others gets from whoever started it. */
export type SharedAddress = {
  /** On every metric: which of the processes it is. */
  readonly labels: Readonly<Record<string, string>>;
  /** Hears where this process keeps its own metrics. */
  readonly metricsOf: (own: Registry) => void;
  /** The metrics of all of them, as `/metrics` shows them. */
  readonly metricsText: () => Promise<string>;
  readonly sessions: { readonly tag: string; attach(server: Server): Promise<() => Promise<void>> };
};

/** Of the grace of a stop: to move the clients, then to finish requests. The rest is for what has to be written and closed. */
const movingShare = 0.5;
const closingShare = 0.35;

const root = fileURLToPath(new URL('..', import.meta.url));

/** Not ready when it takes no writes, either: then no order can be promised. */
async function askDatabase(database: OpenDatabase): Promise<void> {
  if (database.state() !== 'ok') throw new Error(`PostgreSQL is ${database.state()}`);
  await database.prisma.$queryRaw`SELECT 1`;
}

/** The whole program, wired by hand: what is here is all there is. */
export async function start(config: Config, log: Logger, shared?: SharedAddress): Promise<RunningServer> {
  const clock = systemClock;
  const closers: { readonly name: string; readonly close: () => Promise<void> }[] = [];
  const onStop = (name: string, close: () => Promise<void>) => closers.push({ name, close });
  const closeAll = async () => {
    for (const { name, close } of closers.splice(0).toReversed()) {
      await close().catch((error: unknown) => log.error({ err: error, part: name }, 'a part did not stop cleanly'));
    }
  };

  try {
    const secrets = await resolveSecrets(config);
    const metrics = createMetrics(shared?.labels);
    shared?.metricsOf(metrics.registry);
    // What goes on failing while a part is away.
    const seldom = createSeldom({ clock, everyMs: 30_000 });
    const nextRequestId = createRequestIds();

    const databaseDir = join(config.dataDir, 'postgres');
    const database = await openDatabase({ databaseUrl: config.databaseUrl, dataDir: databaseDir, log });
    onStop('database', () => database.close());
    const { prisma } = database;
    showDatabase(database, metrics.registry);

    const holder = `${hostname()}:${process.pid}:${randomBytes(3).toString('hex')}`;
    const leases = createLeases({ database, holder, log, registry: metrics.registry });

    const gateSettings = { pendingLeaseMs: config.pendingLeaseMs, keyTtlMs: config.idempotencyTtlMs };
    const { redisUrl, mode } = config;
    const gate = await openGate({ redisUrl, clock, settings: gateSettings, log, production: mode === 'production' });
    onStop('gate', () => gate.close());
    const { engine } = gate;

    const catalogue = createPrismaCatalogue({ prisma, clock });
    const ledger = createPrismaLedger({
      prisma,
      onFailure: (error) =>
        seldom(`ledger ${error.message}`, (untold) =>
          log.warn({ err: error, untold }, 'a statement of the ledger failed'),
        ),
    });
    const overlays = createOverlayTokens({ prisma, clock });
    const access = createAccessControl({
      overlays,
      secret: secrets.sessionSecret,
      secureCookies: config.publicUrl?.startsWith('https:') ?? false,
      clock,
    });
    const link = createOrderLink({
      secret: secrets.sessionSecret,
      paymentPageUrl: config.paymentPageUrl,
      demo: config.demo,
    });

    const refunds = createRefundDesk({
      prisma,
      endpoint: () => refundUrl(),
      secret: secrets.paymentWebhookSecret,
      clock,
      chance: Math.random,
      pausesMs: refundPausesMs,
      intervalMs: 1_000,
      metrics,
      log,
    });
    const path = startOrderPath({
      engine,
      ledger,
      catalogue,
      metrics,
      driftLease: leases.drift,
      ledgerTakes: () => database.state() === 'ok',
      chance: Math.random,
      clock,
      wait: (ms) => wait(ms),
      log,
      payUrlOf: (order) => link.payUrlOf(order),
      onRefunded: () => refunds.kick(),
      limits: config,
      keyTtlMs: config.idempotencyTtlMs,
    });
    onStop('order path', () => path.stop());
    const { orders } = path;

    const readiness = createReadiness({
      probes: { database: () => askDatabase(database), gate: () => gate.ping() },
      timeoutMs: 2_000,
      maxAgeMs: 500,
      clock: steadyClock,
      onFailing: (name, error) =>
        seldom(name, (untold) => log.warn({ probe: name, err: error, untold }, 'a part of the service is away')),
    });

    const simulatedPayment = createSimulatedPayment({
      link,
      findOrder: (orderId) => ledger.find(orderId),
      infoOf: (livestreamId) => catalogue.info(livestreamId),
      webhookSecret: secrets.paymentWebhookSecret,
      serverUrl: () => url,
      publicUrl: config.publicUrl,
      log,
      clock,
    });
    onStop('simulated payment', () => simulatedPayment.stop());
    const simulatedRefund = createSimulatedRefund({
      webhookSecret: secrets.paymentWebhookSecret,
      serverUrl: () => url,
      log,
      clock,
    });
    onStop('simulated refund', () => simulatedRefund.stop());
    // A shop that brings its own payment page has a provider of its own: nothing pretends to be it.
    const isSimulated = config.demo && config.paymentPageUrl === null;
    const refundUrl = () => config.refundWebhookUrl ?? (isSimulated ? `${url}/pay/api/refunds` : null);
    onStop('refunds', () => refunds.stop());
    const demoReplay = createDemoReplay({
      serverUrl: () => url,
      livestreamId: demoLivestreamId,
      issueToken: () => access.issue({ role: 'admin', livestreamId: null, buyerId: null, deviceId: null }, 86_400_000),
      log,
    });
    onStop('replay', () => demoReplay.stop());
    const demoExtras = [
      { path: '/pay/api', router: simulatedPayment.router },
      { path: '/pay/api', router: simulatedRefund.router },
      { path: '/demo/api', router: demoReplayRoutes(demoReplay, config.publicUrl) },
    ];

    const desk = await composeDesk({
      prisma,
      engine,
      catalogue,
      leases,
      takeOver: (id, change) => path.takeOver(id, change),
      overlays,
      emit: (...told) => realtime.emitTo(...told),
      disconnectOverlay: (overlayId) => realtime.disconnectOverlay(overlayId),
      sessionSecret: secrets.sessionSecret,
      baseUrl: () => config.publicUrl ?? url,
      config,
      metrics,
      clock,
      log,
    });
    onStop('desk', () => desk.stop());
    onStop('leases', () => leases.stop());

    const app = createHttpApp({
      handlers: {
        ...accessHandlers({ access, catalogue, sessionsPerIpPerMinute: config.sessionsPerIpPerMinute, clock }),
        ...managementHandlers({
          catalogue: desk.catalogue,
          engine,
          ledger,
          clock,
          takeOver: (id, change) => path.takeOver(id, change),
        }),
        ...orderHandlers({ orders }),
        ...paymentHandlers({ orders }),
        ...refundHandlers({ refunds }),
        ...desk.handlers,
      },
      access,
      metrics,
      metricsText: shared?.metricsText,
      paymentWebhookSecret: secrets.paymentWebhookSecret,
      clock,
      config,
      readiness,
      log,
      nextRequestId,
      folders: { pages: join(root, 'dist/public'), demoAssets: join(root, 'public/assets/demo') },
      extras: [{ path: '/ack', router: desk.acknowledgeRouter }, ...(config.demo ? demoExtras : [])],
    });
    const fastPath = createOrderFastPath({ orders, access, metrics, readiness, config, log, nextRequestId });
    const server = createNodeServer(createRequestListener(app, fastPath));

    const realtime = createRealtime({
      httpServer: server,
      engine,
      catalogue,
      orders,
      access,
      metrics,
      clock: steadyClock,
      wallClock: clock,
      log,
      presence: gate.presence,
      adapter: gate.socketAdapter,
      overlays,
      onGateBackwards: (livestreamId) => path.rebuildGate(livestreamId),
      settings: {
        allowedOrigins: config.allowedOrigins,
        publicUrl: config.publicUrl,
        transports: config.transports,
        socketsPerIpMax: config.socketsPerIpMax,
        trustProxy: config.trustProxy,
        sessionTag: shared?.sessions.tag ?? '',
      },
    });
    if (shared !== undefined) onStop('shared sessions', await shared.sessions.attach(server));
    path.onOrderChanged((order, buyerId) => realtime.notifyOrder(order.livestreamId, buyerId, order));

    const hasDemo = config.demo && (await createDemoLivestream({ catalogue, clock, wait: (ms) => wait(ms) }));
    await path.openGates();
    await leases.start();
    const port = await listen(server, config.port, config.host);
    const url = `http://${config.host === '0.0.0.0' || config.host === '::' ? '127.0.0.1' : config.host}:${port}`;
    let closed: Promise<void> | undefined;
    refunds.start();
    onStop('http', () => closeServer(server, config.shutdownGraceMs * closingShare, closed));

    let stopping: Promise<void> | undefined;
    const stop = async (reason: string): Promise<void> => {
      readiness.drain();
      await wait(config.drainNoticeMs);
      closed = stopAccepting(server);
      await realtime.move(config.shutdownGraceMs * movingShare);
      await realtime.stop(reason);
      await closeAll();
    };
    return {
      url,
      database: database.kind,
      gate: config.redisUrl === null ? 'memory' : 'redis',
      demoLivestreamId: hasDemo ? demoLivestreamId : null,
      issue: (grant, ttlMs) => access.issue(grant, ttlMs),
      demoReplay: config.demo ? demoReplay : null,
      stop: (reason) => (stopping ??= stop(reason)),
    };
  } catch (error) {
    await closeAll();
    throw error;
  }
}
