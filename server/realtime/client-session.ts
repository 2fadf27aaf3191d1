import type { Grant } from '../../contract/access.ts';
import type { SocketHandle } from '../fanout/members.ts';
import type { Membership } from '../fanout/stock-fanout.ts';
import type { Clock } from '../lib/clock.ts';
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
  readonly clock: Clock;
};

const none: readonly never[] = [];

/** What the server knows of one connected socket. */
export class ClientSession {
  readonly socket: RealtimeSocket;
  /** The way by which levels reach it. */
  readonly line: SocketHandle;
  readonly grants: readonly Grant[];
  /** Few, most often one: a list is a third of a map. Replaced, not added to: a list that grows has room for sixteen more. */
  memberships: readonly Membership[] = none;
  /** Livestreams that are being joined: two joins at once would make two members. */
  joining: readonly string[] = none;
  readonly limits: SessionLimits;
  readonly #clock: Clock;
  // Made when they are needed first: most sockets only watch.
  #events: TokenBucket | null = null;
  #orders: TokenBucket | null = null;
  #strikes: TokenBucket | null = null;
  inFlight = 0;
  left = false;

  constructor(parts: SessionParts) {
    this.socket = parts.socket;
    this.line = parts.line;
    this.#clock = parts.clock;
    this.grants = parts.grants;
    this.limits = parts.limits;
  }

  membershipOf(livestreamId: string): Membership | undefined {
    for (const membership of this.memberships) if (membership.livestreamId === livestreamId) return membership;
    return undefined;
  }

  /** `cost`: 1 for a word, more for what makes the server write much. */
  admits(kind: 'event' | 'order', cost: number, nowMs: number): boolean {
    this.#events ??= new TokenBucket(this.limits.events, nowMs);
    if (this.inFlight >= this.limits.inFlightMax || !this.#events.take(cost, nowMs)) return false;
    if (kind === 'event') return true;
    this.#orders ??= new TokenBucket(this.limits.orders, nowMs);
    return this.#orders.take(1, nowMs);
  }

  /** False: too fast, which is for somebody else to answer. An acknowledgement that crosses a leave is nobody's mistake. */
  takeAck(livestreamId: string, frame: number): boolean {
    if (!this.admits('event', 1, this.#clock.now())) return false;
    this.membershipOf(livestreamId)?.acknowledge(frame);
    return true;
  }

  /** An event was refused for its rate; true when there have been too many for a client in good faith. */
  strike(nowMs: number): boolean {
    this.#strikes ??= new TokenBucket(this.limits.strikes, nowMs);
    return !this.#strikes.take(1, nowMs);
  }

  /** Called once, when the socket is gone. */
  leaveAll(): void {
    this.left = true;
    const { memberships } = this;
    this.memberships = none;
    for (const membership of memberships) membership.leave();
  }
}
