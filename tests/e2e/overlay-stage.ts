import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { pino } from 'pino';
import { build } from 'vite';
import type { ItemCurve, ItemPace, PaceState } from '../../contract/pace.ts';
import { routes } from '../../contract/routes.ts';
import { openDatabase } from '../../server/db/database.ts';
import { memoryPresence } from '../../server/fanout/presence.ts';
import { createHttpApp } from '../../server/http/app.ts';
import { closeServer, listen } from '../../server/http/node-server.ts';
import { overlayHandlers } from '../../server/http/overlay-routes.ts';
import { paceHandlers } from '../../server/http/pace-routes.ts';
import { createReadiness } from '../../server/http/readiness.ts';
import type { RouteHandlers } from '../../server/http/request.ts';
import { systemClock } from '../../server/lib/clock.ts';
import { createRequestIds } from '../../server/lib/request-id.ts';
import { createRealtime } from '../../server/realtime/realtime.ts';
import { codeOf, startRig } from '../../server/realtime/realtime-test-kit.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));

/**
 * The real gate, ledger, sockets and HTTP shell behind one port, with the built overlay page. Only what the overlay looks at is there,
 * and the numbers of pace are put on stage by the test: they are what the overlay has to show.
 */
export async function openStage() {
  const pages = await mkdtemp(join(tmpdir(), 'stockcast-overlay-'));
  await buildOverlay(pages);
  const database = await openDatabase({ databaseUrl: null, dataDir: null });
  const rig = await startRig(database);
  const curves = new Map<string, ItemCurve>();
  let pace: PaceState | null = null;
  const log = pino({ level: 'warn' });
  const app = createHttpApp({
    handlers: {
      ...unused(),
      ...overlayHandlers({ overlays: rig.overlays, disconnectOverlay: (id) => node?.realtime.disconnectOverlay(id) }),
      ...paceHandlers({
        pace: {
          curves: async ({ skuId }) =>
            [...curves.values()].filter((each) => skuId === undefined || each.skuId === skuId),
          state: async (livestreamId) => pace ?? emptyPace(livestreamId),
          decide: async () => null,
        },
      }),
    },
    access: rig.access,
    metrics: rig.metrics,
    paymentWebhookSecret: 'whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=',
    clock: systemClock,
    config: { publicUrl: null, allowedOrigins: [], trustProxy: 0, metricsToken: null },
    readiness: createReadiness({ probes: {}, timeoutMs: 100, maxAgeMs: 0, clock: systemClock, onFailing: () => {} }),
    log,
    nextRequestId: createRequestIds('stage'),
    folders: { pages, demoAssets: pages },
  });

  const startNode = async (port: number) => {
    const httpServer = createServer(app);
    const realtime = createRealtime({
      httpServer,
      engine: rig.engine,
      catalogue: rig.shop.catalogue,
      orders: rig.path.orders,
      access: rig.access,
      overlays: rig.overlays,
      metrics: rig.metrics,
      clock: systemClock,
      log,
      presence: memoryPresence({ clock: systemClock }),
      settings: { allowedOrigins: [], publicUrl: null, socketsPerIpMax: 1_000, trustProxy: 0 },
    });
    return { httpServer, realtime, port: await listen(httpServer, port, '127.0.0.1') };
  };
  let node: Awaited<ReturnType<typeof startNode>> | null = await startNode(0);
  const { port } = node;

  const stopNode = async (): Promise<void> => {
    await node?.realtime.stop('the test wants it');
    if (node !== null) await closeServer(node.httpServer, 200);
    node = null;
  };

  return {
    rig,
    curves,
    port,
    url: `http://127.0.0.1:${port}`,
    emitTo: (...args: Parameters<NonNullable<typeof node>['realtime']['emitTo']>) => node?.realtime.emitTo(...args),
    /** What pace says from now on, to who comes and to who is there. */
    setPace(state: PaceState): void {
      pace = state;
      node?.realtime.emitTo(state.livestreamId, ['operators', 'anchor', 'air'], 'pace:state', state);
    },
    async pin(livestreamId: string, skuId: string): Promise<void> {
      await rig.manage(rig.shop.catalogue.pin(livestreamId, skuId, 'test'));
    },
    /** Sells so many units over a socket, one order each. */
    async sell(livestreamId: string, skuId: string, units: number): Promise<void> {
      const grant = { role: 'viewer', livestreamId, buyerId: `buyer-${Math.random().toString(36).slice(2)}` } as const;
      const token = await rig.token(grant);
      const socket = rig.connect({ url: `http://127.0.0.1:${port}` }, { token });
      for (let unit = 0; unit < units; unit += 1) {
        const order = { livestreamId, idempotencyKey: `${grant.buyerId}-${unit}`, lines: [{ skuId, quantity: 1 }] };
        const code = await codeOf(socket, 'order:place', order);
        if (code !== 'ok') throw new Error(`not sold: ${code}`);
        // Five orders a second and socket; a burst of ten goes at once.
        if (unit >= 9) await new Promise((resolve) => setTimeout(resolve, 210));
      }
      socket.disconnect();
    },
    async overlay(livestreamId: string, audience: 'anchor' | 'air') {
      const made = await rig.overlays.create(livestreamId, { audience, name: 'OBS', actor: 'test' });
      if (made.kind !== 'created') throw new Error(made.kind);
      return { token: made.token, overlayId: made.overlay.overlayId };
    },
    async revoke(livestreamId: string, overlayId: string): Promise<void> {
      await rig.overlays.revoke(livestreamId, overlayId, 'test');
      node?.realtime.disconnectOverlay(overlayId);
    },
    stopNode,
    async startNode(): Promise<void> {
      node = await startNode(port);
    },
    async close(): Promise<void> {
      await stopNode();
      await rig.stop();
      await database.close();
      await rm(pages, { recursive: true, force: true });
    },
  };
}

export type Stage = Awaited<ReturnType<typeof openStage>>;

/** Only the overlay's page, so that this stage needs no other page to be built. */
async function buildOverlay(outDir: string): Promise<void> {
  await build({
    root: join(root, 'public'),
    configFile: join(root, 'vite.config.ts'),
    logLevel: 'error',
    build: {
      outDir,
      emptyOutDir: true,
      rolldownOptions: { input: { anchor: join(root, 'public/anchor/index.html') } },
    },
  });
}

/** Handlers of the routes that the overlay never calls answer in a way that no test could take for a success. */
function unused(): RouteHandlers {
  const entries = Object.keys(routes).map((name) => [
    name,
    () => Promise.reject(new Error(`${name} is not part of this stage`)),
  ]);
  return Object.fromEntries(entries);
}

export const emptyPace = (livestreamId: string): PaceState => ({
  livestreamId,
  atMs: Date.now(),
  items: [],
  cue: { skuId: null, cue: 'keep', text: { zh: '保持节奏', en: 'Keep going' }, sinceMs: Date.now() },
  hot: [],
  slow: [],
  next: [],
});

/** An item that sells 12 a minute and is sold out in `minutes`. */
export const paceOf = (skuId: string, more: Partial<ItemPace> = {}): ItemPace => ({
  skuId,
  consumed: 872,
  available: 128,
  velocity: { perMinute: 12, low: 9, high: 15 },
  sellOutInMs: { expected: 12 * 60_000, low: 600_000, high: 900_000 },
  needUntilEnd: null,
  state: 'over',
  tier: null,
  ...more,
});
