import { performance } from 'node:perf_hooks';
import { fileURLToPath } from 'node:url';
import { API_PREFIX } from '../contract/routes.ts';
import { ApiClient, errorOf } from './lib/api-client.ts';
import { readFlags, runProgram } from './lib/flags.ts';
import { type Percentiles, percentilesOf, showMs } from './lib/latency.ts';
import { limiter } from './lib/limiter.ts';
import { RawSocket } from './lib/raw-socket.ts';
import { readServerUsage } from './lib/server-usage.ts';
import { buildStage, issueToken, type Stage } from './lib/stage.ts';

export type RateOptions = {
  readonly url: string;
  readonly token: string;
  readonly vias: readonly ('http' | 'socket')[];
  /** Buyers that each send their next order as soon as the last is answered; one row of results for each number. */
  readonly buyers: readonly number[];
  readonly seconds: number;
  readonly items: number;
  /** A server lets one socket order a few times a second; buyers over sockets take turns with so many. */
  readonly sockets: number;
  readonly metricsToken: string | undefined;
  readonly log: (line: string) => void;
};

export type RateResult = {
  readonly via: 'http' | 'socket';
  readonly buyers: number;
  readonly orders: number;
  readonly refused: Readonly<Record<string, number>>;
  readonly seconds: number;
  readonly latencyMs: Percentiles;
  /** Of the server's process; null without access to its metrics. */
  readonly cpuSeconds: number | null;
};

const now = (): number => performance.now();
const warmUpSeconds = 1;

type Sender = {
  /** One order of the buyer with this number. null: acknowledged; else why not. */
  readonly send: (buyer: number, idempotencyKey: string, skuId: string) => Promise<string | null>;
  readonly close: () => void;
};

/**
 * Reserve → acknowledged order, in a closed loop: every buyer keeps one order under way. The answer means that the order is committed.
 * One buyer alone shows the latency of the path, many show how much the server does with its CPU.
 */
export async function orderRate(options: RateOptions): Promise<RateResult[]> {
  const { url, token, vias, buyers, items } = options;
  const most = Math.max(...buyers);
  const api = new ApiClient(url, { connections: most + 4, timeoutMs: 30_000 });
  try {
    const livestreamId = `rate-${Date.now().toString(36)}`;
    const stage = await buildStage(api, token, {
      livestreamId,
      title: 'Order rate',
      holdTtlMs: 86_400_000,
      items: Array.from({ length: items }, (_, index) => ({
        skuId: `${livestreamId}-${index}`,
        title: `Item ${index}`,
        priceMinor: 100,
        currency: 'CNY',
        allotted: 10_000_000,
      })),
    });
    const tokens = await tokensOf(api, options, stage, most);
    const results: RateResult[] = [];
    for (const via of vias) {
      for (const count of buyers) {
        const result = await measure(api, options, stage, { via, tokens: tokens.slice(0, count) });
        options.log(showRow(result));
        results.push(result);
      }
    }
    return results;
  } finally {
    api.close();
  }
}

async function tokensOf(api: ApiClient, { token }: RateOptions, stage: Stage, count: number): Promise<string[]> {
  const atOnce = limiter(16);
  return Promise.all(
    Array.from({ length: count }, (_, index) =>
      atOnce(() => issueToken(api, token, stage.livestreamId, { role: 'viewer', buyerId: `buyer-${index}` })),
    ),
  );
}

async function measure(
  api: ApiClient,
  options: RateOptions,
  stage: Stage,
  { via, tokens }: { via: 'http' | 'socket'; tokens: readonly string[] },
): Promise<RateResult> {
  const { livestreamId, livestream } = stage;
  const skuIds = livestream.items.map(({ skuId }) => skuId);
  const sender =
    via === 'http' ? httpSender(api, livestreamId, tokens) : await socketSender(options, livestreamId, tokens);
  const latencies: number[] = [];
  const refused: Record<string, number> = {};
  const run = `${via}${tokens.length}-${Date.now().toString(36)}`;
  const loop = async (buyer: number, untilMs: number, counted: boolean): Promise<void> => {
    for (let count = 0; now() < untilMs; count += 1) {
      const sentAtMs = now();
      const skuId = skuIds[(buyer + count) % skuIds.length] ?? '';
      const refusal = await sender.send(buyer, `${run}-${counted ? 'm' : 'w'}-${buyer}-${count}`, skuId);
      if (!counted) continue;
      if (refusal === null) latencies.push(now() - sentAtMs);
      else refused[refusal] = (refused[refusal] ?? 0) + 1;
    }
  };
  const all = (seconds: number, counted: boolean): Promise<unknown> => {
    const untilMs = now() + seconds * 1_000;
    return Promise.all(tokens.map((_, buyer) => loop(buyer, untilMs, counted)));
  };
  try {
    await all(warmUpSeconds, false);
    const before = await readServerUsage(api, options.metricsToken);
    const startedAtMs = now();
    await all(options.seconds, true);
    const seconds = (now() - startedAtMs) / 1_000;
    const after = await readServerUsage(api, options.metricsToken);
    return {
      via,
      buyers: tokens.length,
      orders: latencies.length,
      refused,
      seconds,
      latencyMs: percentilesOf(latencies),
      cpuSeconds: before === null || after === null ? null : after.cpuSeconds - before.cpuSeconds,
    };
  } finally {
    sender.close();
  }
}

const linesOf = (skuId: string): { skuId: string; quantity: number }[] => [{ skuId, quantity: 1 }];

/** Answers are not checked against the contract here: the generator's own CPU would be measured. */
function httpSender(api: ApiClient, livestreamId: string, tokens: readonly string[]): Sender {
  const path = `${API_PREFIX}/livestreams/${livestreamId}/orders`;
  return {
    send: async (buyer, idempotencyKey, skuId) => {
      const body = JSON.stringify({ idempotencyKey, lines: linesOf(skuId) });
      const reply = await api.send({ method: 'POST', path, token: tokens[buyer], body });
      return reply.status === 201 ? null : errorOf(reply).code;
    },
    close: () => {},
  };
}

async function socketSender(
  { url, sockets: count }: RateOptions,
  livestreamId: string,
  tokens: readonly string[],
): Promise<Sender> {
  const atOnce = limiter(64);
  const sockets = await Promise.all(
    Array.from({ length: Math.max(count, tokens.length) }, (_, index) =>
      atOnce(() => RawSocket.connect({ url, token: tokens[index % tokens.length] ?? '' })),
    ),
  );
  let turn = 0;
  return {
    send: async (_buyer, idempotencyKey, skuId) => {
      const socket = sockets[turn++ % sockets.length];
      const answer = await socket?.ask('order:place', { livestreamId, idempotencyKey, lines: linesOf(skuId) });
      const { ok, error } = answer as { ok?: boolean; error?: { code?: string } };
      return ok === true ? null : (error?.code ?? 'internal');
    },
    close: () => {
      for (const socket of sockets) socket.close();
    },
  };
}

export const rateHead = [
  '| via | buyers | orders/s | p50 ms | p95 ms | p99 ms | max ms | server CPU | orders/s per core | refused |',
  '| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |',
].join('\n');

export function showRow({ via, buyers, orders, refused, seconds, latencyMs, cpuSeconds }: RateResult): string {
  const { p50, p95, p99, max } = latencyMs;
  const cpu = cpuSeconds === null ? '–' : `${Math.round((100 * cpuSeconds) / seconds)} %`;
  const perCore = cpuSeconds === null || cpuSeconds === 0 ? '–' : Math.round(orders / cpuSeconds).toString();
  const why = Object.entries(refused).map(([code, count]) => `${code} ${count}`);
  const times = [p50, p95, p99, max].map(showMs).join(' | ');
  return `| ${via} | ${buyers} | ${Math.round(orders / seconds)} | ${times} | ${cpu} | ${perCore} | ${why.join(', ') || '0'} |`;
}

/** Exit code 1: an order was refused, so the numbers say nothing. */
export async function orderRateProgram(args: readonly string[]): Promise<number> {
  const flags = readFlags(args, {
    text: ['url', 'token', 'via', 'buyers', 'seconds', 'items', 'sockets', 'metrics-token'],
  });
  const vias = flags.list('via', 'http,socket').filter((via) => via === 'http' || via === 'socket');
  const buyers = flags.list('buyers', '1,64,256').map(Number);
  if (vias.length === 0) throw new Error('--via must be http, socket or both with a comma');
  if (!buyers.every((count) => Number.isInteger(count) && count >= 1 && count <= 10_000))
    throw new Error('--buyers must be numbers from 1 to 10000 with commas');
  const metricsToken = flags.text('metrics-token', '');
  console.log(rateHead);
  const results = await orderRate({
    url: flags.text('url', 'http://127.0.0.1:3000'),
    token: flags.text('token', process.env['STOCKCAST_TOKEN']),
    vias,
    buyers,
    seconds: flags.whole('seconds', 5, { min: 1, max: 3_600 }),
    items: flags.whole('items', 5, { min: 1, max: 100 }),
    sockets: flags.whole('sockets', 2_000, { min: 1, max: 20_000 }),
    metricsToken: metricsToken === '' ? undefined : metricsToken,
    log: (line) => console.log(line),
  });
  return results.some(({ refused }) => Object.keys(refused).length > 0) ? 1 : 0;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await runProgram(orderRateProgram);
