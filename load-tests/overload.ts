import { spawn } from 'node:child_process';
import { performance } from 'node:perf_hooks';
import { fileURLToPath } from 'node:url';
import { API_PREFIX, routes } from '../contract/routes.ts';
import { paymentWebhookSecret } from '../tests/services/server-process.ts';
import { endChild, pinned, stayOffServerCore } from './bench/child-process.ts';
import { startProduct } from './bench/product.ts';
import { ApiClient, errorOf, type Reply, Unanswered } from './lib/api-client.ts';
import { readFlags, runProgram } from './lib/flags.ts';
import { percentilesOf, showMs } from './lib/latency.ts';
import { delay } from './lib/limiter.ts';
import { signedHeaders } from './lib/payment.ts';
import type { Stage } from './lib/stage.ts';

const now = (): number => performance.now();

type Outcome = {
  readonly dueMs: number;
  /** After it was due; of that the generator itself was `lateMs` late to send it. */
  readonly ms: number;
  readonly lateMs: number;
  readonly code: string;
  readonly orderId: string | null;
};
/** Buyers open a connection for each order that finds none free; the payment provider keeps a few, as it or a balancer does. */
type Clients = { readonly buyers: ApiClient; readonly provider: ApiClient };
type Phase = {
  readonly name: string;
  readonly seconds: number;
  readonly outcomes: readonly Outcome[];
  readonly payMs: readonly number[];
  /** Codes. */
  readonly refusedPayments: readonly string[];
};

/**
 * Offers more orders than the server can take, at a fixed rate whether or not it keeps up, and pays orders that were accepted before beside
 * it. Latencies count from when a request was due. Shed orders are not repeated: what is measured is the server, not the patience.
 */
async function offer(
  { buyers, provider }: Clients,
  stage: Stage,
  load: {
    readonly name: string;
    readonly ratePerSecond: number;
    readonly seconds: number;
    readonly tokens: readonly string[];
  },
  payable: Outcome[],
): Promise<Phase> {
  const { livestreamId, livestream } = stage;
  const path = `${API_PREFIX}/livestreams/${livestreamId}/orders`;
  const skuIds = livestream.items.map(({ skuId }) => skuId);
  const run = `open-${Date.now().toString(36)}`;
  const outcomes: Outcome[] = [];
  const payMs: number[] = [];
  const refusedPayments: string[] = [];
  const startMs = now();
  const order = async (index: number, dueMs: number): Promise<void> => {
    const body = JSON.stringify({
      idempotencyKey: `${run}-${index}`,
      lines: [{ skuId: skuIds[index % skuIds.length], quantity: 1 }],
    });
    const lateMs = now() - dueMs;
    const outcome = await answerOf(
      buyers.send({ method: 'POST', path, token: load.tokens[index % load.tokens.length], body }),
    );
    const settled = { dueMs: dueMs - startMs, ms: now() - dueMs, lateMs, ...outcome };
    outcomes.push(settled);
    if (settled.orderId !== null) payable.push(settled);
  };
  const pay = async (orderId: string): Promise<void> => {
    const sentMs = now();
    const data = { paymentId: `pay-${orderId}`.slice(0, 64), orderId, amountMinor: 100, currency: 'CNY' };
    const atMs = Date.now();
    const body = JSON.stringify({ type: 'payment.succeeded', timestamp: new Date(atMs).toISOString(), data });
    const headers = signedHeaders(paymentWebhookSecret, { id: data.paymentId, atMs, body });
    const { method, path: callback } = routes.paymentCallback;
    const sent = provider.send({ method: method.toUpperCase(), path: `${API_PREFIX}${callback}`, body, headers });
    const code = await codeOf(sent);
    if (code === null) payMs.push(now() - sentMs);
    else refusedPayments.push(code);
  };
  const underWay: Promise<void>[] = [];
  let [sent, paid] = [0, 0];
  while (now() - startMs < load.seconds * 1_000) {
    const passed = now() - startMs;
    for (; sent < (passed * load.ratePerSecond) / 1_000; sent += 1) {
      underWay.push(order(sent, startMs + (sent * 1_000) / load.ratePerSecond));
    }
    for (; paid < passed / 50; paid += 1) {
      const one = payable.shift();
      if (one !== undefined && one.orderId !== null) underWay.push(pay(one.orderId));
    }
    await delay(2);
  }
  await Promise.all(underWay);
  return { name: load.name, seconds: load.seconds, outcomes, payMs, refusedPayments };
}

async function answerOf(sent: Promise<Reply>): Promise<Pick<Outcome, 'code' | 'orderId'>> {
  try {
    const reply = await sent;
    if (reply.status !== 201) return { code: errorOf(reply).code, orderId: null };
    return { code: 'accepted', orderId: (JSON.parse(reply.text) as { order: { orderId: string } }).order.orderId };
  } catch (error) {
    if (error instanceof Unanswered) return { code: 'unanswered', orderId: null };
    throw error;
  }
}

/** Null: it was done. */
async function codeOf(sent: Promise<Reply>): Promise<string | null> {
  try {
    const reply = await sent;
    return reply.status === 200 ? null : errorOf(reply).code;
  } catch (error) {
    if (error instanceof Unanswered) return 'unanswered';
    throw error;
  }
}

const head = [
  '| load | offered/s | accepted/s | p50 ms | p99 ms | shed | p99 of a shed answer, ms | other answers | payments, p99 ms | sent late, p99 ms |',
  '| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |',
].join('\n');

/** The first third is how it comes to terms with the load; it is in the accepted per second, and latencies are those of the rest. */
function show({ name, seconds, outcomes, payMs, refusedPayments }: Phase): string {
  const settled = outcomes.filter(({ dueMs }) => dueMs > (seconds * 1_000) / 3);
  const accepted = settled.filter(({ code }) => code === 'accepted');
  const shed = settled.filter(({ code }) => code === 'overloaded');
  const inTime = outcomes.filter(({ code }) => code === 'accepted').length / seconds;
  const { p50, p99 } = percentilesOf(accepted.map(({ ms }) => ms));
  return `| ${[
    name,
    Math.round(outcomes.length / seconds),
    Math.round(inTime),
    showMs(p50),
    showMs(p99),
    `${Math.round((100 * shed.length) / Math.max(1, settled.length))} %`,
    showMs(percentilesOf(shed.map(({ ms }) => ms)).p99),
    othersOf(outcomes),
    `${showMs(percentilesOf(payMs).p99)}${refusedPayments.length === 0 ? '' : ` (${refusedPayments.length} refused: ${[...new Set(refusedPayments)].join(', ')})`}`,
    showMs(percentilesOf(settled.map(({ lateMs }) => lateMs)).p99),
  ].join(' | ')} |`;
}

/** What is neither an order nor shed, by code: there should be none. */
function othersOf(outcomes: readonly Outcome[]): string {
  const counts = new Map<string, number>();
  for (const { code } of outcomes) {
    if (code !== 'accepted' && code !== 'overloaded') counts.set(code, (counts.get(code) ?? 0) + 1);
  }
  return counts.size === 0 ? 'none' : [...counts].map(([code, count]) => `${code} ${count}`).join(', ');
}

export async function overloadProgram(args: readonly string[]): Promise<number> {
  const flags = readFlags(args, { text: ['seconds', 'factor', 'capacity', 'share'] });
  const seconds = flags.whole('seconds', 12, { min: 3, max: 600 });
  const factor = flags.whole('factor', 3, { min: 1, max: 20 });
  const known = flags.whole('capacity', 0, { min: 0, max: 1_000_000 });
  const share = flags.whole('share', 4, { min: 1, max: 20 });
  stayOffServerCore();
  const rest = occupyServerCore(share - 1);
  const product = await startProduct();
  // Nobody waits for a free connection: the load is open.
  const buyers = new ApiClient(product.server.url, { connections: 8_000, timeoutMs: 30_000 });
  const provider = new ApiClient(product.server.url, { connections: providerConnections, timeoutMs: 30_000 });
  try {
    const stage = await product.stage('overload', 5);
    const grant = { role: 'viewer' as const, livestreamId: 'overload' };
    const tokens = await Promise.all(
      Array.from({ length: 500 }, (_, index) => product.server.token({ ...grant, buyerId: `buyer-${index}` })),
    );
    const opened = Array.from({ length: providerConnections }, () =>
      provider.send({ method: 'GET', path: '/healthz' }),
    );
    await Promise.all(opened);
    const payable: Outcome[] = [];
    // As many as come back: every answer asks for the next one.
    const measured = await closedLoop(buyers, tokens, stage);
    const capacity = known > 0 ? known : measured;
    console.log(
      `capacity: ${capacity} orders/s in a closed loop of ${buyersInLoop} buyers, with 1/${share} of a core\n${head}`,
    );
    for (const [name, ratePerSecond] of [
      ['half', capacity / 2],
      [`${factor} times the capacity`, capacity * factor],
      ['half, afterwards', capacity / 2],
    ] as const) {
      console.log(show(await offer({ buyers, provider }, stage, { name, ratePerSecond, seconds, tokens }, payable)));
    }
    return 0;
  } finally {
    buyers.close();
    provider.close();
    await product.stop();
    await rest();
  }
}

/** So many busy processes beside the server, each with its share of that core: one generator can then offer several times what is taken. */
function occupyServerCore(count: number): () => Promise<void> {
  const [command = '', ...args] = pinned('server', [process.execPath, '-e', 'for (;;);']);
  const children = Array.from({ length: count }, () => spawn(command, args, { stdio: 'ignore' }));
  return async () => {
    for (const child of children) await endChild(child, 'SIGKILL');
  };
}

const buyersInLoop = 64;

/** Open from the beginning, and enough for fifty payments a second of which each takes one. */
const providerConnections = 64;

async function closedLoop(
  api: ApiClient,
  tokens: readonly string[],
  { livestreamId, livestream }: Stage,
): Promise<number> {
  const path = `${API_PREFIX}/livestreams/${livestreamId}/orders`;
  const skuIds = livestream.items.map(({ skuId }) => skuId);
  let accepted = 0;
  const loop = async (buyer: number, from: number, untilMs: number): Promise<void> => {
    for (let count = 0; now() < untilMs; count += 1) {
      const body = JSON.stringify({
        idempotencyKey: `closed-${from}-${buyer}-${count}`,
        lines: [{ skuId: skuIds[(buyer + count) % skuIds.length], quantity: 1 }],
      });
      const { code } = await answerOf(api.send({ method: 'POST', path, token: tokens[buyer], body }));
      if (code === 'accepted') accepted += 1;
      // As it was asked to.
      else await delay(700);
    }
  };
  const all = (from: number, seconds: number) =>
    Promise.all(Array.from({ length: buyersInLoop }, (_, buyer) => loop(buyer, from, now() + seconds * 1_000)));
  await all(0, 4);
  accepted = 0;
  await all(1, 4);
  return Math.round(accepted / 4);
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await runProgram(overloadProgram);
