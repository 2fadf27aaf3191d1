import type { LivestreamInfo } from '../../contract/livestreams.ts';
import type { Order, OrderState } from '../../contract/orders.ts';
import type { Text } from '../../contract/primitives.ts';
import { requestJson } from '../lib/http-api.ts';
import { type Language, localeOf, textIn } from '../lib/languages.ts';
import { formatPrice } from '../lib/money.ts';
import { isUnpaid } from '../lib/order-book.ts';
import { element, startLanguages } from '../lib/static-page.ts';

/** What the page shows below the order. */
type Phase =
  | { readonly kind: 'asking' | 'paying' | 'failed_on_purpose' }
  | { readonly kind: 'done'; readonly outcome: 'paid' | 'refund_due' }
  | { readonly kind: 'refused'; readonly message: Text };

const words = {
  zh: {
    loading: '读取订单…',
    total: '应付金额',
    pay: '支付',
    fail: '支付失败',
    paying: '支付中…',
    failedOnPurpose: '支付失败（模拟）。订单仍保留，可以再试一次。',
    outcome: {
      paid: '支付成功。可以关闭本页，回到直播间。',
      refund_due: '付款时库存已释放且已售出，款项将退回。',
    },
    states: {
      held: '待支付',
      placed: '待支付',
      paid: '已支付',
      expired: '已过期，支付后如有库存仍可成交，否则退款',
      cancelled: '已取消，支付后将退款',
      refund_due: '退款中',
      refunded: '已退款',
    } satisfies Record<OrderState, string>,
    again: '重试',
    back: '回到直播间',
    missing: '链接不完整：缺少订单。',
  },
  en: {
    loading: 'Reading the order…',
    total: 'To pay',
    pay: 'Pay',
    fail: 'Let the payment fail',
    paying: 'Paying…',
    failedOnPurpose: 'The payment failed (simulated). The order is still kept; you can try again.',
    outcome: {
      paid: 'Paid. You can close this page and go back to the livestream.',
      refund_due: 'The units were released and sold before the payment; the money goes back.',
    },
    states: {
      held: 'To pay',
      placed: 'To pay',
      paid: 'Paid',
      expired: 'Expired: paying now still buys it if units are left, else the money goes back',
      cancelled: 'Cancelled: a payment now goes back',
      refund_due: 'Refunding',
      refunded: 'Refunded',
    } satisfies Record<OrderState, string>,
    again: 'Try again',
    back: 'Back to the livestream',
    missing: 'The link is incomplete: it names no order.',
  },
} satisfies Record<Language, object>;

const orderToken = tokenOfAddress();
let order: Order | null = null;
let livestream: LivestreamInfo | null = null;
let phase: Phase = { kind: 'asking' };
const page = startLanguages({ zh: '模拟支付', en: 'Simulated payment' }, draw);

async function load(): Promise<void> {
  if (orderToken === null) {
    show({ kind: 'refused', message: { zh: words.zh.missing, en: words.en.missing } });
    return;
  }
  const answer = await requestJson(`/pay/api/order?order=${encodeURIComponent(orderToken)}`, {
    method: 'GET',
    timeoutMs: 8_000,
  });
  if (!answer.ok) {
    show({ kind: 'refused', message: answer.error.message });
    return;
  }
  ({ order, livestream } = answer.value as { order: Order; livestream: LivestreamInfo | null });
  show({ kind: 'asking' });
}

async function pay(): Promise<void> {
  show({ kind: 'paying' });
  const answer = await requestJson('/pay/api/complete', { method: 'POST', body: { orderToken }, timeoutMs: 60_000 });
  if (!answer.ok) {
    show({ kind: 'refused', message: answer.error.message });
    return;
  }
  const { outcome } = answer.value as { outcome: 'paid' | 'refund_due' };
  show({ kind: 'done', outcome });
}

function show(next: Phase): void {
  phase = next;
  draw(page.language());
}

function draw(language: Language): void {
  const paper = document.querySelector('#order');
  paper?.replaceChildren(...(order === null ? [] : orderParts(order, language)), ...phaseParts(language));
}

function orderParts(shown: Order, language: Language): HTMLElement[] {
  const own = words[language];
  const price = (amountMinor: number): string => formatPrice(amountMinor, shown.currency, localeOf[language]);
  const lines = shown.lines.map(({ skuId, quantity, unitPriceMinor }) =>
    element(
      'li',
      {},
      element('span', {}, `${nameOf(skuId, language)} × ${quantity}`),
      element('span', { class: 'number' }, price(unitPriceMinor * quantity)),
    ),
  );
  return [
    element(
      'p',
      { class: 'total' },
      element('span', { class: 'quiet' }, own.total),
      element('strong', { class: 'number' }, price(shown.totalMinor)),
    ),
    element('ul', { class: 'lines' }, ...lines),
    ...(livestream === null ? [] : [element('p', { class: 'quiet' }, textIn(language, livestream.title))]),
  ];
}

function phaseParts(language: Language): HTMLElement[] {
  const own = words[language];
  const back = element('a', { class: 'button button-quiet', href: backUrl() }, own.back);
  switch (phase.kind) {
    case 'paying':
      return [element('p', { class: 'result', role: 'status' }, own.paying)];
    case 'done': {
      const tone = phase.outcome === 'paid' ? 'good' : 'warn';
      return [element('p', { class: 'result', 'data-tone': tone, role: 'status' }, own.outcome[phase.outcome]), back];
    }
    case 'refused':
      return [
        element('p', { class: 'result', 'data-tone': 'bad', role: 'alert' }, textIn(language, phase.message)),
        ...(orderToken === null ? [] : [button(own.again, 'button-quiet', () => void load())]),
      ];
    case 'failed_on_purpose':
      return [
        element('p', { class: 'result', 'data-tone': 'bad', role: 'status' }, own.failedOnPurpose),
        ...payButtons(language),
      ];
    case 'asking':
      if (order === null) return [element('p', { class: 'quiet' }, own.loading)];
      if (isUnpaid(order)) return payButtons(language);
      return [
        element('p', { class: 'result' }, own.states[order.state]),
        ...(order.state === 'expired' || order.state === 'cancelled' ? payButtons(language) : [back]),
      ];
  }
}

function payButtons(language: Language): HTMLElement[] {
  const own = words[language];
  return [
    element(
      'div',
      { class: 'actions' },
      button(own.pay, 'button-buy', () => void pay()),
      button(own.fail, 'button-quiet', () => show({ kind: 'failed_on_purpose' })),
    ),
  ];
}

function button(text: string, look: string, press: () => void): HTMLElement {
  const made = element('button', { type: 'button', class: `button ${look}` }, text);
  made.addEventListener('click', press, { once: true });
  return made;
}

function nameOf(skuId: string, language: Language): string {
  const item = livestream?.items.find((each) => each.skuId === skuId);
  if (item === undefined) return skuId;
  return [item.title, ...item.spec.map(({ value }) => value)].map((text) => textIn(language, text)).join(' ');
}

function backUrl(): string {
  return order === null ? '/viewer/' : `/viewer/?livestream=${encodeURIComponent(order.livestreamId)}`;
}

/** The order's token, out of the fragment or the query. */
function tokenOfAddress(): string | null {
  const fragment = new URLSearchParams(location.hash.slice(1)).get('token');
  return fragment ?? new URLSearchParams(location.search).get('order');
}

void load();
