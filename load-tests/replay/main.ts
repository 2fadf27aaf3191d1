import { setMaxListeners } from 'node:events';
import { performance } from 'node:perf_hooks';
import { fileURLToPath } from 'node:url';
import type { LivestreamInfo } from '../../contract/livestreams.ts';
import { routes } from '../../contract/routes.ts';
import { ApiClient } from '../lib/api-client.ts';
import { gatherEvidence, judge } from '../lib/audit.ts';
import { choosePay } from '../lib/payment.ts';
import { seededRandom } from '../lib/random.ts';
import { buildStage, issueToken, type Stage } from '../lib/stage.ts';
import { Viewer } from '../lib/viewer.ts';
import { type DayOrders, readDays } from './day-orders.ts';
import { BadOptions, type Options, parseOptions, usage } from './options.ts';
import { itemsByRank, makePlan, ownItems, type Plan } from './plan.ts';
import { showProgress } from './progress.ts';
import { makeReport, type ReplayReport, showReport } from './report.ts';
import { type Outcomes, runReplay } from './run.ts';
import { allotmentOf, type Selection, select } from './selection.ts';
import { readTitles } from './titles.ts';

const demoFile = fileURLToPath(new URL('../data/uci-2011-12-05.csv.gz', import.meta.url));
const titlesFile = fileURLToPath(new URL('../data/skus.csv', import.meta.url));
const now = (): number => performance.now();

type Prepared = {
  readonly read: DayOrders;
  readonly selection: Selection;
  readonly titles: ReadonlyMap<string, string>;
};

/** Replays as the options say and returns the report. Throws when it cannot run at all. */
export async function replay(options: Options, signal: AbortSignal, out: NodeJS.WriteStream): Promise<ReplayReport> {
  const read = await readDays(options.file, options.days);
  const selection = select(read.lines, options);
  if (selection.skus.length === 0) throw new Error(`${options.file} has no sale on ${read.days.join(', ')}`);
  const titles = await readTitles(options.skusFile ?? titlesFile, new Set(selection.skus.map(({ sku }) => sku)));
  const api = new ApiClient(options.url, { connections: options.concurrency + 32 });
  const watchers: Watcher[] = [];
  try {
    const stage = await stageOf(api, options, { read, selection, titles });
    const runId = `r${Date.now().toString(36)}`;
    const plan = makePlan(selection, {
      ...options,
      runId,
      itemOf: options.demo ? itemsByRank(selection, stage.livestream.items) : ownItems(selection),
    });
    watchers.push(...(await watch(api, stage, options)));
    out.write(`  ${plan.orderCount} orders and ${plan.matched} refunds on livestream ${stage.livestreamId}\n`);
    const outcomes = await play({ api, stage, plan, options, signal, out });
    const evidence = await evidenceOf({ api, stage, outcomes, options, watchers });
    return makeReport({
      ...options,
      livestreamId: stage.livestreamId,
      read,
      selection,
      plan,
      outcomes,
      items: itemsOf(stage.livestream, evidence?.audit.items ?? []),
      watchers: watchers.map(({ name, viewer }) => ({
        name,
        frames: viewer.frames,
        resyncs: viewer.resyncs,
        reconnects: viewer.reconnects,
        soldOutAtMs: viewer.soldOutAtMs,
      })),
      findings: evidence === null ? null : judge(evidence),
    });
  } finally {
    for (const { viewer } of watchers) viewer.stop();
    api.close();
  }
}

type Watcher = { readonly name: string; readonly viewer: Viewer };

/** The livestream to sell on: one of this replay's own, or the demo's that exists. */
async function stageOf(api: ApiClient, options: Options, { read, selection, titles }: Prepared): Promise<Stage> {
  const { token, demo, holdMs, stockShare } = options;
  if (!demo || options.livestreamId === null) {
    const livestreamId = options.livestreamId ?? `replay-${read.days[0]}-${Date.now().toString(36)}`;
    const items = selection.skus.map(({ sku, skuId, demand, priceMinor }) => ({
      skuId,
      title: titles.get(sku) ?? sku,
      priceMinor,
      currency: 'GBP',
      allotted: allotmentOf(demand, stockShare),
    }));
    return buildStage(api, token, {
      livestreamId,
      title: `Replay of ${read.days.join(', ')}`,
      holdTtlMs: holdMs,
      items,
    });
  }
  const { livestreamId } = options;
  const operatorToken = await issueToken(api, token, livestreamId, { role: 'operator' });
  const params = { livestreamId };
  const { livestream } = await api.need(routes.getLivestream, { token: operatorToken, params });
  if (livestream.items.length === 0) throw new Error(`livestream ${livestreamId} has no items to order`);
  return { livestreamId, livestream, operatorToken };
}

/** Viewers as the public sees it and one operator with every number; the first of each checks all payloads against the contract. */
async function watch(api: ApiClient, stage: Stage, { url, token, viewers, seed, demo }: Options): Promise<Watcher[]> {
  const { livestreamId, operatorToken } = stage;
  const common = { url, livestreamId, now };
  if (viewers === 0 && demo) return [];
  const viewerToken = await issueToken(api, token, livestreamId, { role: 'viewer' });
  const watchers = await Promise.all(
    Array.from({ length: viewers }, async (_, index) => {
      const random = seededRandom(seed + index);
      const own = { token: viewerToken, lane: 'viewers' as const, random, strict: index === 0 };
      return { name: `viewer ${index + 1}`, viewer: await Viewer.watch({ ...common, ...own }) };
    }),
  );
  const own = { token: operatorToken, lane: 'operators' as const, random: seededRandom(seed), strict: true };
  return [...watchers, { name: 'operator', viewer: await Viewer.watch({ ...common, ...own }) }];
}

type Play = {
  readonly api: ApiClient;
  readonly stage: Stage;
  readonly plan: Plan;
  readonly options: Options;
  readonly signal: AbortSignal;
  readonly out: NodeJS.WriteStream;
};

async function play({ api, stage, plan, options, signal, out }: Play): Promise<Outcomes> {
  const progress = showProgress(plan.events.length, out, now);
  try {
    return await runReplay(plan, {
      ...options,
      api,
      livestreamId: stage.livestreamId,
      operatorToken: stage.operatorToken,
      pay: choosePay(api, options.paymentSecret, Date.now),
      // Half of the hold is left for a payment that has to be repeated.
      fateWithinMs: options.speed === 0 ? 0 : Math.min(stage.livestream.holdTtlMs / 2, 20_000),
      tokensAhead: !options.demo,
      random: seededRandom(options.seed + 1),
      now,
      signal,
      onStep: (done, outcomes) => progress.step(done, outcomes),
    });
  } finally {
    progress.stop();
  }
}

type Verify = {
  readonly api: ApiClient;
  readonly stage: Stage;
  readonly outcomes: Outcomes;
  readonly options: Options;
  readonly watchers: readonly Watcher[];
};

/** null in the demo: other buyers hold units there, so nothing ever comes to rest. */
async function evidenceOf({ api, stage, outcomes, options, watchers }: Verify): ReturnType<typeof gatherOrNull> {
  return gatherOrNull(options.demo, {
    api,
    livestreamId: stage.livestreamId,
    operatorToken: stage.operatorToken,
    watchers: watchers.map(({ name, viewer }) => ({ name, book: viewer.book })),
    receipts: [...outcomes.receipts.values()],
    patienceMs: options.holdMs + 15_000,
    now,
  });
}

const gatherOrNull = async (skip: boolean, gathering: Parameters<typeof gatherEvidence>[0]) =>
  skip ? null : gatherEvidence(gathering);

function itemsOf(
  livestream: LivestreamInfo,
  audited: readonly { readonly skuId: string; readonly allotted: number; readonly ledger: { readonly sold: number } }[],
) {
  return livestream.items.map(({ skuId, index, title }) => {
    const item = audited.find((one) => one.skuId === skuId);
    return { skuId, index, title: title.en, allotted: item?.allotted ?? null, sold: item?.ledger.sold ?? null };
  });
}

async function main(): Promise<number> {
  const args = process.argv.slice(2);
  if (args.includes('--help') || args.includes('-h')) {
    console.log(usage);
    return 0;
  }
  const ending = new AbortController();
  // Every waiting buyer listens: as many as there are orders.
  setMaxListeners(0, ending.signal);
  // The first signal ends the replay with a report, the second ends the program.
  for (const name of ['SIGINT', 'SIGTERM'] as const) process.once(name, () => ending.abort());
  try {
    const options = parseOptions(args, process.env, demoFile);
    const report = await replay(options, ending.signal, options.json ? process.stderr : process.stdout);
    console.log(options.json ? JSON.stringify(report, null, 2) : showReport(report));
    return report.audit?.clean === false ? 1 : 0;
  } catch (error) {
    console.error(error instanceof Error ? error.message : error);
    if (error instanceof BadOptions) console.error('\nnpm run replay -- --help explains every option.');
    return 2;
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) process.exitCode = await main();
