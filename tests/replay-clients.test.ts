import { createServer, type Server as HttpServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import * as fc from 'fast-check';
import { Server as SocketServer } from 'socket.io';
import { Webhook } from 'standardwebhooks';
import { afterEach, expect, test } from 'vitest';
import { wireError } from '../contract/errors.ts';
import { ApiClient, Unanswered } from '../load-tests/lib/api-client.ts';
import { type Evidence, judge } from '../load-tests/lib/audit.ts';
import { placeOrder, type SendOrder } from '../load-tests/lib/buyer.ts';
import { percentile, percentilesOf } from '../load-tests/lib/latency.ts';
import { limiter } from '../load-tests/lib/limiter.ts';
import { payByCallback, payOnSimulatedPage } from '../load-tests/lib/payment.ts';
import { RawSocket } from '../load-tests/lib/raw-socket.ts';
import { LevelBook, Viewer } from '../load-tests/lib/viewer.ts';

const stops: (() => unknown)[] = [];
afterEach(async () => {
  for (const stop of stops.splice(0).toReversed()) await stop();
});
async function listen(server: HttpServer): Promise<string> {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  stops.push(() => new Promise((resolve) => server.close(resolve).closeAllConnections()));
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}
const clientOf = (url: string): ApiClient => {
  const api = new ApiClient(url, { timeoutMs: 2_000 });
  stops.push(() => api.close());
  return api;
};

const order = {
  orderId: 'o1',
  livestreamId: 'live',
  state: 'held' as const,
  lines: [{ skuId: 'tea', quantity: 1, unitPriceMinor: 100 }],
  totalMinor: 100,
  currency: 'CNY',
  createdAtMs: 1,
  expiresAtMs: 2,
};
const wanted = { idempotencyKey: 'key-00001', lines: [{ skuId: 'tea', quantity: 1 }] };
const patience = (attemptsMax: number) => ({ attemptsMax, random: () => 0, now: () => performance.now() });
const answers = (...script: (Awaited<ReturnType<SendOrder>> | Error)[]) => {
  const keys: string[] = [];
  const send: SendOrder = ({ idempotencyKey }) => {
    const next = script[keys.push(idempotencyKey) - 1] ?? new Unanswered('nobody there');
    return next instanceof Error ? Promise.reject(next) : Promise.resolve(next);
  };
  return { send, keys };
};

test('[RP-12] an order is repeated with the same key until its answer is definite', async () => {
  const { send, keys } = answers(
    new Unanswered('reset'),
    { ok: false, error: wireError('in_progress', { minBackoffMs: 0 }) },
    { ok: true, answer: { outcome: 'duplicate', order, payUrl: '' } },
  );
  const placed = await placeOrder(send, wanted, patience(5));
  expect(placed).toMatchObject({ answer: { kind: 'duplicate' }, attempts: 3 });
  expect(keys).toEqual(['key-00001', 'key-00001', 'key-00001']);
});

test('[RP-12] a final refusal is not repeated', async () => {
  const { send, keys } = answers({ ok: false, error: wireError('sold_out', { skuId: 'tea' }) });
  const placed = await placeOrder(send, wanted, patience(5));
  expect(placed.answer).toEqual({ kind: 'refused', code: 'sold_out', skuId: 'tea' });
  expect(keys).toHaveLength(1);
});

test('[RP-12] repeating is bounded and waits as long as the server asks for', async () => {
  const busy = { ok: false as const, error: wireError('overloaded', { minBackoffMs: 150 }) };
  const { send, keys } = answers(busy, busy, busy);
  const placed = await placeOrder(send, wanted, patience(2));
  expect(placed.answer).toMatchObject({ kind: 'refused', code: 'overloaded' });
  expect(keys).toHaveLength(2);
  expect(placed.latencyMs).toBeGreaterThanOrEqual(149);
});

test("[RP-12] a client's own mistake is thrown, not counted as the server's", async () => {
  await expect(placeOrder(answers(new TypeError('bug')).send, wanted, patience(3))).rejects.toThrow('bug');
});

test('[RP-13] a callback is signed as Standard Webhooks asks, and repeated until it is answered for good', async () => {
  const secret = `whsec_${Buffer.from('a secret of the payment provider').toString('base64')}`;
  const bodies: unknown[] = [];
  const url = await listen(
    createServer((req, res) => {
      let text = '';
      req.on('data', (part: Buffer) => {
        text += part.toString();
      });
      req.on('end', () => {
        bodies.push(new Webhook(secret).verify(text, req.headers as Record<string, string>));
        const done = bodies.length === 2;
        res.writeHead(done ? 200 : 503, { 'content-type': 'application/json' });
        const answer = { orderId: 'o1', paymentId: 'pay_o1', outcome: 'paid' };
        res.end(JSON.stringify(done ? answer : { error: wireError('unavailable') }));
      });
    }),
  );
  expect(await payByCallback(clientOf(url), secret, Date.now)(order, '')).toEqual({ kind: 'paid' });
  expect(bodies).toHaveLength(2);
  expect(bodies[1]).toMatchObject({
    type: 'payment.succeeded',
    data: { orderId: 'o1', amountMinor: 100, currency: 'CNY' },
  });
});

test('[RP-13] without a secret and without a payment page there is a sentence that says what to do', async () => {
  const paid = await payOnSimulatedPage(clientOf('http://127.0.0.1:1'))(order, '');
  expect(paid).toMatchObject({ kind: 'failed', reason: expect.stringContaining('--payment-secret') });
});

test('[RP-14] a client takes rows by version, whatever the order in which frames arrive', () => {
  const aRow = fc
    .tuple(fc.nat(3), fc.nat(40), fc.nat(9))
    .map(([index, version, shown]) => [index, version, shown, 2] as const);
  fc.assert(
    fc.property(fc.uniqueArray(aRow, { selector: ([, version]) => version, maxLength: 30 }), (rows) => {
      const book = new LevelBook();
      book.snapshot({ epoch: 1, upTo: 0, complete: true, rows: [] });
      for (const [index, version, shown, status] of rows)
        expect(book.frame({ epoch: 1, rows: [[index, version, shown, status]] })).toBe(true);
      for (const index of [0, 1, 2, 3]) {
        const newest = rows.filter((row) => row[0] === index).sort((a, b) => b[1] - a[1])[0];
        expect(book.rows.get(index)?.shown).toBe(newest?.[2]);
      }
      expect(book.upTo).toBe(0);
      expect(book.violations).toEqual([]);
    }),
  );
});

test('[RP-14] a new epoch asks for a snapshot, an older one is ignored, and what no correct server sends is reported', () => {
  const book = new LevelBook();
  book.snapshot({ epoch: 2, upTo: 5, complete: true, rows: [[0, 5, 9, 2]] });
  expect(book.frame({ epoch: 1, upTo: 9, rows: [[0, 9, 1, 2]] })).toBe(true);
  expect(book.rows.get(0)?.shown).toBe(9);
  expect(book.frame({ epoch: 3, upTo: 1, rows: [[0, 1, 7, 2]] })).toBe(false);
  expect(book.behind({ epoch: 2, upTo: 6 })).toBe(true);
  expect(book.behind({ epoch: 2, upTo: 5 })).toBe(false);
  book.snapshot({ epoch: 3, upTo: 1, complete: true, rows: [[0, 1, 7, 2]] });
  expect(book.rows.get(0)?.shown).toBe(7);
  expect(book.violations).toEqual([]);
  book.snapshot({ epoch: 2, upTo: 8, complete: true, rows: [] });
  book.frame({ epoch: 3, rows: [[0, 1, 6, 2]] });
  expect(book.violations).toHaveLength(2);
});

test('[RP-14] over a real Socket.IO server: joins with the token, acknowledges frames, resyncs and comes back', async () => {
  const http = createServer();
  const io = new SocketServer(http);
  const url = await listen(http);
  stops.push(() => io.close());
  const heard: Record<string, unknown[]> = { join: [], ack: [], resync: [] };
  const frameOf = (frame: number, shown: number) => ({
    livestreamId: 'live',
    frame,
    epoch: 1,
    upTo: frame,
    rows: [[0, frame, shown, 2]],
  });
  const extra = { lane: 'viewers', complete: true, serverNowMs: 1, viewers: 1, stale: false };
  io.use((socket, next) => next(socket.handshake.auth['token'] === 'good' ? undefined : new Error('unauthorized')));
  io.on('connection', (socket) => {
    socket.on('livestream:join', (payload: unknown, acknowledge: (answer: unknown) => void) => {
      heard['join']?.push(payload);
      socket.emit('stock:snapshot', { ...frameOf(0, 50), ...extra });
      for (let frame = 1; frame <= 9; frame += 1) socket.emit('stock:levels', frameOf(frame, 50 - frame));
      acknowledge({ ok: true });
    });
    socket.on('stock:ack', (payload: unknown) => heard['ack']?.push(payload));
    socket.on('stock:resync', (payload: unknown, acknowledge: (answer: unknown) => void) => {
      heard['resync']?.push(payload);
      socket.emit('stock:snapshot', { ...frameOf(20, 7), ...extra, complete: false });
      acknowledge({ ok: true });
    });
  });
  await expect(RawSocket.connect({ url, token: 'bad' })).rejects.toThrow(/unauthorized/);
  const viewer = await Viewer.watch({
    url,
    token: 'good',
    livestreamId: 'live',
    lane: 'viewers',
    random: () => 0,
    now: () => performance.now(),
    strict: true,
  });
  stops.push(() => viewer.stop());
  await expect.poll(() => viewer.book.rows.get(0)?.shown).toBe(41);
  await expect
    .poll(() => heard['ack'])
    .toEqual([
      { livestreamId: 'live', frame: 8 },
      { livestreamId: 'live', frame: 9 },
    ]);
  io.emit('stock:heartbeat', { livestreamId: 'live', epoch: 1, upTo: 20, serverNowMs: 1, viewers: 1, stale: false });
  await expect.poll(() => viewer.book.rows.get(0)?.shown).toBe(7);
  expect(heard['resync']).toEqual([{ livestreamId: 'live', resume: { epoch: 1, upTo: 9 } }]);
  io.disconnectSockets(true);
  await expect.poll(() => viewer.reconnects).toBe(1);
  expect(heard['join']?.[1]).toMatchObject({ resume: { epoch: 1, upTo: 20 } });
  expect(viewer.book.violations).toEqual([]);
});

const evidence = (): Evidence => {
  const book = new LevelBook();
  book.snapshot({ epoch: 1, upTo: 4, complete: true, rows: [[0, 4, 7, 0, 3, 2]] });
  const item = {
    productId: 'tea',
    title: { zh: '茶', en: 'Tea' },
    spec: [],
    imageUrl: null,
    unitPriceMinor: 100,
    currency: 'CNY',
  };
  const limits = { perOrder: null, perBuyer: null, perDevice: null };
  return {
    audit: {
      livestreamId: 'live',
      atMs: 1,
      epoch: 1,
      version: 4,
      drift: 0,
      items: [
        {
          skuId: 'tea',
          allotted: 10,
          gate: { allotted: 10, held: 0, sold: 3, available: 7, version: 4 },
          ledger: { held: 0, sold: 3, returned: 0, heldByOrders: 0, soldByOrders: 3 },
        },
      ],
    },
    levels: [{ skuId: 'tea', version: 4, available: 7, held: 0, sold: 3, status: 'on_sale' }],
    livestream: {
      livestreamId: 'live',
      title: { zh: '场', en: 'Live' },
      state: 'live',
      scheduledAtMs: null,
      startedAtMs: 1,
      endedAtMs: null,
      holdTtlMs: 1_000,
      pinnedSkuId: null,
      infoRev: 1,
      items: [
        {
          ...item,
          index: 0,
          skuId: 'tea',
          limits,
          salePolicy: { kind: 'deduct_on_order' },
          display: { kind: 'exact' },
          sale: 'open',
          opensAtMs: 0,
        },
      ],
    },
    watchers: [{ name: 'operator', book }],
    receipts: [{ orderId: 'o1', skuId: 'tea', quantity: 3, state: 'paid' }],
    orders: [
      {
        ...order,
        state: 'paid',
        lines: [{ skuId: 'tea', quantity: 3, unitPriceMinor: 100 }],
        buyerId: 'b1',
        deviceId: null,
        payments: [],
      },
    ],
  };
};

/** Writable all the way down: the tests below break one thing each. */
type Writable<T> = T extends LevelBook | Map<unknown, unknown> ? T : { -readonly [K in keyof T]: Writable<T[K]> };
const broken = (change: (of: Writable<Evidence>) => void): readonly string[] => {
  const whole = evidence() as Writable<Evidence>;
  change(whole);
  return judge(whole);
};

test('[RP-15] evidence without a fault is clean', () => {
  expect(judge(evidence())).toEqual([]);
});

test.each<[string, RegExp, (of: Writable<Evidence>) => void]>([
  ['drift', /differ by 2 units/, (of) => Object.assign(of.audit, { drift: 2 })],
  ['an oversold item', /of 2 allotted \(I1\)/, (of) => Object.assign(of.audit.items[0] ?? {}, { allotted: 2 })],
  [
    'counters without orders',
    /orders' sums/,
    (of) => Object.assign(of.audit.items[0]?.ledger ?? {}, { soldByOrders: 2 }),
  ],
  ['a gate that sold less', /gate 0 held, 2 sold/, (of) => Object.assign(of.audit.items[0]?.gate ?? {}, { sold: 2 })],
  ['a lost gate', /the gate has nothing/, (of) => Object.assign(of.audit.items[0] ?? {}, { gate: null })],
  ['an empty audit', /no items/, (of) => Object.assign(of.audit, { items: [] })],
  [
    'a level that is not the gate’s',
    /levels say 6 available/,
    (of) => Object.assign(of.levels[0] ?? {}, { available: 6 }),
  ],
  [
    'a client with an old number',
    /shows 7, the gate has 5/,
    (of) => Object.assign(of.levels[0] ?? {}, { available: 5 }),
  ],
  ['a client with an old status', /shows on_sale/, (of) => Object.assign(of.levels[0] ?? {}, { status: 'stopped' })],
  ['an operator with an old count', /shows 0 held and 3 sold/, (of) => Object.assign(of.levels[0] ?? {}, { held: 1 })],
  ['a client that was shown nothing', /was never shown/, (of) => of.watchers[0]?.book.rows.clear()],
  ['a broken promise of the wire', /operator: bad frame/, (of) => of.watchers[0]?.book.violations.push('bad frame')],
  ['a lost order', /is not in the ledger \(I2\)/, (of) => Object.assign(of, { orders: [] })],
  [
    'an order in another state',
    /is expired, its buyer was told paid/,
    (of) => Object.assign(of.orders[0] ?? {}, { state: 'expired' }),
  ],
  ['an order with other units', /other lines/, (of) => Object.assign(of.orders[0]?.lines[0] ?? {}, { quantity: 2 })],
  ['units sold without a receipt', /receipts for 0 paid units/, (of) => Object.assign(of, { receipts: [] })],
])('[RP-15] the audit finds %s', (_, message, change) => {
  const findings = broken(change);
  expect(findings.length).toBeGreaterThan(0);
  expect(findings.join('\n')).toMatch(message);
});

test('[RP-15] a payment without an answer may have arrived or not', () => {
  const unknown = (state: 'paid' | 'held', sold: number) =>
    broken((of) => {
      Object.assign(of.receipts?.[0] ?? {}, { state: 'unknown' });
      Object.assign(of.orders[0] ?? {}, { state });
      Object.assign(of.audit.items[0]?.ledger ?? {}, { sold, soldByOrders: sold });
    }).filter((finding) => finding.includes('I2'));
  expect(unknown('paid', 3)).toEqual([]);
  expect(unknown('held', 0)).toEqual([]);
  expect(unknown('paid', 4)).toHaveLength(1);
});

test('[RP-16] percentiles are measured values of the nearest rank', () => {
  expect(percentilesOf([])).toEqual({ count: 0, p50: 0, p95: 0, p99: 0, max: 0 });
  expect(percentilesOf([5])).toEqual({ count: 1, p50: 5, p95: 5, p99: 5, max: 5 });
  expect(percentilesOf(Array.from({ length: 100 }, (_, index) => 100 - index))).toEqual({
    count: 100,
    p50: 50,
    p95: 95,
    p99: 99,
    max: 100,
  });
  fc.assert(
    fc.property(
      fc.array(fc.nat(1_000), { minLength: 1 }),
      fc.double({ min: 0.001, max: 1, noNaN: true }),
      (samples, share) => {
        const sorted = [...samples].sort((a, b) => a - b);
        const value = percentile(sorted, share);
        expect(samples).toContain(value);
        expect(samples.filter((one) => one <= value).length).toBeGreaterThanOrEqual(share * samples.length - 1e-6);
      },
    ),
  );
});

test('[RP-12] at most as many requests as allowed are under way, in the order in which they came', async () => {
  const atOnce = limiter(3);
  const order: number[] = [];
  let [running, most] = [0, 0];
  await Promise.all(
    Array.from({ length: 20 }, (_, index) =>
      atOnce(async () => {
        order.push(index);
        most = Math.max(most, ++running);
        await new Promise((resolve) => setTimeout(resolve, 1));
        running -= 1;
        if (index % 5 === 0) throw new Error('a failed task frees its place');
      }).catch(() => {}),
    ),
  );
  expect(most).toBe(3);
  expect(order).toEqual(Array.from({ length: 20 }, (_, index) => index));
});
