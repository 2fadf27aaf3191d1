import { computed, type ReadonlySignal, type Signal, signal } from '@preact/signals';
import { createContext } from 'preact';
import { useContext } from 'preact/hooks';
import type { WireError } from '../../contract/errors.ts';
import { anyShown, effectiveStatus, type ItemStatus } from '../../contract/levels.ts';
import type { ItemInfo } from '../../contract/livestreams.ts';
import type { Order } from '../../contract/orders.ts';
import { keepLanguage, type Language, localeOf, otherLanguage, textIn } from '../lib/languages.ts';
import { formatPrice } from '../lib/money.ts';
import type { StockcastClient } from '../lib/stockcast-client.ts';
import { type StockcastSignals, signalsOf } from '../lib/stockcast-signals.ts';
import type { PayLinks } from './pay-links.ts';
import { specText } from './specs.ts';
import { type Words, wordsIn } from './words.ts';

/** What the sheet over the page shows. `placing` and `failed` belong to one attempt. */
export type Sheet =
  | { readonly kind: 'placing'; readonly skuId: string; readonly quantity: number }
  | {
      readonly kind: 'failed';
      readonly skuId: string;
      readonly quantity: number;
      readonly error: WireError;
      readonly undecided: boolean;
    }
  | { readonly kind: 'order'; readonly orderId: string }
  | { readonly kind: 'orders' };

/** `loading`: no level has come yet. */
export type ShownStatus = ItemStatus | 'loading';

const clockTickMs = 200;

/** State and verbs of the viewer page; components read its signals and call its functions. */
export type Viewer = StockcastSignals & {
  readonly client: StockcastClient;
  readonly language: Signal<Language>;
  readonly words: ReadonlySignal<Words>;
  /** The server's clock, five times a second. */
  readonly nowMs: ReadonlySignal<number>;
  readonly sheet: Signal<Sheet | null>;
  /** The item that the viewer used last: its selling out is said aloud. */
  readonly attended: Signal<string | null>;
  readonly announcement: ReadonlySignal<string>;
  readonly notice: Signal<string | null>;
  readonly payLinks: PayLinks;
  statusOf(item: ItemInfo): ShownStatus;
  nameOf(skuId: string): string;
  price(amountMinor: number, currency: string): string;
  announce(text: string): void;
  switchLanguage(): void;
  buy(item: Pick<ItemInfo, 'skuId'>, quantity: number): Promise<void>;
};

const ViewerContext = createContext<Viewer | null>(null);
export const ViewerProvider = ViewerContext.Provider;

export function useViewer(): Viewer {
  const viewer = useContext(ViewerContext);
  if (viewer === null) throw new Error('a part of the viewer page was drawn outside of it');
  return viewer;
}

export function createViewer({
  client,
  language,
  payLinks,
  onPlaced,
}: {
  client: StockcastClient;
  language: Signal<Language>;
  payLinks: PayLinks;
  /** An order was accepted, and where it is paid is known. */
  onPlaced: () => void;
}): Viewer {
  const signals = signalsOf(client);
  const words = computed(() => wordsIn[language.value]);
  const nowMs = signal(client.serverNowMs());
  const sheet = signal<Sheet | null>(null);
  const announcement = signal('');
  setInterval(() => {
    nowMs.value = client.serverNowMs();
  }, clockTickMs);

  const viewer: Viewer = {
    ...signals,
    client,
    language,
    words,
    nowMs,
    sheet,
    attended: signal(null),
    announcement,
    notice: signal(null),
    payLinks,
    statusOf(item) {
      const level = signals.level(item.index).value;
      if (level === undefined) return 'loading';
      // Only an item that waits for its moment follows the clock.
      if (level.status !== 'scheduled') return level.status;
      return effectiveStatus(level.status, anyShown(level.shown), item.opensAtMs, nowMs.value);
    },
    nameOf(skuId) {
      const item = signals.livestream.value?.items.find((each) => each.skuId === skuId);
      if (item === undefined) return skuId;
      const title = textIn(language.value, item.title);
      return item.spec.length === 0 ? title : `${title} ${textIn(language.value, specText(item))}`;
    },
    price: (amountMinor, currency) => formatPrice(amountMinor, currency, localeOf[language.value]),
    announce(text) {
      // The same sentence twice is said twice only if the text differs.
      announcement.value = announcement.value === text ? `${text}\u200b` : text;
    },
    switchLanguage() {
      language.value = otherLanguage(language.value);
      keepLanguage(language.value);
    },
    async buy({ skuId }, quantity) {
      const attempt: Sheet = { kind: 'placing', skuId, quantity };
      sheet.value = attempt;
      const result = await client.placeOrder([{ skuId, quantity }]);
      // Whoever has closed the sheet meanwhile still hears of the outcome.
      const stillOpen = sheet.value === attempt;
      if (result.kind === 'accepted') {
        const { order, payUrl } = result;
        payLinks.keep(order.orderId, payUrl);
        onPlaced();
        if (stillOpen) sheet.value = { kind: 'order', orderId: order.orderId };
        viewer.announce(words.value.orderText[order.state]);
        return;
      }
      const undecided = result.kind === 'undecided';
      const { error } = result;
      if (stillOpen) sheet.value = { kind: 'failed', skuId, quantity, error, undecided };
      viewer.announce(undecided ? words.value.undecidedText : textIn(language.value, error.message));
    },
  };
  return viewer;
}

/** Says aloud what became of the buyer's own orders, and that the item in use sold out or came back; never a mere tick. */
export function announceChanges(viewer: Viewer): void {
  const known = new Map<string, Order['state']>();
  viewer.orders.subscribe((orders) => {
    for (const { orderId, state } of orders) {
      const before = known.get(orderId);
      known.set(orderId, state);
      if (before !== undefined && before !== state) viewer.announce(viewer.words.peek().orderText[state]);
    }
    viewer.payLinks.keepOnly(orders);
  });
  let heard: { skuId: string | null; status: ShownStatus } = { skuId: null, status: 'loading' };
  const attendedStatus = computed(() => {
    const skuId = viewer.attended.value;
    const item = viewer.livestream.value?.items.find((each) => each.skuId === skuId);
    return { skuId, status: item === undefined ? ('loading' as const) : viewer.statusOf(item) };
  });
  attendedStatus.subscribe((now) => {
    const before = heard;
    heard = now;
    if (now.skuId === null || now.skuId !== before.skuId || now.status === before.status) return;
    const { soldOutNow, backInStock } = viewer.words.peek();
    if (now.status === 'sold_out') viewer.announce(soldOutNow(viewer.nameOf(now.skuId)));
    if (now.status === 'on_sale' && before.status === 'sold_out')
      viewer.announce(backInStock(viewer.nameOf(now.skuId)));
  });
}
