import { useSignal } from '@preact/signals';
import { useEffect, useRef } from 'preact/hooks';
import { textIn } from '../lib/languages.ts';
import type { Console } from './store.ts';
import { matchesSearch, passesFilter, type Sorting, type Standing, sortStandings, type WallFilter } from './urgency.ts';

const reorderMs = 2_000;
/** Rows that somebody has just pointed at stay where they are for so long. */
const holdMs = 4_000;

/** Where every item stands now. */
export function standingsOf(console: Console): readonly Standing[] {
  const livestream = console.livestream.peek();
  const tiers = console.tiers.peek();
  return (livestream?.items ?? []).map((item) => {
    const { available, status } = console.countsOf(item);
    const pace = console.paceOf(item.skuId);
    return {
      skuId: item.skuId,
      index: item.index,
      status,
      available,
      perMinute: pace?.velocity?.perMinute ?? null,
      sellOutInMs: pace?.sellOutInMs?.expected ?? null,
      tier: tiers.get(item.skuId) ?? null,
      pinned: livestream?.pinnedSkuId === item.skuId,
    };
  });
}

type Choice = { readonly sorting: Sorting; readonly filter: WallFilter; readonly search: string };

/**
 * SKU ids in the chosen order. Numbers tick many times a second and rows stay: they change places every two seconds at most, and not at all
 * for four seconds after a pointer or key moved among them, so that nobody presses the wrong button.
 */
export function useOrder(console: Console, choice: Choice) {
  const order = useSignal<readonly string[]>([]);
  const usedAtMs = useRef(Number.NEGATIVE_INFINITY);
  const { sorting, filter, search } = choice;
  const livestream = console.livestream.value;
  const isLive = console.connection.value.kind === 'live';
  const alerting = [...console.tiers.value].map(([skuId, tier]) => `${skuId} ${tier}`).join(' ');
  useEffect(() => {
    const arrange = (): void => {
      const kept = standingsOf(console).filter(
        (standing) => passesFilter(standing, filter) && matchesSearch(search, textsOf(console, standing.skuId)),
      );
      const next = sortStandings(kept, sorting).map(({ skuId }) => skuId);
      if (next.join(' ') !== order.peek().join(' ')) order.value = next;
    };
    const unlessInUse = (): void => {
      if (performance.now() - usedAtMs.current >= holdMs) arrange();
    };
    if (order.peek().length === 0) arrange();
    else unlessInUse();
    const timer = setInterval(unlessInUse, reorderMs);
    return () => clearInterval(timer);
  }, [console, order, sorting, filter, search, livestream, isLive, alerting]);
  const use = (): void => {
    usedAtMs.current = performance.now();
  };
  return { order, use };
}

function textsOf(console: Console, skuId: string): readonly string[] {
  const item = console.itemOf(skuId);
  if (item === undefined) return [skuId];
  const texts = [item.title, ...item.spec.map(({ value }) => value)];
  return [skuId, item.productId, ...texts.flatMap((text) => [textIn('zh', text), textIn('en', text)])];
}
