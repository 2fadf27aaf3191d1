import { Redis, type RedisOptions } from 'ioredis';
import { RedisUnavailable } from './redis-link.ts';
import type { RedisAddress, RedisCredentials, ServerTarget } from './redis-target.ts';

/** Replies keep the shapes of RESP2, whatever is spoken. */
export type ClientOptions = Omit<RedisOptions, 'replyMapping'>;

export type ClientTimes = {
  /** A command without a reply after this long has an unknown outcome. */
  readonly commandTimeoutMs: number;
  /** 0 ≤ x < 1, for the jitter between attempts to reconnect. */
  readonly random: () => number;
};

const backoffMinMs = 50;
const backoffMaxMs = 2_000;

/** Doubles from 50 ms to 2 s, half of it by chance, so that many nodes do not come back in one moment. For ever. */
export function backoffMs(attempt: number, random: () => number): number {
  const ceilingMs = Math.min(backoffMaxMs, backoffMinMs * 2 ** Math.min(attempt - 1, 16));
  return Math.round(ceilingMs * (0.5 + random() / 2));
}

/** A client that never sends a command twice by itself and never keeps one for later (G3): both would be somebody else's decision. */
export function openClient(target: ServerTarget, { commandTimeoutMs, random }: ClientTimes): Redis {
  const client = new Redis({
    ...addressOptions(target, commandTimeoutMs),
    autoResendUnfulfilledCommands: false,
    autoResubscribe: false,
    enableOfflineQueue: false,
    maxRetriesPerRequest: 0,
    commandTimeout: commandTimeoutMs,
    // A server that has stopped without closing its connections is given up, or nothing would ever reconnect.
    socketTimeout: commandTimeoutMs * 3,
    connectTimeout: commandTimeoutMs,
    disconnectTimeout: closeGraceMs,
    retryStrategy: (attempt: number) => backoffMs(attempt, random),
    sentinelRetryStrategy: (attempt: number) => backoffMs(attempt, random),
    connectionName: 'stockcast',
  });
  keepTrying(client);
  return client;
}

const closed = new WeakSet<Redis>();

/**
 * ioredis ends a client for good, and connects it never again, when its failover detector hears of a failover while the client is asking a
 * sentinel for the primary (`SentinelConnector.connect` throws once it was disconnected). Only `closeClient` ends ours.
 */
export function keepTrying(client: Redis): void {
  client.on('end', () => {
    if (!closed.has(client)) client.connect().catch(() => {});
  });
}

/** Where ioredis finds the server, and as whom it comes. */
export function addressOptions(target: ServerTarget, timeoutMs: number): ClientOptions {
  const { credentials, tls, db } = target;
  const common: ClientOptions = { ...namesOf(credentials), db };
  if (target.shape === 'single')
    return { ...common, ...target.address, ...(tls ? { tls: tlsOf(target.address) } : {}) };
  const { username, password } = target.sentinelCredentials;
  return {
    ...common,
    sentinels: [...target.sentinels],
    name: target.name,
    ...(username === null ? {} : { sentinelUsername: username }),
    ...(password === null ? {} : { sentinelPassword: password }),
    ...(tls ? { tls: {}, sentinelTLS: {}, enableTLSForSentinelMode: true } : {}),
    sentinelCommandTimeout: timeoutMs,
    // Hears of a failover from the sentinels: a primary that hangs, or that they have replaced, says nothing itself.
    failoverDetector: true,
    sentinelMaxConnections: 3,
    sentinelReconnectStrategy: () => backoffMaxMs,
  };
}

const namesOf = ({ username, password }: RedisCredentials): ClientOptions => ({
  ...(username === null ? {} : { username }),
  ...(password === null ? {} : { password }),
});

/** Certificates name hosts, not addresses. */
const tlsOf = ({ host }: RedisAddress): NonNullable<ClientOptions['tls']> =>
  /^[\d.]+$|:/.test(host) ? {} : { servername: host };

/** How long the other side may take to close its end of a connection; then it is closed without it. */
const closeGraceMs = 500;

/** QUIT lets replies under way arrive; a server that does not answer it is left without. Never rejects, and ends in bounded time. */
export async function closeClient(client: Redis): Promise<void> {
  closed.add(client);
  if (client.status === 'ready') await client.quit().catch(() => {});
  // Between two attempts to reconnect there is nothing to end but the next attempt: no event would come.
  const isConnected = client.status !== 'end' && client.status !== 'reconnecting';
  const ended = new Promise<void>((resolve) => client.once('end', () => resolve()));
  client.disconnect();
  if (!isConnected) return;
  await inTime(ended, closeGraceMs).catch(() => client.stream?.destroy());
}

/** Rejects with `RedisUnavailable` if `promise` has not resolved after `timeoutMs`. */
export async function inTime(
  promise: Promise<unknown>,
  timeoutMs: number,
  why = () => 'Redis is away: not connected',
): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new RedisUnavailable(why())), timeoutMs);
  });
  try {
    await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}
