import type * as z from 'zod/mini';
import { type WireError, wireError } from '../../contract/errors.ts';
import type { ChangeRefund, RefundCallback, RefundRequest, RefundState } from '../../contract/orders.ts';
import type { PrismaClient } from '../../generated/prisma/client.ts';
import type { Clock } from '../lib/clock.ts';
import type { Log } from '../lib/log.ts';
import { type Periodic, runPeriodically } from '../lib/periodic.ts';
import type { Metrics } from '../metrics/metrics.ts';
import { sendRefund } from './refund-sender.ts';
import { createRefundStore, type RefundStore, wordOfProvider } from './refund-store.ts';

export type RefundOutcome =
  | { readonly kind: 'done'; readonly refund: RefundRequest }
  | { readonly kind: 'refused'; readonly error: WireError };

export type RefundDesk = {
  list(filter: { livestreamId: string; state?: RefundState; limit: number }): Promise<readonly RefundRequest[]>;
  /** What an operator decides about a refund that did not arrive, or that nobody is asked for. */
  change(
    livestreamId: string,
    refundId: string,
    action: z.infer<typeof ChangeRefund>['action'],
    actor: string,
  ): Promise<RefundOutcome>;
  /** The provider's own word; its signature has been checked by the rim. Repeated, it changes nothing. */
  told(callback: RefundCallback): Promise<RefundOutcome>;
  /** A refund has been written: looks now. */
  kick(): void;
  start(): void;
  stop(): Promise<void>;
};

type Deps = {
  readonly prisma: PrismaClient;
  /** Where refunds are asked for; null: nowhere, people pay them back. */
  readonly endpoint: () => string | null;
  readonly secret: string;
  readonly clock: Clock;
  readonly chance: () => number;
  readonly pausesMs: readonly number[];
  readonly intervalMs: number;
  readonly metrics: Pick<Metrics, 'refunds'>;
  readonly log: Pick<Log, 'info' | 'warn' | 'error'>;
};

/** Refunds of one round; the others come in the next, at once. */
const roundMax = 20;
/** Longer than an attempt can take: another node takes over only what its holder has left. */
const leaseMs = 60_000;

/** States in which an operator may decide: nobody is being asked at this moment. */
const undecided: readonly RefundState[] = ['failed', 'manual', 'delivered'];

/**
 * Asks the payment provider for every refund that the ledger has decided, at least once, from whichever node comes first, until it has
 * taken the request over. Rows in the ledger are the queue: a restart forgets nothing.
 */
export function createRefundDesk(deps: Deps): RefundDesk {
  const { log, endpoint } = deps;
  const store = createRefundStore(deps.prisma);
  const stopping = new AbortController();
  let job: Periodic | undefined;

  return {
    list: (filter) => store.list(filter),
    async change(livestreamId, refundId, action, actor) {
      const refund = await store.find(refundId);
      if (refund === null || refund.livestreamId !== livestreamId) return unknown;
      if (action === 'retry' && endpoint() === null) return { kind: 'refused', error: nobodyToAsk };
      const done =
        action === 'retry'
          ? await store.retry(refundId, undecided)
          : await store.move(refundId, undecided, 'settled', null);
      if (!done) return { kind: 'refused', error: refundIs(refund.state) };
      log.info({ refundId, action, actor }, 'an operator decided about a refund');
      if (action === 'retry') job?.kick();
      return answer(store, refundId);
    },
    async told({ type, data: { refundId, reason } }) {
      const { from, to } = wordOfProvider[type];
      const error = to === 'failed' ? (reason ?? 'the provider says that it failed') : null;
      if (await store.move(refundId, from, to, error))
        log.info({ refundId, state: to }, 'the provider told of a refund');
      return answer(store, refundId);
    },
    kick: () => job?.kick(),
    start() {
      job = runPeriodically(
        deps.intervalMs,
        () => round(deps, store, stopping.signal, () => job?.kick()),
        (error) => log.warn({ err: error }, 'refunds could not be looked at; it is tried again'),
      );
    },
    async stop() {
      stopping.abort();
      await job?.stop();
    },
  };
}

async function round(deps: Deps, store: RefundStore, signal: AbortSignal, again: () => void): Promise<void> {
  const url = deps.endpoint();
  if (url === null) {
    const handedOver = await store.handOver();
    if (handedOver > 0) deps.log.warn({ refunds: handedOver }, 'no REFUND_WEBHOOK_URL: people have to pay these back');
  } else if (!signal.aborted) {
    const claimed = await store.claim(roundMax, leaseMs);
    await Promise.all(
      claimed.map(async (refund) => {
        const { refundId, attempt } = refund;
        const outcome = await sendRefund(deps, url, refund, signal);
        // A stop is not the provider's answer: the lease ends, and whoever comes asks again.
        if (signal.aborted && outcome.kind !== 'delivered') return;
        if (outcome.kind !== 'delivered')
          deps.log.warn({ refundId, attempt, ...outcome }, 'the provider did not take a refund');
        await store.finish(refundId, outcome);
      }),
    );
    if (claimed.length === roundMax) again();
  }
  const counts = await store.countByState();
  for (const state of ['pending', 'failed', 'manual'] as const)
    deps.metrics.refunds.set({ state }, counts.get(state) ?? 0);
}

async function answer(store: RefundStore, refundId: string): Promise<RefundOutcome> {
  const refund = await store.find(refundId);
  return refund === null ? unknown : { kind: 'done', refund };
}

const unknown: RefundOutcome = { kind: 'refused', error: wireError('route_not_found') };

const nobodyToAsk = wireError('conflict', {
  message: {
    zh: '没有配置支付渠道的退款地址（REFUND_WEBHOOK_URL），请人工退款后标记',
    en: 'No REFUND_WEBHOOK_URL is configured; pay the money back by hand and say so here.',
  },
});

const stateZh: Record<RefundState, string> = {
  pending: '正在通知支付渠道',
  delivered: '支付渠道已受理',
  completed: '已退回',
  failed: '失败',
  manual: '待人工退款',
  settled: '已人工退款',
};

const refundIs = (state: RefundState) =>
  wireError('conflict', {
    message: {
      zh: `这笔退款${stateZh[state]}，不能再改`,
      en: `This refund is ${state} and cannot be changed now.`,
    },
  });
