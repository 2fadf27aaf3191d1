import { type Percentiles, percentilesOf, showPercentiles } from '../lib/latency.ts';
import type { DayOrders } from './day-orders.ts';
import type { Problem } from './order-file.ts';
import type { Plan } from './plan.ts';
import type { Outcomes } from './run.ts';
import { showReplayTime } from './schedule.ts';
import type { Selection } from './selection.ts';

export type ItemReport = {
  readonly skuId: string;
  readonly title: string;
  /** Units that the planned orders asked for. */
  readonly demand: number;
  readonly allotted: number | null;
  readonly unitsAccepted: number;
  readonly unitsSold: number | null;
  /** First refusal for want of units (`sold_out`, or `insufficient` for a larger quantity): replay's own time, and ms since the start. */
  readonly refusedAt: string | null;
  readonly refusedAfterMs: number | null;
  /** First moment at which a watching client showed sold out; in the replay's own time only if it ran at a speed. */
  readonly soldOutAt: string | null;
  readonly soldOutAfterMs: number | null;
};

export type ReplayReport = {
  readonly livestreamId: string;
  readonly days: readonly string[];
  readonly speed: number;
  readonly seed: number;
  readonly lines: {
    readonly read: number;
    readonly ofDays: number;
    readonly malformed: number;
    readonly notPositive: number;
    readonly otherSkus: number;
    readonly replayed: number;
  };
  readonly problems: readonly Problem[];
  readonly orders: {
    readonly sent: number;
    readonly accepted: number;
    readonly byOutcome: Readonly<Record<string, number>>;
  };
  readonly retries: number;
  readonly latencyMs: { readonly http: Percentiles; readonly socket: Percentiles; readonly all: Percentiles };
  readonly lateMsMax: number;
  readonly durationMs: number;
  readonly fates: Outcomes['fates'];
  readonly refunds: Outcomes['refunds'] & {
    readonly matched: number;
    readonly unmatched: Readonly<Record<string, number>>;
  };
  readonly items: readonly ItemReport[];
  readonly watchers: readonly {
    readonly name: string;
    readonly frames: number;
    readonly resyncs: number;
    readonly reconnects: number;
  }[];
  readonly failures: readonly string[];
  /** null: not done, because others order in the same livestream. */
  readonly audit: { readonly clean: boolean; readonly findings: readonly string[] } | null;
};

export type ReportInput = {
  readonly livestreamId: string;
  readonly speed: number;
  readonly seed: number;
  readonly read: DayOrders;
  readonly selection: Selection;
  readonly plan: Plan;
  readonly outcomes: Outcomes;
  readonly items: readonly {
    readonly skuId: string;
    readonly index: number;
    readonly title: string;
    readonly allotted: number | null;
    readonly sold: number | null;
  }[];
  readonly watchers: readonly {
    readonly name: string;
    readonly frames: number;
    readonly resyncs: number;
    readonly reconnects: number;
    readonly soldOutAtMs: ReadonlyMap<number, { readonly first: number }>;
  }[];
  readonly findings: readonly string[] | null;
};

/** Adds everything up; pure. */
export function makeReport(input: ReportInput): ReplayReport {
  const { livestreamId, speed, seed, read, selection, plan, outcomes, watchers, findings } = input;
  const { http, socket } = outcomes.latenciesMs;
  const unmatched = new Map<string, number>();
  for (const { reason } of plan.unmatched) unmatched.set(reason, (unmatched.get(reason) ?? 0) + 1);
  const byOutcome = Object.fromEntries([...outcomes.orders].sort(([, a], [, b]) => b - a));
  return {
    livestreamId,
    days: read.days,
    speed,
    seed,
    lines: {
      read: read.linesRead,
      ofDays: read.lines.length,
      malformed: read.problemCount,
      ...selection.skipped,
      replayed: plan.events.length,
    },
    problems: read.problems,
    orders: {
      sent: Object.values(byOutcome).reduce((sum, count) => sum + count, 0),
      accepted: outcomes.receipts.size,
      byOutcome,
    },
    retries: outcomes.retries,
    latencyMs: { http: percentilesOf(http), socket: percentilesOf(socket), all: percentilesOf([...http, ...socket]) },
    lateMsMax: outcomes.lateMsMax,
    durationMs: outcomes.endedAtMs - outcomes.startedAtMs,
    fates: outcomes.fates,
    refunds: { ...outcomes.refunds, matched: plan.matched, unmatched: Object.fromEntries(unmatched) },
    items: itemReports(input),
    watchers: watchers.map(({ name, frames, resyncs, reconnects }) => ({ name, frames, resyncs, reconnects })),
    failures: outcomes.failures,
    audit: findings === null ? null : { clean: findings.length === 0, findings },
  };
}

function itemReports({ speed, plan, outcomes, items, watchers }: ReportInput): ItemReport[] {
  const demands = new Map<string, number>();
  for (const { one } of plan.events) {
    if (one.kind === 'order') demands.set(one.skuId, (demands.get(one.skuId) ?? 0) + one.quantity);
  }
  return items.map(({ skuId, index, title, allotted, sold }) => {
    const refused = outcomes.refusedAt.get(skuId);
    const shown = watchers.flatMap(({ soldOutAtMs }) => soldOutAtMs.get(index)?.first ?? []);
    const soldOutAfterMs = shown.length === 0 ? null : Math.round(Math.min(...shown) - outcomes.startedAtMs);
    return {
      skuId,
      title,
      demand: demands.get(skuId) ?? 0,
      allotted,
      unitsAccepted: outcomes.unitsAccepted.get(skuId) ?? 0,
      unitsSold: sold,
      refusedAt: refused === undefined ? null : showReplayTime(refused.replayMs),
      refusedAfterMs: refused === undefined ? null : Math.round(refused.wallAtMs - outcomes.startedAtMs),
      soldOutAt: soldOutAfterMs === null || speed === 0 ? null : showReplayTime(soldOutAfterMs * speed),
      soldOutAfterMs,
    };
  });
}

/** The report for people. */
export function showReport(report: ReplayReport): string {
  const { lines, orders, refunds, fates, latencyMs: latency } = report;
  const out = [
    '',
    `Replay of ${report.days.join(', ')} as livestream ${report.livestreamId}, speed ${report.speed || 'as fast as possible'}, seed ${report.seed}, ${(report.durationMs / 1_000).toFixed(1)} s`,
    `  lines      read ${lines.read} · of these days ${lines.ofDays} · replayed ${lines.replayed} · skipped: other SKUs ${lines.otherSkus}, no positive quantity ${lines.notPositive}, malformed ${lines.malformed}`,
    ...report.problems.map(
      ({ lineNumber, column, message }) =>
        `             line ${lineNumber}${column === '' ? '' : `, column ${column}`}: ${message}`,
    ),
    `  orders     sent ${orders.sent} · ${list(orders.byOutcome)} · retries ${report.retries}`,
    `  afterwards ${list(fates)}`,
    `  refunds    matched ${refunds.matched} (refunded ${refunds.refunded}, sale not accepted ${refunds.saleNotAccepted}, sale not paid ${refunds.saleNotPaid}, failed ${refunds.failed}) · unmatched: ${list(refunds.unmatched)}`,
    `  answers    HTTP   ${showPercentiles(latency.http)}`,
    `             socket ${showPercentiles(latency.socket)}`,
    `             all    ${showPercentiles(latency.all)}${report.lateMsMax >= 1 ? ` · schedule at most ${Math.round(report.lateMsMax)} ms late` : ''}`,
    ...report.watchers.map(
      ({ name, frames, resyncs, reconnects }) =>
        `  watching   ${name}: ${frames} frames, ${resyncs} resyncs, ${reconnects} reconnects`,
    ),
    '',
    ...showItems(report.items),
    ...report.failures.map((failure) => `  failed     ${failure}`),
    '',
  ];
  if (report.audit === null) out.push('  audit      not done: others buy in this livestream too');
  else if (report.audit.clean)
    out.push('  audit      clean: gate = ledger = what every watching client shows = what buyers were told');
  else
    out.push(
      `  AUDIT      ${report.audit.findings.length} findings`,
      ...report.audit.findings.slice(0, 50).map((finding) => `             ${finding}`),
    );
  return out.join('\n');
}

function showItems(items: readonly ItemReport[]): string[] {
  const heads = ['demand', 'stock', 'accepted', 'sold'].map((head) => cell(head, 9)).join('');
  const times = ['refused', 'wall', 'sold out', 'wall'].map((head) => cell(head, 10)).join('');
  return [
    `  ${'item'.padEnd(14)}${'title'.padEnd(30)}${heads}${times}`,
    ...items.map(({ skuId, title, ...item }) => {
      const counts = [item.demand, item.allotted, item.unitsAccepted, item.unitsSold].map((count) => cell(count, 9));
      const refused = [item.refusedAt, seconds(item.refusedAfterMs)].map((time) => cell(time, 10));
      const soldOut = [item.soldOutAt, seconds(item.soldOutAfterMs)].map((time) => cell(time, 10));
      const name = `${skuId.slice(0, 13).padEnd(14)}${title.slice(0, 29).padEnd(30)}`;
      return `  ${name}${[...counts, ...refused, ...soldOut].join('')}`;
    }),
  ];
}

const list = (counts: Readonly<Record<string, number>>): string =>
  Object.entries(counts)
    .map(([name, count]) => `${name} ${count}`)
    .join(' · ') || 'none';

const cell = (value: string | number | null, width: number): string =>
  (value === null ? '–' : String(value)).padStart(width);
const seconds = (ms: number | null): string | null => (ms === null ? null : `${(ms / 1_000).toFixed(2)} s`);
