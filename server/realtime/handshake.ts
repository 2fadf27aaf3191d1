import type { IncomingMessage } from 'node:http';
import type { Logger } from 'pino';
import type { ExtendedError, Server, Socket } from 'socket.io';
import type { Grant } from '../../contract/access.ts';
import { type ErrorCode, type WireError, wireError } from '../../contract/errors.ts';
import type { ClientEvents, ServerEvents } from '../../contract/events.ts';
import type { AccessControl } from '../auth/access-control.ts';
import { isOverlayToken, type OverlayTokens, type VerifiedOverlay } from '../auth/overlay-tokens.ts';
import { provenanceOf } from '../http/same-origin.ts';
import type { Clock } from '../lib/clock.ts';
import { createRateLimiter, type RateLimiter } from '../lib/rate-limiter.ts';

export type SocketData = {
  grants: readonly Grant[];
  /** The overlay whose token opened this connection. */
  overlayId: string | null;
};
type NoEvents = Record<string, never>;
export type RealtimeServer = Server<ClientEvents, ServerEvents, NoEvents, SocketData>;
export type RealtimeSocket = Socket<ClientEvents, ServerEvents, NoEvents, SocketData>;

export type HandshakeSettings = {
  /** Origins beside our own whose pages may connect; they need a token, our cookies do not count for them. */
  readonly allowedOrigins: readonly string[];
  readonly publicUrl: string | null;
  readonly socketsPerIpMax: number;
  /** Proxies in front whose `X-Forwarded-For` is believed. */
  readonly trustProxy: number;
};

/** A refusal on the way in: the client finds the `WireError` in `data` of `connect_error`. */
class HandshakeRefused extends Error {
  override readonly name = 'HandshakeRefused';
  readonly data: WireError;
  constructor(code: ErrorCode, minBackoffMs?: number) {
    super(code);
    this.data = wireError(code, minBackoffMs === undefined ? {} : { minBackoffMs });
  }
}

/** Browsers name the page's origin: pages of strangers are turned away before anything is asked. */
export function originAllowed(
  req: Pick<IncomingMessage, 'headers'>,
  { publicUrl, allowedOrigins }: HandshakeSettings,
): boolean {
  const { origin } = req.headers;
  return provenanceOf(req, publicUrl) !== 'elsewhere' || (origin !== undefined && allowedOrigins.includes(origin));
}

/** The address that counts for limits: what the last trusted proxy saw. */
export function addressOf(req: Pick<IncomingMessage, 'headers' | 'socket'>, trustProxy: number): string {
  const forwarded = req.headers['x-forwarded-for'];
  const hops = (typeof forwarded === 'string' ? forwarded : '').split(',').map((hop) => hop.trim());
  const claimed = trustProxy > 0 ? hops.at(-trustProxy) : undefined;
  return claimed === undefined || claimed === '' ? (req.socket.remoteAddress ?? 'unknown') : claimed;
}

/** Middleware of the namespace: one session per connection, so many connections per address, and nobody without a valid grant. */
export function gatekeeper({ access, overlays, settings, clock, log }: GatekeeperParts) {
  const addresses = new AddressLimit(settings.socketsPerIpMax, clock);
  /** Connections that count for their address. */
  const counted = new WeakMap<object, string>();
  // A second handshake on the same connection would double every limit of it.
  const admitted = new WeakSet<object>();
  // One function for all connections, which are its `this`.
  function leaveAddress(this: object): void {
    const address = counted.get(this);
    if (address !== undefined && counted.delete(this)) addresses.leave(address);
  }

  const admit = async (socket: RealtimeSocket): Promise<void> => {
    const { conn } = socket;
    if (admitted.has(conn)) throw new HandshakeRefused('conflict');
    const address = addressOf(socket.request, settings.trustProxy);
    if (!counted.has(conn)) {
      const waitMs = addresses.enter(address);
      if (waitMs > 0) throw new HandshakeRefused('rate_limited', waitMs);
      counted.set(conn, address);
      conn.on('close', leaveAddress);
    }
    const overlay = await overlayOf(socket, overlays);
    const grants = overlay === null ? await grantsOf(socket, access, settings) : [overlay.grant];
    if (grants.length === 0) throw new HandshakeRefused('unauthorized');
    if (admitted.has(conn)) throw new HandshakeRefused('conflict');
    admitted.add(conn);
    socket.data.grants = grants;
    socket.data.overlayId = overlay?.overlayId ?? null;
  };

  return async (socket: RealtimeSocket, next: (error?: ExtendedError) => void): Promise<void> => {
    try {
      await admit(socket);
    } catch (error) {
      if (!(error instanceof HandshakeRefused)) log.error({ err: error }, 'a handshake failed');
      next(error instanceof HandshakeRefused ? error : new HandshakeRefused('internal'));
      return;
    }
    next();
  };
}

type GatekeeperParts = {
  readonly access: AccessControl;
  /** Absent: no overlay's token is valid here. */
  readonly overlays?: Pick<OverlayTokens, 'verify'>;
  readonly settings: HandshakeSettings;
  readonly clock: Clock;
  readonly log: Logger;
};

/** null: its token is of another kind, or there is none. An overlay's token that is not valid opens nothing. */
async function overlayOf(
  socket: RealtimeSocket,
  overlays: GatekeeperParts['overlays'],
): Promise<VerifiedOverlay | null> {
  const token: unknown = socket.handshake.auth['token'];
  if (typeof token !== 'string' || !isOverlayToken(token)) return null;
  const verified = (await overlays?.verify(token)) ?? null;
  if (verified === null) throw new HandshakeRefused('unauthorized');
  return verified;
}

/** Grants of a token in `auth.token`, else of our own pages' session cookies. A token that is not valid is not made good by a cookie. */
async function grantsOf(
  socket: RealtimeSocket,
  access: AccessControl,
  settings: HandshakeSettings,
): Promise<readonly Grant[]> {
  const token: unknown = socket.handshake.auth['token'];
  if (token !== undefined && token !== null) {
    const grant = typeof token === 'string' && token.length <= 2_000 ? await access.verify(token) : null;
    return grant === null ? [] : [grant];
  }
  // Another page's script must not act with the cookies of somebody who happens to be here too.
  if (provenanceOf(socket.request, settings.publicUrl) === 'elsewhere') return [];
  return access.grantsOf(socket.request.headers);
}

/** When an address that has all its sockets may try again: some of them have gone by then. */
const fullBackoffMs = 5_000;
/** Addresses whose rate is remembered. */
const addressesMax = 50_000;

/**
 * Sockets per address, so that one machine cannot take all of them; and handshakes: an address may open all of its sockets at once, as
 * after the end of a node, and so many again every 15 s.
 */
class AddressLimit {
  readonly #socketsPerIpMax: number;
  readonly #handshakes: RateLimiter;
  readonly #sockets = new Map<string, number>();

  constructor(socketsPerIpMax: number, clock: Clock) {
    this.#socketsPerIpMax = socketsPerIpMax;
    const burst = Math.max(10, socketsPerIpMax);
    this.#handshakes = createRateLimiter({ perMinute: 4 * burst, burst, keysMax: addressesMax, clock });
  }

  /** 0: it may come in, else the milliseconds until it may. */
  enter(address: string): number {
    const waitMs = this.#handshakes.take(address);
    if (waitMs > 0) return waitMs;
    const sockets = this.#sockets.get(address) ?? 0;
    if (sockets >= this.#socketsPerIpMax) return fullBackoffMs;
    this.#sockets.set(address, sockets + 1);
    return 0;
  }

  leave(address: string): void {
    const sockets = (this.#sockets.get(address) ?? 0) - 1;
    if (sockets <= 0) this.#sockets.delete(address);
    else this.#sockets.set(address, sockets);
  }
}
