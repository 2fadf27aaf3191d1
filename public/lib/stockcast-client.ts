import { type WireError, wireError } from '../../contract/errors.ts';
import { JoinAnswer, StockSnapshot } from '../../contract/events.ts';
import type { StockHeartbeat, StockLevels } from '../../contract/levels.ts';
import type { LivestreamInfo } from '../../contract/livestreams.ts';
import type { Order } from '../../contract/orders.ts';
import { PROTOCOL_VERSION } from '../../contract/protocol-version.ts';
import { backOffMs } from './back-off.ts';
import type { ClientOptions, ClientState } from './client-state.ts';
import { FrameAcks } from './frame-acks.ts';
import { judgeSilence, ResyncPolicy, staleAfterMs } from './freshness.ts';
import { createHttpApi, type HttpApi, isWireError } from './http-api.ts';
import { newIdempotencyKey, PendingOrders, storageHere } from './idempotency-keys.ts';
import { type Level, LevelStore } from './level-store.ts';
import { isUnpaid, OrderBook } from './order-book.ts';
import { OrderSender, type PlaceResult } from './order-sender.ts';
import { ServerClock } from './server-clock.ts';
import { openSocket, reconnectBackOff, type StockSocket } from './stock-socket.ts';

const tickMs = 200;
/** A tick that is later than this means that the page itself stood still: nobody could be heard meanwhile. */
const stoodStillMs = 3_000;
const joinWithinMs = 8_000;
const renewalsMax = 3;
/** A move to another node takes a moment; longer than this, and the reader is told that the connection is away. */
const quietMoveMs = 2_500;
const moveInMsMax = 60_000;

/**
 * Follows one livestream over one socket, for ever: joins, keeps the newest levels, acknowledges frames, asks for what it misses, comes
 * back after every loss, and places orders so that a retry never buys twice.
 */
export class StockcastClient {
  readonly #options: ClientOptions;
  readonly #now: () => number;
  readonly #random: () => number;
  readonly #socket: StockSocket;
  readonly #api: HttpApi;
  readonly #levels = new LevelStore();
  readonly #acks = new FrameAcks();
  readonly #clock = new ServerClock();
  readonly #resync: ResyncPolicy;
  readonly #book: OrderBook;
  readonly #sender: OrderSender;
  readonly #listeners = new Set<(state: ClientState) => void>();
  readonly #ticker: ReturnType<typeof setInterval>;
  #state: ClientState = {
    connection: { kind: 'connecting' },
    livestream: null,
    viewers: null,
    buyerId: null,
    orders: [],
  };
  #heardAtMs = 0;
  #tickedAtMs: number;
  #serverStale = false;
  #failures = 0;
  #comeBack: ReturnType<typeof setTimeout> | undefined;
  #ordersAskedAtMs = 0;
  #move: ReturnType<typeof setTimeout> | undefined;
  /** Until then a connection that is away is one that moves, and nobody is told. */
  #quietUntilMs = 0;

  constructor(options: ClientOptions) {
    this.#options = options;
    this.#now = options.now ?? (() => Date.now());
    this.#random = options.random ?? (() => Math.random());
    this.#tickedAtMs = this.#now();
    this.#resync = new ResyncPolicy(this.#random);
    this.#book = new OrderBook((orders) => this.#update({ orders }));
    this.#api = options.api ?? createHttpApi({ url: options.url, token: options.token });
    this.#socket = (options.openSocket ?? openSocket)(options);
    this.#sender = new OrderSender({
      livestreamId: options.livestreamId,
      deviceId: options.deviceId,
      socket: this.#socket,
      isLive: () => this.#state.connection.kind === 'live' && this.#socket.connected,
      api: this.#api,
      pending: new PendingOrders({
        storage: options.storage ?? storageHere(),
        livestreamId: options.livestreamId,
        now: this.#now,
      }),
      newKey: newIdempotencyKey,
      now: this.#now,
      random: this.#random,
    });
    this.#listen();
    this.#ticker = setInterval(() => this.#tick(), tickMs);
  }

  get state(): ClientState {
    return this.#state;
  }

  /** Calls `listener` after every change of the state; returns how to end that. */
  subscribe(listener: (state: ClientState) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  level(index: number): Level | undefined {
    return this.#levels.level(index);
  }

  subscribeLevel(index: number, listener: (level: Level | undefined) => void): () => void {
    return this.#levels.subscribe(index, listener);
  }

  /** The server's clock as far as it can be known here: for countdowns and sales that open at a moment. */
  serverNowMs(): number {
    return this.#now() + this.#clock.offsetMs;
  }

  /** Resolves with a definite answer, or `undecided` after about ten seconds; then the same lines again continue the same attempt. */
  async placeOrder(lines: readonly { skuId: string; quantity: number }[]): Promise<PlaceResult> {
    const result = await this.#sender.place(lines);
    if (result.kind === 'accepted') this.#book.put([result.order]);
    return result;
  }

  /** Orders that were sent before a reload and never answered: asks again with their own keys. */
  async resumePendingOrders(): Promise<readonly PlaceResult[]> {
    const results: PlaceResult[] = [];
    for (const { lines } of this.#sender.pending()) results.push(await this.placeOrder(lines));
    return results;
  }

  /** null: cancelled. */
  async cancelOrder(orderId: string): Promise<WireError | null> {
    const answer = await this.#sender.cancel(orderId);
    if (!answer.ok) return answer.error;
    this.#book.put([answer.value]);
    return null;
  }

  /** Puts in orders that the page has got otherwise. */
  addOrders(orders: readonly Order[]): void {
    this.#book.put(orders);
  }

  /** Looks again at the connection at once: after a page comes back to the foreground its timers may be late by minutes. */
  wake(): void {
    this.#tick();
    if (this.#socket.connected || this.#comeBack !== undefined || this.#isOver()) return;
    // Connecting alone would leave a back-off of up to 30 s running.
    this.#socket.disconnect();
    this.#socket.connect();
  }

  close(): void {
    clearInterval(this.#ticker);
    clearTimeout(this.#comeBack);
    clearTimeout(this.#move);
    this.#update({ connection: { kind: 'closed' } });
    this.#socket.disconnect();
    this.#listeners.clear();
  }

  #listen(): void {
    const socket = this.#socket;
    socket.on('connect', () => void this.#join());
    socket.on('connect_error', (cause: Error & { data?: unknown }) => {
      this.#setAway();
      // An inactive socket was turned away by the server itself; losses of the network are repeated by the socket.
      if (!socket.active) this.#turnedAway(isWireError(cause.data) ? cause.data : wireError('unavailable'));
    });
    socket.on('disconnect', () => {
      if (this.#isOver() || this.#moves()) return;
      this.#setAway();
      if (!socket.active) this.#turnedAway(wireError('unavailable'));
    });
    socket.on('stock:snapshot', (snapshot) => this.#takeSnapshot(snapshot));
    socket.on('stock:levels', (frame) => this.#takeFrame(frame));
    socket.on('stock:heartbeat', (heartbeat) => this.#takeHeartbeat(heartbeat));
    socket.on('livestream:changed', (livestream) => this.#takeLivestream(livestream));
    socket.on('order:changed', (order) => this.#book.put([order]));
    socket.on('server:moving', ({ inMs }) => this.#moveIn(inMs));
  }

  /** This node ends soon, and each of its clients got a moment of its own to go to another one. */
  #moveIn(inMs: number): void {
    clearTimeout(this.#move);
    this.#move = setTimeout(
      () => {
        if (this.#isOver() || !this.#socket.connected) return;
        this.#quietUntilMs = this.#now() + quietMoveMs;
        this.#socket.disconnect();
        this.#socket.connect();
      },
      Math.min(inMs, moveInMsMax),
    );
  }

  #moves(): boolean {
    return this.#now() < this.#quietUntilMs;
  }

  async #join(): Promise<void> {
    const { livestreamId, lane } = this.#options;
    this.#levels.expectSnapshot();
    this.#acks.reset();
    this.#resync.reset();
    this.#heardAtMs = this.#now();
    const resume = this.#levels.resume;
    try {
      const answer = await this.#socket.timeout(joinWithinMs).emitWithAck('livestream:join', {
        livestreamId,
        protocolVersion: PROTOCOL_VERSION,
        lane,
        ...(resume === null ? {} : { resume }),
      });
      if (!answer.ok) {
        this.#turnedAway(answer.error);
        return;
      }
      const joined = JoinAnswer.safeParse(answer);
      if (!joined.success) {
        this.#turnedAway(wireError('protocol_mismatch'));
        return;
      }
      this.#failures = 0;
      this.#quietUntilMs = 0;
      this.#takeLivestream(joined.data.livestream);
      this.#update({ buyerId: joined.data.buyerId });
      this.#setConnection('live');
      if (joined.data.buyerId !== null) void this.#refreshOrders();
    } catch {
      // No answer within the time, or the connection went away meanwhile.
      this.#turnedAway(wireError('unavailable'));
    }
  }

  /** The server does not want this connection now: comes back later, with a new session, or not at all, as the error says. */
  #turnedAway(error: WireError): void {
    if (this.#isOver() || this.#comeBack !== undefined) return;
    const renew = this.#isLostSession(error) ? this.#options.renewSession : undefined;
    if (error.action !== 'retry' && renew === undefined) {
      this.#update({ connection: { kind: 'refused', error } });
      this.#socket.disconnect();
      return;
    }
    const afterMs = Math.max(error.minBackoffMs ?? 0, backOffMs(reconnectBackOff, this.#failures++, this.#random()));
    this.#setAway();
    this.#comeBack = setTimeout(() => void this.#comeBackWith(renew, error), afterMs);
    this.#socket.disconnect();
  }

  /** A server that does not know the cookie any more refuses the join. A new session that is refused too is the end. */
  #isLostSession({ code }: WireError): boolean {
    return (code === 'unauthorized' || code === 'forbidden') && this.#failures < renewalsMax;
  }

  async #comeBackWith(renew: (() => Promise<boolean>) | undefined, error: WireError): Promise<void> {
    const renewed = renew === undefined || (await renew());
    this.#comeBack = undefined;
    if (this.#isOver()) return;
    if (renewed) this.#socket.connect();
    else this.#update({ connection: { kind: 'refused', error } });
  }

  #takeSnapshot(input: StockSnapshot): void {
    const parsed = StockSnapshot.safeParse(input);
    if (!parsed.success) {
      this.#turnedAway(wireError('protocol_mismatch'));
      return;
    }
    if (!this.#isOurs(parsed.data)) return;
    const snapshot = parsed.data;
    this.#heard(snapshot.serverNowMs, snapshot.stale);
    this.#update({ viewers: snapshot.viewers });
    this.#resync.reset();
    const { needs } = this.#levels.applySnapshot(snapshot);
    this.#worked(snapshot.frame);
    if (needs === 'full_snapshot') this.#askForAll(snapshot.epoch, snapshot.upTo);
  }

  #takeFrame(frame: StockLevels): void {
    if (!Array.isArray(frame.rows) || typeof frame.epoch !== 'number' || !this.#isOurs(frame)) return;
    this.#heardAtMs = this.#now();
    const { needs } = this.#levels.applyFrame(frame);
    this.#worked(frame.frame);
    if (needs === 'full_snapshot') this.#askForAll(frame.epoch, frame.upTo ?? 0);
    this.#judge();
  }

  #takeHeartbeat(heartbeat: StockHeartbeat): void {
    if (!this.#isOurs(heartbeat)) return;
    const { epoch, upTo, serverNowMs, viewers, stale } = heartbeat;
    this.#heard(serverNowMs, stale);
    this.#update({ viewers });
    if (this.#levels.isBehind({ epoch, upTo })) this.#resync.behind({ epoch, upTo }, this.#now());
  }

  /** Another epoch is the same as being behind: everybody notices at the same moment, so the question waits for its random pause. */
  #askForAll(epoch: number, upTo: number): void {
    this.#resync.behind({ epoch, upTo }, this.#now());
  }

  #takeLivestream(livestream: LivestreamInfo): void {
    const known = this.#state.livestream;
    if (!this.#isOurs(livestream)) return;
    if (known !== null && livestream.infoRev < known.infoRev) return;
    this.#update({ livestream });
  }

  #heard(serverNowMs: number, stale: boolean): void {
    this.#heardAtMs = this.#now();
    this.#serverStale = stale;
    this.#clock.sample(serverNowMs, this.#heardAtMs);
    this.#judge();
  }

  #worked(frame: number): void {
    this.#acknowledge(this.#acks.worked(frame, this.#now()));
  }

  #acknowledge(frame: number | null): void {
    if (frame === null || !this.#socket.connected) return;
    this.#socket.emit('stock:ack', { livestreamId: this.#options.livestreamId, frame });
  }

  #tick(): void {
    const nowMs = this.#now();
    const lateMs = nowMs - this.#tickedAtMs - tickMs;
    this.#tickedAtMs = nowMs;
    // What came meanwhile is read after this; a connection that is really dead is found out as any other.
    if (lateMs > stoodStillMs) this.#heardAtMs = Math.max(this.#heardAtMs, nowMs - staleAfterMs);
    this.#acknowledge(this.#acks.due(nowMs));
    if (this.#quietUntilMs !== 0 && !this.#moves()) {
      this.#quietUntilMs = 0;
      this.#setAway();
    }
    if (this.#state.connection.kind !== 'live') return;
    this.#judge();
    if (this.#resync.due((target) => this.#levels.isBehind(target), nowMs)) this.#askForRows();
    if (this.#overdueOrders(nowMs)) void this.#refreshOrders();
  }

  #askForRows(): void {
    const resume = this.#levels.resume;
    this.#socket.emit('stock:resync', {
      livestreamId: this.#options.livestreamId,
      ...(resume === null ? {} : { resume }),
    });
  }

  /** Stale or not, and whether a connection that says nothing must be opened anew. */
  #judge(): void {
    if (this.#state.connection.kind !== 'live') return;
    const silence = judgeSilence(this.#now() - this.#heardAtMs);
    if (silence === 'dead') {
      this.#turnedAway(wireError('unavailable'));
      return;
    }
    this.#setConnection('live', silence === 'stale' || this.#serverStale);
  }

  /** An order that must have expired by now and of which no news came: looks again, at most every five seconds. */
  #overdueOrders(nowMs: number): boolean {
    if (nowMs - this.#ordersAskedAtMs < 5_000) return false;
    const serverNowMs = this.serverNowMs();
    return this.#state.orders.some((order) => isUnpaid(order) && order.expiresAtMs + 2_000 < serverNowMs);
  }

  async #refreshOrders(): Promise<void> {
    this.#ordersAskedAtMs = this.#now();
    const orders = await this.#sender.list();
    if (orders.ok) this.#book.put(orders.value);
  }

  #setConnection(kind: 'connecting' | 'live' | 'reconnecting', stale = false): void {
    const known = this.#state.connection;
    if (known.kind === kind && (known.kind !== 'live' || known.stale === stale)) return;
    this.#update({ connection: kind === 'live' ? { kind, stale } : { kind } });
  }

  #isOurs({ livestreamId }: { livestreamId: string }): boolean {
    return livestreamId === this.#options.livestreamId;
  }

  #setAway(): void {
    if (this.#moves()) return;
    this.#setConnection(this.#state.livestream === null ? 'connecting' : 'reconnecting');
  }

  #isOver(): boolean {
    const { kind } = this.#state.connection;
    return kind === 'closed' || kind === 'refused';
  }

  #update(change: Partial<ClientState>): void {
    this.#state = { ...this.#state, ...change };
    for (const listener of this.#listeners) listener(this.#state);
  }
}

/** The only way to make a client. */
export const connect = (options: ClientOptions): StockcastClient => new StockcastClient(options);
