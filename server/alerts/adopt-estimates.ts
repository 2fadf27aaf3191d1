import { BoundedCache } from '../lib/bounded-cache.ts';
import type { Clock } from '../lib/clock.ts';
import type { AlertBook } from './alert-book.ts';
import type { EstimateSource } from './estimate-source.ts';
import type { PlanStore } from './prisma-plan-store.ts';

const askAgainMs = 60_000;
/** Items whose last question is remembered. */
const askedMax = 10_000;

/** Asks the source for items without a plan; each at most once a minute. Returns the livestreams whose plans it wrote. */
export function createEstimateAdoption(deps: {
  readonly source: EstimateSource;
  readonly plans: PlanStore;
  readonly clock: Clock;
  readonly planOf: (book: AlertBook, skuId: string) => Parameters<PlanStore['putPlan']>[0]['plan'];
}) {
  const { source, plans, clock } = deps;
  const askedAtMs = new BoundedCache<number>(askedMax);
  return async (book: AlertBook): Promise<boolean> => {
    let wrote = false;
    for (const { skuId } of book.info?.items ?? []) {
      const key = `${book.livestreamId}/${skuId}`;
      const atMs = clock.now();
      if (book.plan(skuId) !== null || atMs - (askedAtMs.get(key) ?? Number.NEGATIVE_INFINITY) < askAgainMs) continue;
      askedAtMs.set(key, atMs);
      const said = await source.estimate(book.livestreamId, skuId);
      if (said === null) continue;
      const { estimate, confidence, reasons } = said;
      const plan = { ...deps.planOf(book, skuId), estimate, confidence };
      await plans.putPlan({ livestreamId: book.livestreamId, skuId, plan, actor: source.name, atMs, reasons });
      wrote = true;
    }
    return wrote;
  };
}
