import { useSignal } from '@preact/signals';
import { useEffect, useRef } from 'preact/hooks';
import { textIn } from '../lib/languages.ts';
import type { Console } from './store.ts';
import { matchesSearch, passesFilter, type Sorting, type Standing, sortStandings, type WallFilter } from './urgency.ts';

const reorderMs = 2_000;

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
 * while a pointer or the focus is among them, so that nobody presses the wrong button.
 */
export function useOrder(console: Console, choice: Choice) {
  const order = useSignal<readonly string[]>([]);
  const area = useRef<HTMLTableElement>(null);
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
    arrange();
    const timer = setInterval(() => {
      if (!isInUse(area.current)) arrange();
    }, reorderMs);
    return () => clearInterval(timer);
  }, [console, order, sorting, filter, search, livestream, isLive, alerting]);
  return { order, area };
}

const isInUse = (area: HTMLElement | null): boolean =>
  area !== null && (area.matches(':hover') || area.contains(document.activeElement));

function textsOf(console: Console, skuId: string): readonly string[] {
  const item = console.itemOf(skuId);
  if (item === undefined) return [skuId];
  const texts = [item.title, ...item.spec.map(({ value }) => value)];
  return [skuId, item.productId, ...texts.flatMap((text) => [textIn('zh', text), textIn('en', text)])];
}
