import { useEffect, useLayoutEffect, useRef, useState } from 'preact/hooks';
import type { AlertTier } from '../../contract/alerts.ts';
import type { ItemInfo } from '../../contract/livestreams.ts';
import type { PaceCue } from '../../contract/pace.ts';
import { timeOfDay } from '../lib/charts/ticks.ts';
import { besideLabel } from '../lib/cue-text.ts';
import { localeOf, textIn } from '../lib/languages.ts';
import { useOverlay } from './store.ts';
import { sellOutOf } from './times.ts';

/** Title and specification on one line; what does not fit is cut, never wrapped into the number's place. */
export function ItemName({ item }: { item: ItemInfo }) {
  const { parameters } = useOverlay();
  const spec = item.spec.map(({ value }) => textIn(parameters.language, value)).join(' / ');
  return (
    <p class="name">
      <span class="name-title">{textIn(parameters.language, item.title)}</span>
      {spec !== '' && <span class="name-spec">{spec}</span>}
    </p>
  );
}

/** Width of a number in digits; a separator takes a third of one. */
const digitsOf = (shown: string): number =>
  shown.replaceAll(/[,.]/g, '').length + (shown.match(/[,.]/g)?.length ?? 0) / 3;

/** The units left. Its width is that of the greatest number so far: a tick moves nothing beside it. */
export function Remaining({ item, small = false }: { item: ItemInfo; small?: boolean }) {
  const overlay = useOverlay();
  const { words, parameters } = overlay;
  const level = overlay.level(item.index).value;
  const status = overlay.statusOf(item);
  const soldOutNow = useSoldOutMoment(status, item.skuId);
  const shown =
    level === undefined
      ? '–'
      : typeof level.shown === 'number'
        ? level.shown.toLocaleString(localeOf[parameters.language])
        : level.shown.replace('-', '–');
  const width = useWidest(shown, item.skuId);
  // Ten small numbers that flash are a flicker, and each flash is drawn twice.
  const ticking = useTick(small ? undefined : level?.shown, item.skuId);
  if (status === 'on_sale' || status === 'loading') {
    return (
      <p class={small ? 'left left-small' : 'left'} data-status={status} data-units={String(level?.shown ?? '')}>
        {!small && <span class="left-label">{words.left}</span>}
        <span class="left-number number" ref={ticking} style={{ minWidth: `${width.toFixed(2)}ch` }}>
          {shown}
        </span>
      </p>
    );
  }
  const text = status === 'scheduled' ? words.opensAt(timeOfDay(item.opensAtMs, false)) : words.status[status];
  return (
    <p
      class={small ? 'left left-small' : 'left'}
      data-status={status}
      data-units={String(level?.shown ?? '')}
      data-moment={soldOutNow}
    >
      <span class="stamp" style={{ minWidth: small ? `${width.toFixed(2)}ch` : 'auto' }}>
        {text}
      </span>
    </p>
  );
}

const tickMs = 400;

/** The number was replaced while somebody looked: one short highlight, none for the first number of an item. */
function useTick(shown: number | string | undefined, skuId: string) {
  const element = useRef<HTMLSpanElement>(null);
  const before = useRef<{ skuId: string; shown: number | string } | null>(null);
  // Before the browser draws: the number and its highlight are one drawing.
  useLayoutEffect(() => {
    const known = before.current;
    before.current = shown === undefined ? null : { skuId, shown };
    if (known === null || shown === undefined || known.skuId !== skuId || known.shown === shown) return undefined;
    const { current } = element;
    if (current === null) return undefined;
    const up = typeof shown === 'number' && typeof known.shown === 'number' && shown > known.shown;
    // Two drawings, not an animation: one that runs keeps the page drawing at full rate, and a busy sale would never let it end.
    current.dataset['tick'] = up ? 'up' : 'down';
    const timer = setTimeout(() => delete current.dataset['tick'], tickMs);
    return () => clearTimeout(timer);
  }, [shown, skuId]);
  return element;
}

function useWidest(shown: string, skuId: string): number {
  const widest = useRef({ skuId, width: 1 });
  if (widest.current.skuId !== skuId) widest.current = { skuId, width: 1 };
  widest.current.width = Math.max(widest.current.width, digitsOf(shown));
  return widest.current.width;
}

/** True for some seconds after an item that was on sale sold out before our eyes; not for one that was sold out when we came. */
function useSoldOutMoment(status: string, skuId: string): boolean {
  const before = useRef({ status: '', skuId });
  const [moment, setMoment] = useState(false);
  useEffect(() => {
    const known = before.current;
    before.current = { status, skuId };
    const soldOut = known.skuId === skuId && known.status === 'on_sale' && status === 'sold_out';
    setMoment(soldOut);
    if (!soldOut) return undefined;
    const timer = setTimeout(() => setMoment(false), 4_000);
    return () => clearTimeout(timer);
  }, [status, skuId]);
  return moment;
}

export function SellOutLine({ item }: { item: ItemInfo }) {
  const overlay = useOverlay();
  if (overlay.audience.value === 'air' || overlay.statusOf(item) !== 'on_sale') return null;
  // By the pace's own moment: the sentence then changes with what it says and not with every second.
  const pace = overlay.pace.value;
  const sellOut = sellOutOf(overlay.paceOf(item.skuId), pace?.atMs ?? 0, overlay.words);
  if (sellOut === null) return null;
  return (
    <p class="sell-out number" data-kind={sellOut.kind}>
      <span>{sellOut.text}</span>
      {sellOut.kind === 'in' && <span class="sell-out-clock">{sellOut.clock}</span>}
    </p>
  );
}

const cueShapes: Record<PaceCue['cue'], string> = {
  slow_down: 'M5 5l7 6 7-6M5 13l7 6 7-6',
  interact: 'M4 5h16v11h-9l-5 4v-4H4z',
  keep: 'M5 12.5l4.5 4.5L19 7.5',
};

/** What the anchor should do now: shape, colour and words. Never on air. */
export function Cue({ withText = true }: { withText?: boolean }) {
  const overlay = useOverlay();
  const cue = overlay.pace.value?.cue;
  if (cue === undefined || overlay.audience.value === 'air') return null;
  const label = overlay.words.cue[cue.cue];
  const text = besideLabel(label, textIn(overlay.parameters.language, cue.text));
  return (
    <p class="cue" data-cue={cue.cue}>
      <svg class="icon" viewBox="0 0 24 24" aria-hidden="true">
        <path d={cueShapes[cue.cue]} />
      </svg>
      <span class="cue-label">{label}</span>
      {withText && text !== '' && <span class="cue-text">{text}</span>}
    </p>
  );
}

const tierShapes: Record<AlertTier, string> = {
  yellow: 'M12 3l10 18H2z',
  orange: 'M12 2l10 10-10 10L2 12z',
  red: 'M8 2h8l6 6v8l-6 6H8l-6-6V8z',
};

/** The open alert of an item, for the anchor's own screen: shape and colour, and words where there is room. */
export function TierMark({ skuId, withText = true }: { skuId: string; withText?: boolean }) {
  const overlay = useOverlay();
  const tier = overlay.audience.value === 'air' ? null : overlay.paceOf(skuId)?.tier;
  if (tier === null || tier === undefined) return null;
  const { tier: names } = overlay.words;
  return (
    <span class="tier" data-tier={tier}>
      <svg class="tier-shape" viewBox="0 0 24 24" role="img" aria-label={names[tier]}>
        <path d={tierShapes[tier]} />
      </svg>
      {withText && <span aria-hidden="true">{names[tier]}</span>}
    </span>
  );
}

export function NextItem() {
  const overlay = useOverlay();
  const next = overlay.next.value;
  if (next === null || overlay.audience.value === 'air') return null;
  return (
    <p class="next">
      <span class="next-label">{overlay.words.next}</span>
      <ItemName item={next} />
    </p>
  );
}

const staleAfterMs = 5_000;

/** Says when numbers may be old: nobody else would tell the anchor that the network is gone. */
export function StaleBadge() {
  const overlay = useOverlay();
  const since = overlay.awaySinceMs.value;
  const { words } = overlay;
  // Rendered with every second of the overlay's clock, measured by this computer's own.
  void overlay.nowMs.value;
  const awayMs = since === null ? 0 : Date.now() - since;
  const connection = overlay.connection.value;
  if (connection.kind === 'connecting') return awayMs < 2_000 ? null : <p class="badge">{words.connecting}</p>;
  // A connection that is open and silent has been so for five seconds when it is called stale.
  const silentMs = connection.kind === 'live' ? awayMs + staleAfterMs : awayMs;
  if (since === null || silentMs < staleAfterMs) return null;
  return (
    <p class="badge badge-stale" role="status">
      {connection.kind === 'live' ? words.stale(String(Math.floor(silentMs / 1_000))) : words.reconnecting}
    </p>
  );
}
