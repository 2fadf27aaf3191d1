import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { wireError } from '../../contract/errors.ts';
import type { LivestreamInfo } from '../../contract/livestreams.ts';
import type { Order } from '../../contract/orders.ts';
import { PROTOCOL_VERSION } from '../../contract/protocol-version.ts';
import type { HttpApi } from './http-api.ts';
import type { StockSocket } from './stock-socket.ts';
import { connect, type StockcastClient } from './stockcast-client.ts';

const livestream: LivestreamInfo = {
  livestreamId: 'demo',
  title: { zh: '演示', en: 'Demo' },
  state: 'live',
  scheduledAtMs: null,
  startedAtMs: 0,
  endedAtMs: null,
  holdTtlMs: 600_000,
  pinnedSkuId: null,
  infoRev: 1,
  items: [],
};
const order: Order = {
  orderId: 'o1',
  livestreamId: 'demo',
  state: 'held',
  lines: [{ skuId: 'tea', quantity: 1, unitPriceMinor: 990 }],
  totalMinor: 990,
  currency: 'CNY',
  createdAtMs: 0,
  expiresAtMs: 600_000,
};
const accepted = { ok: true, outcome: 'accepted', order, payUrl: '/pay/?order=o1' };
type Reply = object | 'never';

/** The client's end of a wire: what it sends is collected, what it is answered is scripted, events come in by hand. */
class ScriptedSocket {
  connected = false;
  active = true;
  connects = 0;
  readonly sent: { name: string; payload: Record<string, unknown> }[] = [];
  replies: Record<string, (payload: Record<string, unknown>) => Reply> = {
    'livestream:join': () => ({ ok: true, livestream, buyerId: 'b1' }),
    'order:list': () => ({ ok: true, orders: [] }),
  };
  readonly #listeners = new Map<string, (payload?: unknown) => void>();

  on(name: string, listener: (payload?: unknown) => void): void {
    this.#listeners.set(name, listener);
  }
  emit(name: string, payload: Record<string, unknown>): void {
    this.sent.push({ name, payload });
  }
  timeout(ms: number) {
    return {
      emitWithAck: (name: string, payload: Record<string, unknown>): Promise<object> => {
        this.sent.push({ name, payload });
        const reply = this.replies[name]?.(payload) ?? 'never';
        if (reply !== 'never') return Promise.resolve(reply);
        return new Promise((_resolve, reject) => setTimeout(() => reject(new Error('timeout')), ms));
      },
    };
  }
  connect(): void {
    this.connects += 1;
    this.open();
  }
  disconnect(): void {
    this.active = false;
    if (this.connected) this.lose();
  }
  open(): void {
    this.connected = true;
    this.active = true;
    this.#listeners.get('connect')?.();
  }
  lose(): void {
    this.connected = false;
    this.#listeners.get('disconnect')?.();
  }
  push(name: string, payload: object): void {
    this.#listeners.get(name)?.(payload);
  }
  of(name: string) {
    return this.sent.filter((each) => each.name === name).map(({ payload }) => payload);
  }
}

const snapshot = (change: object = {}) => ({
  livestreamId: 'demo',
  lane: 'viewers',
  frame: 1,
  epoch: 1,
  upTo: 10,
  complete: true,
  rows: [[0, 10, 5, 2]],
  serverNowMs: Date.now() + 5_000,
  viewers: 3,
  stale: false,
  ...change,
});
const heartbeat = (change: object = {}) => ({
  livestreamId: 'demo',
  epoch: 1,
  upTo: 10,
  serverNowMs: Date.now() + 5_000,
  viewers: 4,
  stale: false,
  ...change,
});

let socket: ScriptedSocket;
let client: StockcastClient;
const httpOrders = vi.fn<HttpApi['placeOrder']>();
let texts: Map<string, string>;

function start(options: { renewSession?: () => Promise<boolean> } = {}): void {
  const away = () => Promise.resolve({ ok: false, error: wireError('unavailable') } as const);
  client = connect({
    url: '',
    livestreamId: 'demo',
    lane: 'viewers',
    ...options,
    storage: {
      getItem: (name) => texts.get(name) ?? null,
      setItem: (name, text) => void texts.set(name, text),
      removeItem: (name) => void texts.delete(name),
    },
    random: () => 0,
    openSocket: () => socket as unknown as StockSocket,
    api: {
      placeOrder: httpOrders,
      openSession: away,
      listLivestreams: away,
      livestream: away,
      myOrders: away,
      cancelOrder: away,
    },
  });
}

/** Joined, with its first snapshot. */
async function join(): Promise<void> {
  socket.open();
  socket.push('stock:snapshot', snapshot());
  await vi.advanceTimersByTimeAsync(0);
}

beforeEach(() => {
  vi.useFakeTimers();
  socket = new ScriptedSocket();
  texts = new Map();
  httpOrders.mockReset();
});
afterEach(() => {
  client.close();
  vi.useRealTimers();
});

describe('connection', () => {
  test('[VW-8] joins with its protocol version, and continues where it was after a loss', async () => {
    start();
    expect(client.state.connection.kind).toBe('connecting');
    await join();
    expect(client.state).toMatchObject({ connection: { kind: 'live', stale: false }, viewers: 3, buyerId: 'b1' });
    socket.lose();
    expect(client.state.connection.kind).toBe('reconnecting');
    socket.open();
    await vi.advanceTimersByTimeAsync(0);
    const [first, second] = socket.of('livestream:join');
    expect(first).toMatchObject({ livestreamId: 'demo', lane: 'viewers', protocolVersion: PROTOCOL_VERSION });
    expect(first).not.toHaveProperty('resume');
    expect(second).toMatchObject({ resume: { epoch: 1, upTo: 10 } });
    expect(client.state.connection.kind).toBe('live');
  });

  test('[VW-8] a join that is refused for now is tried again, later and later', async () => {
    start();
    socket.replies['livestream:join'] = () => ({ ok: false, error: wireError('overloaded') });
    socket.open();
    await vi.advanceTimersByTimeAsync(499);
    expect(socket.connects).toBe(0);
    await vi.advanceTimersByTimeAsync(120_000);
    expect(socket.connects).toBeGreaterThan(6);
    expect(socket.connects).toBeLessThan(14);
    expect(client.state.connection.kind).toBe('connecting');
  });

  test('[VW-8] a protocol mismatch is the end until the page is reloaded', async () => {
    start();
    socket.replies['livestream:join'] = () => ({ ok: false, error: wireError('protocol_mismatch') });
    socket.open();
    await vi.advanceTimersByTimeAsync(300_000);
    expect(client.state.connection).toMatchObject({ kind: 'refused', error: { code: 'protocol_mismatch' } });
    expect(socket.connects).toBe(0);
    client.wake();
    expect(socket.connects).toBe(0);
  });

  test('[VW-9] a session that the server has forgotten is renewed', async () => {
    const renewSession = vi.fn(() => Promise.resolve(true));
    start({ renewSession });
    socket.replies['livestream:join'] = () => {
      socket.replies['livestream:join'] = () => ({ ok: true, livestream, buyerId: 'b2' });
      return { ok: false, error: wireError('forbidden') };
    };
    socket.open();
    await vi.advanceTimersByTimeAsync(2_000);
    expect(renewSession).toHaveBeenCalledOnce();
    expect(client.state).toMatchObject({ connection: { kind: 'live' }, buyerId: 'b2' });
  });

  test('[CL-3] a page that stood still hears first what waited for it; only silence after that is a dead connection', async () => {
    start();
    await join();
    vi.setSystemTime(Date.now() + 40_000);
    await vi.advanceTimersByTimeAsync(200);
    expect(client.state.connection).toEqual({ kind: 'live', stale: true });
    socket.push('stock:heartbeat', heartbeat());
    expect(client.state.connection).toEqual({ kind: 'live', stale: false });
    vi.setSystemTime(Date.now() + 40_000);
    await vi.advanceTimersByTimeAsync(9_000);
    expect(client.state.connection).toEqual({ kind: 'live', stale: true });
    await vi.advanceTimersByTimeAsync(2_000);
    expect(client.state.connection.kind).toBe('reconnecting');
  });

  test('[VW-6] silence is stale, then the connection is opened anew', async () => {
    start();
    await join();
    await vi.advanceTimersByTimeAsync(5_200);
    expect(client.state.connection).toEqual({ kind: 'live', stale: true });
    socket.push('stock:heartbeat', heartbeat());
    expect(client.state.connection).toEqual({ kind: 'live', stale: false });
    socket.push('stock:heartbeat', heartbeat({ stale: true }));
    expect(client.state.connection).toEqual({ kind: 'live', stale: true });
    await vi.advanceTimersByTimeAsync(17_000);
    expect(socket.connects).toBe(1);
  });
});

describe('a node that ends', () => {
  test('[CU-13] the client goes at its own moment, resumes, and shows nothing of it', async () => {
    start();
    await join();
    const shown = new Set<string>();
    client.subscribe(({ connection }) => shown.add(connection.kind));
    socket.push('server:moving', { inMs: 800 });
    await vi.advanceTimersByTimeAsync(799);
    expect(socket.connects).toBe(0);
    await vi.advanceTimersByTimeAsync(1);
    expect(socket.connects).toBe(1);
    expect(socket.of('livestream:join').at(-1)).toMatchObject({ resume: { epoch: 1, upTo: 10 } });
    await vi.advanceTimersByTimeAsync(3_000);
    expect([...shown].filter((kind) => kind !== 'live')).toEqual([]);
  });

  test('[CU-13] while it is between two nodes orders go over HTTP; a move that takes long is shown', async () => {
    start();
    await join();
    const open = socket.open.bind(socket);
    socket.open = () => undefined;
    socket.push('server:moving', { inMs: 0 });
    await vi.advanceTimersByTimeAsync(0);
    expect([socket.connected, client.state.connection.kind]).toEqual([false, 'live']);
    httpOrders.mockResolvedValue({ ok: true, value: { outcome: 'accepted', order, payUrl: '/pay/' } });
    expect(await client.placeOrder([{ skuId: 'tea', quantity: 1 }])).toMatchObject({ kind: 'accepted' });
    expect(socket.of('order:place')).toEqual([]);
    await vi.advanceTimersByTimeAsync(2_700);
    expect(client.state.connection.kind).toBe('reconnecting');
    open();
    await vi.advanceTimersByTimeAsync(0);
    expect(client.state.connection.kind).toBe('live');
  });
});

describe('levels over the wire', () => {
  test('[VW-5] a heartbeat that is ahead leads to one resync from the resume point', async () => {
    start();
    await join();
    socket.push('stock:heartbeat', heartbeat({ upTo: 12 }));
    await vi.advanceTimersByTimeAsync(1_500);
    expect(socket.of('stock:resync')).toEqual([{ livestreamId: 'demo', resume: { epoch: 1, upTo: 10 } }]);
    socket.push('stock:snapshot', snapshot({ complete: false, upTo: 12, rows: [[0, 12, 4, 2]] }));
    expect(client.level(0)?.shown).toBe(4);
    await vi.advanceTimersByTimeAsync(4_000);
    expect(socket.of('stock:resync')).toHaveLength(1);
  });

  test('[VW-3] a frame of another epoch leads to a resync, also without a heartbeat', async () => {
    start();
    await join();
    socket.push('stock:levels', { livestreamId: 'demo', frame: 2, epoch: 2, upTo: 1, rows: [[0, 1, 9, 2]] });
    await vi.advanceTimersByTimeAsync(1_500);
    expect(socket.of('stock:resync')).toHaveLength(1);
    expect(client.level(0)?.shown).toBe(9);
  });

  test("[VW-4] frames are acknowledged, and frames of another livestream are nobody's", async () => {
    start();
    await join();
    for (let frame = 2; frame <= 16; frame += 1) {
      socket.push('stock:levels', { livestreamId: 'demo', frame, epoch: 1, upTo: 10 + frame, rows: [] });
    }
    expect(socket.of('stock:ack')).toEqual([{ livestreamId: 'demo', frame: 16 }]);
    socket.push('stock:levels', { livestreamId: 'other', frame: 99, epoch: 1, upTo: 99, rows: [[0, 99, 0, 3]] });
    expect(client.level(0)?.shown).toBe(5);
  });

  test("[VW-7] countdowns follow the server's clock", async () => {
    start();
    await join();
    expect(client.serverNowMs() - Date.now()).toBe(5_000);
  });
});

describe('orders over the wire', () => {
  const tea = [{ skuId: 'tea', quantity: 1 }];

  test('[VW-11] an order without an answer goes the other way with the same key, and is answered once', async () => {
    start();
    await join();
    httpOrders.mockResolvedValue({ ok: true, value: { outcome: 'accepted', order, payUrl: '/pay' } });
    const placing = client.placeOrder(tea);
    expect(texts.size).toBe(1);
    await vi.advanceTimersByTimeAsync(7_000);
    expect(await placing).toMatchObject({ kind: 'accepted', order: { orderId: 'o1' } });
    const overSocket = socket.of('order:place').map(({ idempotencyKey }) => idempotencyKey);
    const overHttp = httpOrders.mock.calls.map(([, { idempotencyKey }]) => idempotencyKey);
    expect(overHttp).toEqual(overSocket);
    expect(texts.size).toBe(0);
    expect(client.state.orders.map(({ orderId }) => orderId)).toEqual(['o1']);
  });

  test('[VW-11] while the socket is down, orders go over HTTP', async () => {
    start();
    httpOrders.mockResolvedValue({ ok: true, value: { outcome: 'accepted', order, payUrl: '/pay' } });
    expect((await client.placeOrder(tea)).kind).toBe('accepted');
    expect(socket.of('order:place')).toEqual([]);
  });

  test('[VW-11] after ten seconds the order is undecided; asking again uses the same key', async () => {
    start();
    await join();
    socket.replies['order:place'] = () => ({ ok: false, error: wireError('in_progress') });
    const placing = client.placeOrder(tea);
    await vi.advanceTimersByTimeAsync(11_000);
    expect(await placing).toMatchObject({ kind: 'undecided', error: { code: 'in_progress' } });
    socket.replies['order:place'] = () => accepted;
    expect(await client.resumePendingOrders()).toMatchObject([{ kind: 'accepted' }]);
    const keys = socket.of('order:place').map(({ idempotencyKey }) => idempotencyKey);
    expect(keys.length).toBeGreaterThan(4);
    expect(new Set(keys).size).toBe(1);
  });

  test('[VW-10] a definite refusal frees the key for a new attempt', async () => {
    start();
    await join();
    socket.replies['order:place'] = () => ({ ok: false, error: wireError('sold_out', { skuId: 'tea' }) });
    expect(await client.placeOrder(tea)).toMatchObject({ kind: 'refused', error: { code: 'sold_out' } });
    await client.placeOrder(tea);
    expect(new Set(socket.of('order:place').map(({ idempotencyKey }) => idempotencyKey)).size).toBe(2);
  });

  test('[VW-12] news of an order that overtakes its answer stands', async () => {
    start();
    await join();
    socket.replies['order:place'] = () => accepted;
    socket.push('order:changed', { ...order, state: 'paid' });
    await client.placeOrder(tea);
    expect(client.state.orders.map(({ state }) => state)).toEqual(['paid']);
  });

  test('[VW-12] an order that must have expired is looked up when no news comes', async () => {
    start();
    await join();
    client.addOrders([{ ...order, expiresAtMs: client.serverNowMs() + 8_000 }]);
    socket.replies['order:list'] = () => ({ ok: true, orders: [{ ...order, state: 'expired' }] });
    const beating = setInterval(() => socket.push('stock:heartbeat', heartbeat()), 1_000);
    await vi.advanceTimersByTimeAsync(11_000);
    clearInterval(beating);
    expect(client.state.orders.map(({ state }) => state)).toEqual(['expired']);
  });
});
