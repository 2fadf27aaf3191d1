import { randomBytes } from 'node:crypto';
import type * as z from 'zod';
import { Environment, placeholders } from './settings.ts';

/** Everything that can be set from outside, parsed once. Secrets that are null are made by `local-secrets.ts`. */
export type Config = {
  readonly mode: 'production' | 'development' | 'test';
  readonly host: string;
  readonly port: number;
  readonly dataDir: string;
  /** null: the in-process gate. */
  readonly redisUrl: string | null;
  /** null: the embedded database under `dataDir`. */
  readonly databaseUrl: string | null;
  readonly sessionSecret: string | null;
  /** Keys of channels' secrets at rest, newest first; empty: the session secret's. */
  readonly channelSecretsKeys: readonly string[];
  readonly paymentWebhookSecret: string | null;
  /** Where refunds are asked for; null: the simulated provider of a demo, else nowhere. */
  readonly refundWebhookUrl: string | null;
  /** null: `/metrics` answers on loopback only. */
  readonly metricsToken: string | null;
  /** Keys of Web Push; null: made under `dataDir`. Both or none. */
  readonly vapidPublicKey: string | null;
  readonly vapidPrivateKey: string | null;
  readonly vapidSubject: string | null;
  /** null: no text messages and no calls. */
  readonly aliyun: { readonly accessKeyId: string; readonly accessKeySecret: string } | null;
  /** Hosts that notification channels may call although they are not public; lower case. */
  readonly notifyPrivateHosts: readonly string[];
  readonly logLevel: 'fatal' | 'error' | 'warn' | 'info' | 'debug' | 'trace' | 'silent';
  /** Origin without a trailing slash, as `https://live.shop.example`; null: what the request's Host says. */
  readonly publicUrl: string | null;
  /** Origins of a shop's own pages that may call the API and embed the viewer page. */
  readonly allowedOrigins: readonly string[];
  /** Number of proxies in front whose `X-Forwarded-*` headers are believed. */
  readonly trustProxy: number;
  readonly pendingLeaseMs: number;
  readonly idempotencyTtlMs: number;
  readonly ledgerQueueMax: number;
  readonly ordersInFlightMax: number;
  /** WebSocket first; long polling for networks that let nothing else through. */
  readonly transports: readonly ('websocket' | 'polling')[];
  readonly socketsPerIpMax: number;
  readonly sessionsPerIpPerMinute: number;
  readonly ordersPerBuyerPerMinute: number;
  /** With `{orderId}` in it; null: the simulated payment page, or none. */
  readonly paymentPageUrl: string | null;
  /** Of `npm run cluster`; null: one for each core. */
  readonly workers: number | null;
  readonly drainNoticeMs: number;
  readonly shutdownGraceMs: number;
  /** Demo livestream, simulated payment, access links at start. */
  readonly demo: boolean;
};

/** The environment is not usable; the message lists every mistake. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError';
}

/**
 * The one reader of the environment. An empty variable counts as absent. Throws `ConfigError` that lists every mistake at once, so that
 * nobody has to start five times; in production also when a secret is missing.
 */
export function parseConfig(environment: Readonly<Record<string, string | undefined>>): Config {
  const given = Object.fromEntries(Object.entries(environment).filter(([, value]) => value?.trim() !== ''));
  const parsed = Environment.safeParse(given);
  const mistakes = [
    ...(parsed.success ? [] : parsed.error.issues.map((issue) => `${issue.path.join('.')}: ${issue.message}`)),
    ...missingInProduction(given),
    ...halfPairs(given),
  ];
  if (!parsed.success || mistakes.length > 0) {
    throw new ConfigError(
      `The environment is not usable (环境变量有误):\n${mistakes.map((mistake) => `  - ${mistake}`).join('\n')}\n` +
        'Every setting is described in .env.example.',
    );
  }
  return Object.freeze(configOf(parsed.data));
}

function configOf(set: z.output<typeof Environment>): Config {
  const production = set.NODE_ENV === 'production';
  return {
    mode: set.NODE_ENV,
    // The demo has no passwords and simulated payments, so nothing but this machine reaches it unless someone says so.
    host: set.HOST ?? (production ? '0.0.0.0' : '127.0.0.1'),
    port: set.PORT,
    dataDir: set.DATA_DIR,
    redisUrl: set.REDIS_URL ?? null,
    databaseUrl: set.DATABASE_URL ?? null,
    sessionSecret: set.SESSION_SECRET ?? null,
    channelSecretsKeys: Object.freeze(set.CHANNEL_SECRETS_KEY),
    paymentWebhookSecret: set.PAYMENT_WEBHOOK_SECRET ?? null,
    refundWebhookUrl: set.REFUND_WEBHOOK_URL ?? null,
    metricsToken: set.METRICS_TOKEN ?? null,
    vapidPublicKey: set.VAPID_PUBLIC_KEY ?? null,
    vapidPrivateKey: set.VAPID_PRIVATE_KEY ?? null,
    vapidSubject: set.VAPID_SUBJECT ?? null,
    aliyun:
      set.ALIYUN_ACCESS_KEY_ID === undefined || set.ALIYUN_ACCESS_KEY_SECRET === undefined
        ? null
        : { accessKeyId: set.ALIYUN_ACCESS_KEY_ID, accessKeySecret: set.ALIYUN_ACCESS_KEY_SECRET },
    notifyPrivateHosts: Object.freeze(set.NOTIFY_ALLOW_PRIVATE_HOSTS),
    logLevel: set.LOG_LEVEL,
    publicUrl: set.PUBLIC_URL ?? null,
    allowedOrigins: Object.freeze(set.ALLOWED_ORIGINS),
    trustProxy: set.TRUST_PROXY,
    pendingLeaseMs: set.PENDING_LEASE_MS,
    idempotencyTtlMs: set.IDEMPOTENCY_TTL_MS,
    ledgerQueueMax: set.LEDGER_QUEUE_MAX,
    ordersInFlightMax: set.ORDERS_IN_FLIGHT_MAX,
    transports: Object.freeze(set.TRANSPORTS),
    socketsPerIpMax: set.SOCKETS_PER_IP_MAX,
    sessionsPerIpPerMinute: set.SESSIONS_PER_IP_PER_MINUTE,
    ordersPerBuyerPerMinute: set.ORDERS_PER_BUYER_PER_MINUTE,
    paymentPageUrl: set.PAYMENT_PAGE_URL ?? null,
    workers: set.WORKERS ?? null,
    drainNoticeMs: set.DRAIN_NOTICE_MS,
    shutdownGraceMs: set.SHUTDOWN_GRACE_MS,
    demo: set.DEMO ?? !production,
  };
}

/** A secret that a server makes for itself would differ between nodes and vanish with a container: production has to bring its own. */
function missingInProduction(given: Readonly<Record<string, string | undefined>>): string[] {
  if (given['NODE_ENV'] !== 'production') return [];
  const suggestions = {
    SESSION_SECRET: randomBytes(32).toString('base64url'),
    PAYMENT_WEBHOOK_SECRET: `whsec_${randomBytes(32).toString('base64')}`,
  };
  return Object.entries(suggestions)
    .filter(([name]) => given[name] === undefined || placeholders.has(given[name]))
    .map(([name, suggestion]) => `${name}: needed in production; a fresh one would be ${suggestion}`);
}

/** Settings that mean nothing without each other. */
const pairs: readonly (readonly [string, string])[] = [
  ['VAPID_PUBLIC_KEY', 'VAPID_PRIVATE_KEY'],
  ['ALIYUN_ACCESS_KEY_ID', 'ALIYUN_ACCESS_KEY_SECRET'],
];

function halfPairs(given: Readonly<Record<string, string | undefined>>): string[] {
  return pairs.flatMap(([first, second]) => {
    if ((given[first] === undefined) === (given[second] === undefined)) return [];
    const [missing, present] = given[first] === undefined ? [first, second] : [second, first];
    return [`${missing}: needed beside ${present}`];
  });
}
