import { createServer } from 'node:http';
import { setTimeout as wait } from 'node:timers/promises';
import { pino } from 'pino';
import { io, type Socket } from 'socket.io-client';
import type { Grant } from '../../contract/access.ts';
import type { Ack } from '../../contract/events.ts';
import type { Lane } from '../../contract/levels.ts';
import { PROTOCOL_VERSION } from '../../contract/protocol-version.ts';
import { heldLease } from '../../tests/services/held-lease.ts';
import { createOverlayTokens } from '../auth/overlay-tokens.ts';
import { createAccessControl } from '../auth/token-access-control.ts';
import type { OpenDatabase } from '../db/database.ts';
import { memoryPresence, type Presence } from '../fanout/presence.ts';
import { closeServer, listen } from '../http/node-server.ts';
import { systemClock } from '../lib/clock.ts';
import type { LivestreamCatalogue, Managed, ManageRefusal } from '../livestreams/livestream-catalogue.ts';
import { managed, openTestShop } from '../livestreams/test-shop.ts';
import { createMetrics } from '../metrics/metrics.ts';
import { startOrderPath } from '../orders/order-path.ts';
import { createPrismaLedger } from '../orders/prisma-ledger.ts';
import { MemoryStockEngine } from '../stock/memory-engine.ts';
import type { StockEngine } from '../stock/stock-engine.ts';
import { createRealtime, type Realtime, type RealtimeParts, type RealtimeSettings } from './realtime.ts';

/** The real gate, ledger, catalogue and access control behind real sockets on real ports; only the log is kept in memory. */

const gateSettings = { pendingLeaseMs: 2_500, keyTtlMs: 3_600_000 };

export type Rig = Awaited<ReturnType<typeof startRig>>;
export type RigNode = {
  readonly url: string;
  readonly realtime: Realtime;
  readonly log: string[];
  stop(): Promise<void>;
};

export async function startRig(database: OpenDatabase, options: { engine?: StockEngine } = {}) {
  const { prisma } = database;
  const shop = openTestShop(database);
  const engine = options.engine ?? new MemoryStockEngine({ clock: systemClock, settings: gateSettings });
  const { catalogue } = shop;
  const metrics = createMetrics();
  const path = startOrderPath({
    engine,
    ledger: createPrismaLedger({ prisma }),
    catalogue,
    metrics,
    driftLease: heldLease(),
    ledgerTakes: () => true,
    chance: () => 0.5,
    clock: systemClock,
    wait: (ms) => wait(ms),
    log: pino({ level: 'silent' }),
    payUrlOf: ({ orderId }) => `/pay/?order=${orderId}`,
    onRefunded: () => {},
    limits: { ledgerQueueMax: 5_000, ordersInFlightMax: 5_000, ordersPerBuyerPerMinute: 100_000 },
    keyTtlMs: gateSettings.keyTtlMs,
  });
  const overlays = createOverlayTokens({ prisma, clock: systemClock });
  const access = createAccessControl({
    secret: 'a secret of the tests, 32 characters at least',
    secureCookies: false,
    clock: systemClock,
    overlays,
  });
  const nodes: RigNode[] = [];
  const sockets: Socket[] = [];

  const rig = {
    shop,
    engine,
    access,
    overlays,
    path,
    metrics,
    /** A change by the management API: first the ledger, then the gate. */
    async manage(outcome: Promise<Managed | ManageRefusal>): Promise<void> {
      const { gate, livestream } = managed(await outcome);
      if (gate !== null) await path.takeOver(livestream.livestreamId, gate);
    },
    /** A live livestream with these items on sale. */
    async livestream(name: string, items: Readonly<Record<string, number>>): Promise<string> {
      const livestreamId = await shop.livestream(name, 'live');
      for (const [item, units] of Object.entries(items)) {
        const skuId = await shop.sku(`${name}-${item}`, 100_000);
        await rig.manage(shop.add(livestreamId, skuId, units));
        await rig.manage(catalogue.changeSale(livestreamId, skuId, { action: 'open', opensAtMs: 0 }, 'test'));
      }
      await path.openGates();
      return livestreamId;
    },
    skuOf: (name: string, item: string) => shop.idOf(`${name}-${item}`),
    async node(parts: NodeOptions = {}): Promise<RigNode> {
      const node = await startNode({ engine, catalogue, orders: path.orders, access, overlays, metrics }, parts);
      nodes.push(node);
      path.onOrderChanged((order, buyerId) => nodes[0]?.realtime.notifyOrder(order.livestreamId, buyerId, order));
      return node;
    },
    token: (grant: Partial<Grant> & Pick<Grant, 'role'>) =>
      access.issue({ livestreamId: null, buyerId: null, deviceId: null, ...grant }, 600_000),
    connect(node: Pick<RigNode, 'url'>, auth: object, more: Parameters<typeof io>[1] = {}): Socket {
      const socket = io(node.url, { transports: ['websocket'], reconnection: false, forceNew: true, auth, ...more });
      sockets.push(socket);
      return socket;
    },
    /** Connected with a token that says this. */
    async enter(node: RigNode, grant: Partial<Grant> & Pick<Grant, 'role'>): Promise<Socket> {
      const socket = rig.connect(node, { token: await rig.token(grant) });
      await connected(socket);
      return socket;
    },
    async stop(): Promise<void> {
      for (const socket of sockets) socket.disconnect();
      for (const node of nodes) await node.stop();
      await path.stop();
      await engine.close();
    },
  };
  return rig;
}

type NodeOptions = Partial<RealtimeSettings> & {
  readonly adapter?: RealtimeParts['adapter'];
  readonly presence?: Presence;
  readonly engine?: StockEngine;
  readonly orders?: RealtimeParts['orders'];
};
type NodeParts = Pick<RealtimeParts, 'engine' | 'orders' | 'access' | 'overlays' | 'metrics'> & {
  catalogue: LivestreamCatalogue;
};

async function startNode(parts: NodeParts, options: NodeOptions): Promise<RigNode> {
  const { adapter, presence, engine, orders, ...settings } = options;
  const httpServer = createServer((_req, res) => res.writeHead(404).end());
  const log: string[] = [];
  const realtime = createRealtime({
    ...parts,
    ...(engine === undefined ? {} : { engine }),
    ...(orders === undefined ? {} : { orders }),
    httpServer,
    clock: systemClock,
    log: pino({ level: 'warn' }, { write: (line: string) => void log.push(line) }),
    presence: presence ?? memoryPresence({ clock: systemClock }),
    adapter: adapter ?? null,
    settings: { allowedOrigins: [], publicUrl: null, socketsPerIpMax: 1_000, trustProxy: 0, ...settings },
  });
  const port = await listen(httpServer, 0, '127.0.0.1');
  let stopped: Promise<void> | undefined;
  const stop = async (): Promise<void> => {
    await realtime.stop('the test is over');
    await closeServer(httpServer, 500);
  };
  return { url: `http://127.0.0.1:${port}`, realtime, log, stop: () => (stopped ??= stop()) };
}

/** Rejects with the error of `connect_error`. */
export function connected(socket: Socket): Promise<void> {
  return new Promise((resolve, reject) => {
    socket.once('connect', resolve);
    socket.once('connect_error', reject);
  });
}

export const refusalOf = async (socket: Socket): Promise<unknown> =>
  connected(socket).then(
    () => 'connected',
    (error: Error & { data?: { code?: string } }) => error.data?.code ?? error.message,
  );

type AnyAck = Ack<Record<string, unknown>>;

export async function ask(socket: Socket, event: string, payload: unknown): Promise<AnyAck> {
  return (await socket.timeout(10_000).emitWithAck(event, payload)) as AnyAck;
}

/** The error's code, or `ok`. */
export async function codeOf(socket: Socket, event: string, payload: unknown): Promise<string> {
  const answer = await ask(socket, event, payload);
  return answer.ok ? 'ok' : answer.error.code;
}

export const joinOf = (livestreamId: string, lane: Lane = 'viewers', more: object = {}) => ({
  livestreamId,
  protocolVersion: PROTOCOL_VERSION,
  lane,
  ...more,
});

/** Waits until it is so; fails with what was seen last. */
export async function until<Seen>(look: () => Seen, wanted: (seen: Seen) => boolean, withinMs = 5_000): Promise<Seen> {
  const endMs = Date.now() + withinMs;
  for (;;) {
    const seen = look();
    if (wanted(seen)) return seen;
    if (Date.now() > endMs) throw new Error(`not within ${withinMs} ms; last seen: ${JSON.stringify(seen)}`);
    await wait(10);
  }
}
