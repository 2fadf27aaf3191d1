import { performance } from 'node:perf_hooks';
import { fileURLToPath } from 'node:url';
import { ApiClient } from './lib/api-client.ts';
import { gatherEvidence, judge, type Receipt } from './lib/audit.ts';
import { overHttp, overSocket, type Placed, placeOrder, type SendOrder } from './lib/buyer.ts';
import { readFlags, runProgram } from './lib/flags.ts';
import { type Percentiles, percentilesOf, showMs, showPercentiles } from './lib/latency.ts';
import { delay, limiter } from './lib/limiter.ts';
import { seededRandom } from './lib/random.ts';
import { RawSocket } from './lib/raw-socket.ts';
import { readServerUsage } from './lib/server-usage.ts';
import { buildStage, issueToken, type Stage } from './lib/stage.ts';
import { Viewer } from './lib/viewer.ts';

export type BurstOptions = {
  readonly url: string;
  /** Admin or service. */
  readonly token: string;
  readonly buyers: number;
  readonly stock: number;
  readonly viewers: number;
  readonly log: (line: string) => void;
};

export type BurstResult = {
  readonly livestreamId: string;
  readonly byOutcome: Readonly<Record<string, number>>;
  readonly retries: number;
  readonly latencyMs: { readonly http: Percentiles; readonly socket: Percentiles };
  /** First click to last answer. */
  readonly durationMs: number;
  readonly viewersSoldOut: number;
  /** First sold-out answer to a buyer → this viewer showed it; negative: the viewer knew first. */
  readonly shownAfterMs: Percentiles;
  readonly serverCpuSeconds: number | null;
  /** Each is something that must not happen; none: passed. */
  readonly findings: readonly string[];
};

type Buyer = { readonly key: string; readonly via: 'http' | 'socket'; readonly send: SendOrder };
type Answered = { readonly via: 'http' | 'socket'; readonly placed: Placed; readonly atMs: number };
const now = (): number => performance.now();
const skuOf = (livestreamId: string): string => `${livestreamId}-item`;

/**
 * Capability 2 as it is written: `buyers` people, half over HTTP and half over sockets, each with a connection of his own that is
 * open already, click in the same instant on one item with `stock` units, while `viewers` watch. Every order is for one unit and
 * stays unpaid, so the ledger must end with exactly `stock` held.
 */
export async function burst(options: BurstOptions): Promise<BurstResult> {
  const { url, token, buyers, stock, log } = options;
  const api = new ApiClient(url, { connections: Math.ceil(buyers / 2) + 8, timeoutMs: 60_000 });
  const opened: { close(): void }[] = [];
  const viewers: Viewer[] = [];
  try {
    const livestreamId = `burst-${Date.now().toString(36)}`;
    const item = { skuId: skuOf(livestreamId), title: 'One item', priceMinor: 9_900, currency: 'CNY', allotted: stock };
    const stage = await buildStage(api, token, { livestreamId, title: 'Burst', holdTtlMs: 3_600_000, items: [item] });
    viewers.push(...(await openViewers(api, stage, options)));
    log(`${viewers.length} viewers watch ${livestreamId}`);
    const ready = await openBuyers(api, stage, options, opened);
    log(`${ready.length} buyers are connected`);
    const before = await readServerUsage(api);
    const startedAtMs = now();
    const answers = await Promise.all(ready.map((buyer) => click(buyer, stage)));
    const endedAtMs = now();
    const after = await readServerUsage(api);
    if (buyers >= stock) await allShowSoldOut(viewers);
    const found = await verify({ api, stage, options, answers, viewers });
    const shownAtMs = viewers.flatMap(({ soldOutAtMs }) => soldOutAtMs.get(0)?.first ?? []);
    const firstRefusedAtMs = Math.min(...answers.filter(({ placed }) => isSoldOut(placed)).map(({ atMs }) => atMs));
    return {
      livestreamId,
      byOutcome: outcomesOf(answers),
      retries: answers.reduce((sum, { placed }) => sum + placed.attempts - 1, 0),
      latencyMs: { http: latencyOf(answers, 'http'), socket: latencyOf(answers, 'socket') },
      durationMs: endedAtMs - startedAtMs,
      viewersSoldOut: shownAtMs.length,
      shownAfterMs: percentilesOf(
        Number.isFinite(firstRefusedAtMs) ? shownAtMs.map((atMs) => atMs - firstRefusedAtMs) : [],
      ),
      serverCpuSeconds: before === null || after === null ? null : after.cpuSeconds - before.cpuSeconds,
      findings: found,
    };
  } finally {
    for (const viewer of viewers) viewer.stop();
    for (const one of opened) one.close();
    api.close();
  }
}

async function openViewers(api: ApiClient, stage: Stage, { url, token, viewers }: BurstOptions): Promise<Viewer[]> {
  const viewerToken = await issueToken(api, token, stage.livestreamId, { role: 'viewer' });
  const atOnce = limiter(32);
  const common = { url, token: viewerToken, livestreamId: stage.livestreamId, lane: 'viewers' as const, now };
  return Promise.all(
    Array.from({ length: viewers }, (_, index) =>
      atOnce(() => Viewer.watch({ ...common, random: seededRandom(index), strict: index === 0 })),
    ),
  );
}

/** Tokens, sockets and warm keep-alive connections, so that the burst is orders and nothing else. */
async function openBuyers(
  api: ApiClient,
  { livestreamId }: Stage,
  { url, token, buyers }: BurstOptions,
  opened: { close(): void }[],
): Promise<Buyer[]> {
  const atOnce = limiter(32);
  const ready = await Promise.all(
    Array.from({ length: buyers }, (_, index) =>
      atOnce(async (): Promise<Buyer> => {
        const key = `${livestreamId}-${index}`;
        const own = await issueToken(api, token, livestreamId, { role: 'viewer', buyerId: `buyer-${index}` });
        if (index % 2 === 0) return { key, via: 'http', send: overHttp(api, livestreamId, own) };
        const socket = await RawSocket.connect({ url, token: own, timeoutMs: 60_000 });
        opened.push(socket);
        return { key, via: 'socket', send: overSocket(() => Promise.resolve(socket), livestreamId) };
      }),
    ),
  );
  const overHttpCount = ready.filter(({ via }) => via === 'http').length;
  await Promise.all(Array.from({ length: overHttpCount }, () => api.send({ method: 'GET', path: '/healthz' })));
  return ready;
}

async function click({ key, via, send }: Buyer, { livestreamId }: Stage): Promise<Answered> {
  const order = { idempotencyKey: key, lines: [{ skuId: skuOf(livestreamId), quantity: 1 }] };
  const placed = await placeOrder(send, order, { attemptsMax: 10, random: Math.random, now });
  return { via, placed, atMs: now() };
}

async function allShowSoldOut(viewers: readonly Viewer[]): Promise<void> {
  const deadlineMs = now() + 2_000;
  while (now() < deadlineMs && viewers.some(({ book }) => book.rows.get(0)?.status !== 'sold_out')) await delay(20);
}

type Verify = {
  readonly api: ApiClient;
  readonly stage: Stage;
  readonly options: BurstOptions;
  readonly answers: readonly Answered[];
  readonly viewers: readonly Viewer[];
};

async function verify({ api, stage, options, answers, viewers }: Verify): Promise<string[]> {
  const accepted = Math.min(options.stock, options.buyers);
  const outcomes = outcomesOf(answers);
  const findings: string[] = [];
  const taken = (outcomes['accepted'] ?? 0) + (outcomes['duplicate'] ?? 0);
  if (taken !== accepted) findings.push(`${taken} orders were accepted, expected ${accepted}`);
  const soldOut = outcomes['sold_out'] ?? 0;
  if (soldOut !== options.buyers - accepted)
    findings.push(`${soldOut} orders were refused as sold_out, expected ${options.buyers - accepted}`);
  const unsold = viewers.filter(({ book }) => book.rows.get(0)?.status !== 'sold_out').length;
  if (options.buyers >= options.stock && unsold > 0) findings.push(`${unsold} viewers do not show sold out`);
  const receipts = answers.flatMap(({ placed: { answer } }): Receipt[] =>
    answer.kind === 'accepted' || answer.kind === 'duplicate'
      ? [{ orderId: answer.order.orderId, skuId: skuOf(stage.livestreamId), quantity: 1, state: 'open' }]
      : [],
  );
  if (new Set(receipts.map(({ orderId }) => orderId)).size !== receipts.length)
    findings.push('two buyers got the same order');
  const evidence = await gatherEvidence({
    api,
    ...stage,
    watchers: viewers.map(({ book }, index) => ({ name: `viewer ${index + 1}`, book })),
    receipts,
    patienceMs: 5_000,
    holdsRemain: true,
    now,
  });
  const held = evidence.audit.items[0]?.ledger.held;
  if (held !== accepted) findings.push(`the ledger holds ${held} units, expected ${accepted}`);
  if (evidence.orders.length !== accepted)
    findings.push(`the ledger has ${evidence.orders.length} orders, expected ${accepted}`);
  return [...findings, ...judge(evidence)];
}

const isSoldOut = ({ answer }: Placed): boolean => answer.kind === 'refused' && answer.code === 'sold_out';

function outcomesOf(answers: readonly Answered[]): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const { placed } of answers) {
    const name = placed.answer.kind === 'refused' ? placed.answer.code : placed.answer.kind;
    counts[name] = (counts[name] ?? 0) + 1;
  }
  return counts;
}

const latencyOf = (answers: readonly Answered[], via: 'http' | 'socket'): Percentiles =>
  percentilesOf(answers.filter((one) => one.via === via).map(({ placed }) => placed.latencyMs));

/** The result for people. */
export function showBurst(result: BurstResult, { viewers }: { viewers: number }): string {
  const { byOutcome, latencyMs, durationMs, shownAfterMs, serverCpuSeconds, findings } = result;
  const outcomes = Object.entries(byOutcome).map(([name, count]) => `${name} ${count}`);
  return [
    `answers   ${outcomes.join(' · ')} · retries ${result.retries} · all within ${Math.round(durationMs)} ms`,
    `HTTP      ${showPercentiles(latencyMs.http)}`,
    `socket    ${showPercentiles(latencyMs.socket)}`,
    `viewers   ${result.viewersSoldOut} of ${viewers} showed sold out, after the first refusal: p50 ${showMs(shownAfterMs.p50)} · max ${showMs(shownAfterMs.max)} ms`,
    ...(serverCpuSeconds === null ? [] : [`server    ${serverCpuSeconds.toFixed(2)} s of CPU`]),
    ...(findings.length === 0 ? ['PASSED'] : ['FAILED', ...findings.slice(0, 50).map((finding) => `  ${finding}`)]),
  ].join('\n');
}

/** Exit code 0: passed · 1: something that must not happen. */
export async function burstProgram(args: readonly string[]): Promise<number> {
  const flags = readFlags(args, { text: ['url', 'token', 'buyers', 'stock', 'viewers'], on: ['json'] });
  const options: BurstOptions = {
    url: flags.text('url', 'http://127.0.0.1:3000'),
    token: flags.text('token', process.env['STOCKCAST_TOKEN']),
    buyers: flags.whole('buyers', 5_000, { min: 2, max: 20_000 }),
    stock: flags.whole('stock', 1_000),
    viewers: flags.whole('viewers', 200, { min: 0, max: 5_000 }),
    log: (line) => console.error(line),
  };
  const result = await burst(options);
  console.log(flags.on('json') ? JSON.stringify(result, null, 2) : showBurst(result, options));
  return result.findings.length === 0 ? 0 : 1;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await runProgram(burstProgram);
