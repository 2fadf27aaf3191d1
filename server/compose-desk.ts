import { randomUUID } from 'node:crypto';
import type { Router } from 'express';
import type { Logger } from 'pino';
import type { operatorRoutes } from '../contract/operator-routes.ts';
import type { PrismaClient } from '../generated/prisma/client.ts';
import { createGateLevelWatch } from './alerts/gate-level-watch.ts';
import type { LevelWatch } from './alerts/level-watch.ts';
import { alertDefaults, createPrismaAlertDesk, type RunningAlertDesk } from './alerts/prisma-alert-desk.ts';
import { createStopSale } from './alerts/stop-sale.ts';
import { deriveKey } from './auth/keys.ts';
import type { OverlayTokens } from './auth/overlay-tokens.ts';
import type { Config } from './config/config.ts';
import type { Leases, LeaseWork } from './db/lease.ts';
import type { EmitTo } from './fanout/audience.ts';
import { acknowledgeLinkRoutes } from './http/acknowledge-link.ts';
import { alertHandlers } from './http/alert-routes.ts';
import { overlayHandlers } from './http/overlay-routes.ts';
import { paceHandlers } from './http/pace-routes.ts';
import { peopleHandlers } from './http/people-routes.ts';
import type { RouteHandlers } from './http/request.ts';
import type { Clock } from './lib/clock.ts';
import type { LivestreamCatalogue } from './livestreams/livestream-catalogue.ts';
import { watchDescriptions } from './livestreams/watched-catalogue.ts';
import type { Metrics } from './metrics/metrics.ts';
import { createAcknowledgeTokens } from './notify/acknowledge-token.ts';
import { createSettingsCheck } from './notify/channel-settings.ts';
import { createNotifier } from './notify/create-notifier.ts';
import { createGuardedRequest } from './notify/guarded-request.ts';
import { createPeopleDirectory } from './notify/people-directory.ts';
import { createSecretSeal } from './notify/secret-seal.ts';
import { createSenders } from './notify/senders.ts';
import { createUsedLinks } from './notify/used-links.ts';
import { resolveVapidKeys } from './notify/vapid-keys.ts';
import type { OrderPath } from './orders/order-path.ts';
import { createPaceReader } from './pace/curve-reader.ts';
import { markersOfTransfer } from './pace/markers-of-change.ts';
import { createCurveKit, createPaceKeeper, type PaceKeeper } from './pace/pace-keeper.ts';
import type { StockEngine } from './stock/stock-engine.ts';

type Deps = {
  readonly prisma: PrismaClient;
  readonly engine: StockEngine;
  readonly catalogue: LivestreamCatalogue;
  readonly leases: Leases;
  readonly takeOver: OrderPath['takeOver'];
  readonly overlays: OverlayTokens;
  readonly emit: EmitTo;
  readonly disconnectOverlay: (overlayId: string) => void;
  readonly sessionSecret: string;
  readonly baseUrl: () => string;
  readonly config: Config;
  readonly metrics: Metrics;
  readonly clock: Clock;
  readonly log: Logger;
};

type DeskHandlers = Pick<RouteHandlers, keyof typeof operatorRoutes>;

export type Desk = {
  /** For everything that changes a livestream: what people can see of it is marked on the curves. */
  readonly catalogue: LivestreamCatalogue;
  readonly handlers: DeskHandlers;
  /** To be mounted at `/ack`. */
  readonly acknowledgeRouter: Router;
  /** After the leases have been given away. */
  stop(): Promise<void>;
};

/** The first seals, all of them open. */
const channelKeys = (secrets: readonly string[]): readonly Uint8Array[] =>
  secrets.map((secret) => deriveKey(secret, 'channel-secrets'));

const unreadable =
  'the secrets of a channel cannot be decrypted: it is off until its key is back or they are typed in again';

function openDirectory({ prisma, clock, config, sessionSecret, log }: Deps) {
  const seal = createSecretSeal(channelKeys([...config.channelSecretsKeys, sessionSecret]));
  return createPeopleDirectory({
    prisma,
    clock,
    seal,
    onUnreadable: (channelId) => log.error({ channelId }, unreadable),
  });
}

/** What makes a team calm on the night, wired by hand: alerts, messages to people, pace and curves, overlays. */
export async function composeDesk(deps: Deps): Promise<Desk> {
  const { prisma, clock, log, emit, config } = deps;
  const catalogue = watchDescriptions(
    deps.catalogue,
    (id, before, after) => void keeper.markChange(id, before, after),
    (id, transfer) => markersOfTransfer(transfer).forEach((marker) => void curves.markers.add(id, marker)),
  );
  const watch = createGateLevelWatch({ engine: deps.engine, catalogue, clock, log });

  const directory = openDirectory(deps);
  const privateHosts = config.notifyPrivateHosts;
  const request = createGuardedRequest({ privateHosts });
  const vapid = await resolveVapidKeys(config);
  const tokens = createAcknowledgeTokens({ key: deriveKey(deps.sessionSecret, 'acknowledge-link'), clock });
  const notifier = createNotifier({
    prisma,
    directory,
    senders: createSenders({ request, clock, aliyun: config.aliyun, vapid, subscriptions: directory }),
    tokens,
    baseUrl: deps.baseUrl,
    clock,
    log,
    pause: pauseFor,
    chance: Math.random,
    lease: deps.leases.deliveries,
  });
  deps.leases.deliveries.assign({ begin: async () => notifier.adoptSoon(), end: async () => undefined });

  const curves = createCurveKit({ prisma, emit, log, metrics: deps.metrics });
  const alerts = createPrismaAlertDesk({
    prisma,
    catalogue,
    levels: watch,
    notifier,
    markers: curves.markers,
    emit: (alert) => emit(alert.livestreamId, ['operators'], 'alert:state', alert),
    stopSale: createStopSale({ catalogue, takeOver: deps.takeOver }),
    suppliersOf: (livestreamId) => directory.suppliersOf(livestreamId),
    personOf: async (personId) => (await directory.current()).people.get(personId) ?? null,
    estimates: null,
    lease: deps.leases.desk,
    clock,
    newId: randomUUID,
    log,
    settings: alertDefaults,
  });
  const keeper = createPaceKeeper({ watch, alerts, catalogue, curves, lease: deps.leases.desk, emit, clock, log });
  const levelsOf = async (livestreamId: string) => (await deps.engine.read(livestreamId))?.items ?? null;
  const pace = createPaceReader({ keeper, curves, catalogue, alerts, levelsOf, clock });
  deps.leases.desk.assign(deskWork({ watch, alerts, keeper }));
  keeper.start();
  // Read once before anybody needs it: secrets from before they were sealed are sealed now.
  await directory.current().catch((error: unknown) => log.warn({ err: error }, 'channels could not be read yet'));

  return {
    catalogue,
    handlers: {
      ...alertHandlers({ desk: alerts, notifier }),
      ...peopleHandlers({
        directory,
        notifier,
        checkSettings: createSettingsCheck({ request, privateHosts }),
        vapidPublicKey: vapid.publicKey,
        hasLivestream: async (livestreamId) => (await catalogue.info(livestreamId)) !== null,
      }),
      ...paceHandlers({ pace }),
      ...overlayHandlers({ overlays: deps.overlays, disconnectOverlay: deps.disconnectOverlay }),
    },
    acknowledgeRouter: acknowledgeLinkRoutes({
      tokens,
      used: createUsedLinks({ prisma, clock }),
      acknowledge: (livestreamId, alertId, actor) => alerts.acknowledge(livestreamId, alertId, actor, ''),
      log,
    }),
    async stop() {
      await alerts.stop();
      await keeper.stop();
      await notifier.stop();
    },
  };
}

/** Of the node that evaluates alerts and follows pace and curves. */
function deskWork(parts: {
  readonly watch: LevelWatch;
  readonly alerts: RunningAlertDesk;
  readonly keeper: PaceKeeper;
}): LeaseWork {
  const { watch, alerts, keeper } = parts;
  return {
    able: () => watch.isAble(),
    async begin() {
      keeper.begin();
      // The books before the levels: a level that nobody can judge would be a crossing that nobody sees.
      await alerts.begin();
      await watch.start();
    },
    async end() {
      await watch.stop();
      await alerts.end();
      await keeper.end();
    },
  };
}

/** Resolves after so many milliseconds, or at once when the signal says so. */
function pauseFor(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) {
      resolve();
      return;
    }
    const done = () => {
      clearTimeout(timer);
      signal.removeEventListener('abort', done);
      resolve();
    };
    const timer = setTimeout(done, ms);
    signal.addEventListener('abort', done);
  });
}
