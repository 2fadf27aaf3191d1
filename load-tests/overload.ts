import { performance } from 'node:perf_hooks';
import { fileURLToPath } from 'node:url';
import { API_PREFIX, routes } from '../contract/routes.ts';
import { paymentWebhookSecret } from '../tests/services/server-process.ts';
import { stayOffServerCore } from './bench/child-process.ts';
import { startProduct } from './bench/product.ts';
import { ApiClient, errorOf, type Reply, Unanswered } from './lib/api-client.ts';
import { readFlags, runProgram } from './lib/flags.ts';
import { percentilesOf, showMs } from './lib/latency.ts';
import { delay } from './lib/limiter.ts';
import { signedHeaders } from './lib/payment.ts';
import type { Stage } from './lib/stage.ts';

const now = (): number => performance.now();

type Outcome = { readonly dueMs: number; readonly ms: number; readonly code: string; readonly orderId: string | null };
type Phase = {
  readonly name: string;
  readonly seconds: number;
  readonly outcomes: readonly Outcome[];
  readonly payMs: readonly number[];
};

/**
 * Offers more orders than the server can take, at a fixed rate whether or not it keeps up, and pays orders that were accepted before beside
 * it. Latencies count from when a request was due. Shed orders are not repeated: what is measured is the server, not the patience.
 */
async function offer(
  api: ApiClient,
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
  const run = `${load.name}-${Date.now().toString(36)}`;
  const outcomes: Outcome[] = [];
  const payMs: number[] = [];
  const startMs = now();
  const order = async (index: number, dueMs: number): Promise<void> => {
    const body = JSON.stringify({
      idempotencyKey: `${run}-${index}`,
      lines: [{ skuId: skuIds[index % skuIds.length], quantity: 1 }],
    });
    const outcome = await answerOf(
      api.send({ method: 'POST', path, token: load.tokens[index % load.tokens.length], body }),
    );
    const settled = { dueMs: dueMs - startMs, ms: now() - dueMs, ...outcome };
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
    const reply = await api.send({ method: method.toUpperCase(), path: `${API_PREFIX}${callback}`, body, headers });
    if (reply.status !== 200) throw new Error(`a payment was refused: ${reply.text}`);
    payMs.push(now() - sentMs);
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
  return { name: load.name, seconds: load.seconds, outcomes, payMs };
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

const head = [
  '| load | offered/s | accepted/s | p50 ms | p99 ms | shed | p99 of a shed answer, ms | unanswered | payments, p99 ms |',
  '| --- | --- | --- | --- | --- | --- | --- | --- | --- |',
].join('\n');

/** The first third is how it comes to terms with the load; it is in the accepted per second, and latencies are those of the rest. */
function show({ name, seconds, outcomes, payMs }: Phase): string {
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
    outcomes.filter(({ code }) => code === 'unanswered').length,
    showMs(percentilesOf(payMs).p99),
  ].join(' | ')} |`;
}

export async function overloadProgram(args: readonly string[]): Promise<number> {
  const flags = readFlags(args, { text: ['seconds', 'factor', 'capacity'] });
  const seconds = flags.whole('seconds', 12, { min: 3, max: 600 });
  const factor = flags.whole('factor', 3, { min: 1, max: 20 });
  const known = flags.whole('capacity', 0, { min: 0, max: 1_000_000 });
  stayOffServerCore();
  const product = await startProduct();
  // Nobody waits for a free connection: the load is open.
  const api = new ApiClient(product.server.url, { connections: 8_000, timeoutMs: 30_000 });
  try {
    const stage = await product.stage('overload', 5);
    const grant = { role: 'viewer' as const, livestreamId: 'overload' };
    const tokens = await Promise.all(
      Array.from({ length: 500 }, (_, index) => product.server.token({ ...grant, buyerId: `buyer-${index}` })),
    );
    const payable: Outcome[] = [];
    // As many as come back: every answer asks for the next one.
    const capacity = known > 0 ? known : await closedLoop(api, tokens, stage);
    console.log(`capacity: ${capacity} orders/s in a closed loop of 256 buyers\n${head}`);
    for (const [name, ratePerSecond] of [
      ['half', capacity / 2],
      [`${factor} times the capacity`, capacity * factor],
      ['half, afterwards', capacity / 2],
    ] as const) {
      console.log(show(await offer(api, stage, { name, ratePerSecond, seconds, tokens }, payable)));
    }
    return 0;
  } finally {
    api.close();
    await product.stop();
  }
}

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
    }
  };
  const all = (from: number, seconds: number) =>
    Promise.all(Array.from({ length: 256 }, (_, buyer) => loop(buyer, from, now() + seconds * 1_000)));
  await all(0, 2);
  accepted = 0;
  await all(1, 4);
  return Math.round(accepted / 4);
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await runProgram(overloadProgram);
