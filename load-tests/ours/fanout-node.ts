import { pino } from 'pino';
import { wireError } from '../../contract/errors.ts';
import type { ItemInfo, LivestreamInfo } from '../../contract/livestreams.ts';
import { createAccessControl } from '../../server/auth/token-access-control.ts';
import { createNodeServer, listen } from '../../server/http/node-server.ts';
import { systemClock } from '../../server/lib/clock.ts';
import { createMetrics } from '../../server/metrics/metrics.ts';
import { openGate } from '../../server/open-gate.ts';
import type { OrderService } from '../../server/orders/order-service.ts';
import { createRealtime } from '../../server/realtime/realtime.ts';
import type { ItemDefinition, ReserveRequest, StockEngine } from '../../server/stock/stock-engine.ts';
import { runSubject, type Subject, type SubjectSettings } from '../subjects/subject.ts';

/**
 * The product's path of a level, as `server/compose.ts` wires it: real gate (in process, or Redis), `createRealtime` with access
 * control, fan-out, credit and metrics. Not there: ledger, catalogue and HTTP pages; changes come straight from `engine.reserve`.
 */
async function openNode({ livestreamId, items, redisUrl }: SubjectSettings): Promise<Subject> {
  const log = pino({ level: 'error' });
  const settings = { pendingLeaseMs: 10_000, keyTtlMs: 600_000 };
  const gate = await openGate({ redisUrl, clock: systemClock, settings, log });
  const reads = { gateReads: 0 };
  const engine = counted(gate.engine, reads);
  await openLivestream(engine, livestreamId, items);
  const access = createAccessControl({
    secret: 'a secret of the benchmarks, 32 characters at least',
    secureCookies: false,
    clock: systemClock,
  });
  const httpServer = createNodeServer((_req, res) => res.writeHead(404).end());
  const realtime = createRealtime({
    httpServer,
    engine,
    catalogue: {
      info: () => Promise.resolve(infoOf(livestreamId, items)),
      allowsAnonymous: () => Promise.resolve(true),
    },
    orders: noOrders,
    access,
    metrics: createMetrics(),
    clock: systemClock,
    log,
    presence: gate.presence,
    adapter: gate.socketAdapter,
    settings: { allowedOrigins: [], publicUrl: null, socketsPerIpMax: 1_000_000, trustProxy: 0 },
  });
  const port = await listen(httpServer, 0, '127.0.0.1');
  const nodeId = process.pid.toString(36);
  let made = 0;
  let scarceRid = '';
  const reserve = async (skuId: string): Promise<string> => {
    const request = requestFor(skuId, `${nodeId}-${(made += 1)}`);
    const [outcome] = await engine.reserve(livestreamId, [request]);
    if (outcome?.kind !== 'reserved') throw new Error(`the gate refused: ${JSON.stringify(outcome)}`);
    return request.rid;
  };
  return {
    port,
    position: async () => (await gate.engine.peek(livestreamId))?.version ?? 0,
    take: async (item) => void (await reserve(`sku${item}`)),
    sellOut: async () => {
      scarceRid = await reserve(`sku${items - 1}`);
    },
    restock: () => engine.release(livestreamId, [{ rid: scarceRid, unbind: true }]),
    tokens: (count) =>
      Promise.all(
        Array.from({ length: count }, () =>
          access.issue({ role: 'viewer', livestreamId, buyerId: null, deviceId: null }, 3_600_000),
        ),
      ),
    counters: () => ({ ...reads }),
    stop: async () => {
      await realtime.stop('server_stopping');
      await gate.close();
      httpServer.closeAllConnections();
    },
  };
}

/** The scarce item is the last one. */
const unitsOf = (index: number, items: number): number => (index === items - 1 ? 1 : 100_000_000);

async function openLivestream(engine: StockEngine, livestreamId: string, items: number): Promise<void> {
  const begun = await engine.begin(livestreamId);
  // The other node was faster.
  if (begun.kind === 'open') return;
  const definitions = Array.from({ length: items }, (_, index): ItemDefinition & { sold: number } => ({
    skuId: `sku${index}`,
    pool: { rev: 1, allotted: unitsOf(index, items), returned: 0 },
    terms: {
      rev: 1,
      sale: 'open',
      opensAtMs: 0,
      salePolicy: { kind: 'deduct_on_order' },
      limits: { perOrder: null, perBuyer: null, perDevice: null },
    },
    sold: 0,
  }));
  await engine.load(livestreamId, begun.nonce, {
    epoch: 1,
    infoRev: 1,
    items: definitions,
    holds: [],
    counted: [],
    keys: [],
  });
}

function requestFor(skuId: string, rid: string): ReserveRequest {
  return {
    rid,
    key: `buyer-${rid}/key-${rid}`,
    bodyHash: 'x',
    buyerId: `buyer-${rid}`,
    deviceId: null,
    lines: [{ skuId, quantity: 1 }],
    reacquires: null,
  };
}

const itemOf = (index: number): ItemInfo => ({
  index,
  skuId: `sku${index}`,
  productId: `sku${index}`,
  title: { zh: `商品 ${index}`, en: `Item ${index}` },
  spec: [],
  imageUrl: null,
  unitPriceMinor: 100,
  currency: 'CNY',
  limits: { perOrder: null, perBuyer: null, perDevice: null },
  salePolicy: { kind: 'deduct_on_order' },
  display: { kind: 'exact' },
  sale: 'open',
  opensAtMs: 0,
});

function infoOf(livestreamId: string, items: number): LivestreamInfo {
  return {
    livestreamId,
    title: { zh: '压测', en: 'Benchmark' },
    state: 'live',
    scheduledAtMs: null,
    startedAtMs: 1,
    endedAtMs: null,
    holdTtlMs: 600_000,
    pinnedSkuId: null,
    infoRev: 1,
    items: Array.from({ length: items }, (_, index) => itemOf(index)),
  };
}

/** Counts the whole readings of the gate, which a storm of reconnects must not multiply. */
function counted(engine: StockEngine, reads: { gateReads: number }): StockEngine {
  return new Proxy(engine, {
    get(target, name) {
      const value: unknown = Reflect.get(target, name, target);
      if (typeof value !== 'function') return value;
      return (...args: unknown[]): unknown => {
        if (name === 'read') reads.gateReads += 1;
        return (value as (...args: unknown[]) => unknown).apply(target, args);
      };
    },
  });
}

const refused = { kind: 'refused' as const, error: wireError('not_open') };
const noOrders: OrderService = {
  refusesNow: () => null,
  place: () => Promise.resolve(refused),
  cancel: () => Promise.resolve(refused),
  refund: () => Promise.resolve(refused),
  pay: () => Promise.resolve(refused),
  ordersOf: () => Promise.resolve([]),
  list: () => Promise.resolve([]),
};

await runSubject(openNode);
