import { useEffect, useRef } from 'preact/hooks';
import type { ItemInfo } from '../../contract/livestreams.ts';
import { useViewer } from './store.ts';
import { boundsOf, unitsLeftOf } from './units-left.ts';

/** The units left of one item; a change is shown by a short highlight that takes no room. */
export function UnitsLeftText({ item }: { item: ItemInfo }) {
  const viewer = useViewer();
  const words = viewer.words.value;
  const level = viewer.level(item.index).value;
  const highlighted = useHighlight(level?.shown, item.skuId);
  if (level === undefined) return <span class="left">{words.loading}</span>;
  // Units that are not for sale are nobody's news.
  if (level.status === 'stopped' || level.status === 'ended') return null;
  const left = unitsLeftOf(level.shown, item.display);
  return (
    <span class="left number" data-left={left.kind} data-units={String(level.shown)} ref={highlighted}>
      {left.kind === 'sold_out' ? words.status.sold_out : words.left[left.kind](left.units)}
    </span>
  );
}

/** Sets off the animation of a change, downwards or upwards; the first number of an item is no change. */
function useHighlight(shown: number | string | undefined, skuId: string) {
  const element = useRef<HTMLSpanElement>(null);
  const before = useRef<{ skuId: string; least: number } | null>(null);
  useEffect(() => {
    const known = before.current;
    const least = shown === undefined ? null : boundsOf(shown)[0];
    before.current = least === null ? null : { skuId, least };
    if (known === null || least === null || known.skuId !== skuId || known.least === least) return;
    const name = least < known.least ? 'ticked-down' : 'ticked-up';
    const { current } = element;
    if (current === null) return;
    current.classList.remove('ticked-down', 'ticked-up');
    // Reading a layout property lets the same animation begin anew.
    void current.offsetWidth;
    current.classList.add(name);
  }, [shown, skuId]);
  return element;
}
