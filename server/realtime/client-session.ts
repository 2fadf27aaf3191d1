import type { Grant } from '../../contract/access.ts';
import type { SocketHandle } from '../fanout/members.ts';
import type { Membership } from '../fanout/stock-fanout.ts';
import type { RealtimeSocket } from './handshake.ts';
import { TokenBucket } from './token-bucket.ts';

export type SessionLimits = {
  readonly events: { readonly ratePerSecond: number; readonly burst: number };
  readonly orders: { readonly ratePerSecond: number; readonly burst: number };
  /** Refused events; who exhausts these is disconnected. */
  readonly strikes: { readonly ratePerSecond: number; readonly burst: number };
  readonly livestreamsMax: number;
  /** Events of one socket that may wait for their answers at once. */
  readonly inFlightMax: number;
};

export const sessionLimits: SessionLimits = {
  events: { ratePerSecond: 20, burst: 40 },
  orders: { ratePerSecond: 5, burst: 10 },
  strikes: { ratePerSecond: 5, burst: 100 },
  livestreamsMax: 4,
  inFlightMax: 16,
};

type SessionParts = {
  readonly socket: RealtimeSocket;
  readonly line: SocketHandle;
  readonly grants: readonly Grant[];
  readonly limits: SessionLimits;
  readonly nowMs: number;
};

/** What the server knows of one connected socket. */
export class ClientSession {
  readonly socket: RealtimeSocket;
  /** The way by which levels reach it. */
  readonly line: SocketHandle;
  readonly grants: readonly Grant[];
  readonly memberships = new Map<string, Membership>();
  /** Livestreams that are being joined: two joins at once would make two members. */
  readonly joining = new Set<string>();
  readonly limits: SessionLimits;
  readonly #events: TokenBucket;
  readonly #orders: TokenBucket;
  readonly #strikes: TokenBucket;
  inFlight = 0;
  left = false;

  constructor(parts: SessionParts) {
    this.socket = parts.socket;
    this.line = parts.line;
    this.grants = parts.grants;
    this.limits = parts.limits;
    this.#events = new TokenBucket(parts.limits.events, parts.nowMs);
    this.#orders = new TokenBucket(parts.limits.orders, parts.nowMs);
    this.#strikes = new TokenBucket(parts.limits.strikes, parts.nowMs);
  }

  /** `cost`: 1 for a word, more for what makes the server write much. */
  admits(kind: 'event' | 'order', cost: number, nowMs: number): boolean {
    if (this.inFlight >= this.limits.inFlightMax || !this.#events.take(cost, nowMs)) return false;
    return kind === 'event' || this.#orders.take(1, nowMs);
  }

  /** False: too fast, which is for somebody else to answer. An acknowledgement that crosses a leave is nobody's mistake. */
  takeAck(livestreamId: string, frame: number, nowMs: number): boolean {
    if (!this.admits('event', 1, nowMs)) return false;
    this.memberships.get(livestreamId)?.acknowledge(frame);
    return true;
  }

  /** An event was refused for its rate; true when there have been too many for a client in good faith. */
  strike(nowMs: number): boolean {
    return !this.#strikes.take(1, nowMs);
  }

  /** Called once, when the socket is gone. */
  leaveAll(): void {
    this.left = true;
    for (const membership of this.memberships.values()) membership.leave();
    this.memberships.clear();
  }
}
