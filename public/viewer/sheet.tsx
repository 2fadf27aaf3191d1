import type { ComponentChildren } from 'preact';
import { useEffect, useId, useRef } from 'preact/hooks';
import type { Order } from '../../contract/orders.ts';
import { textIn } from '../lib/languages.ts';
import { isUnpaid } from '../lib/order-book.ts';
import { CheckIcon, ClockIcon, CloseIcon, InfoIcon } from './icons.tsx';
import { OrderList } from './order-list.tsx';
import { OrderActions, OrderLines, PayClock } from './order-parts.tsx';
import { type Sheet, useViewer } from './store.ts';

/** What lies over the page: an attempt, an order, or all orders. The browser's own dialog keeps focus and Escape right. */
export function SheetView() {
  const viewer = useViewer();
  const sheet = viewer.sheet.value;
  const dialog = useRef<HTMLDialogElement>(null);
  const heading = useRef<HTMLHeadingElement>(null);
  const titleId = useId();
  const close = (): void => {
    viewer.sheet.value = null;
  };
  useEffect(() => {
    const { current } = dialog;
    if (current === null) return;
    if (sheet === null) current.close();
    else if (!current.open) current.showModal();
    // Each step begins at its title, so that it is read from there.
    if (sheet !== null) heading.current?.focus();
  }, [sheet]);
  const { title, body } = useSheet(sheet);
  return (
    <dialog
      ref={dialog}
      class="sheet"
      aria-labelledby={titleId}
      onClose={close}
      onClick={(event) => event.target === event.currentTarget && close()}
    >
      {sheet !== null && (
        <div class="sheet-inner">
          <div class="sheet-head">
            <h2 id={titleId} ref={heading} tabIndex={-1}>
              {title}
            </h2>
            <button type="button" class="icon-button" aria-label={viewer.words.value.close} onClick={close}>
              <CloseIcon />
            </button>
          </div>
          {body}
          <div class="visually-hidden" role="status" aria-live="polite">
            {viewer.announcement}
          </div>
        </div>
      )}
    </dialog>
  );
}

function useSheet(sheet: Sheet | null): { title: string; body: ComponentChildren } {
  const viewer = useViewer();
  const words = viewer.words.value;
  const orders = viewer.orders.value;
  switch (sheet?.kind) {
    case 'placing':
      return { title: words.placing, body: <Placing sheet={sheet} /> };
    case 'failed':
      return { title: sheet.undecided ? words.undecidedTitle : words.refusedTitle, body: <Failed sheet={sheet} /> };
    case 'order': {
      const order = orders.find(({ orderId }) => orderId === sheet.orderId);
      return order === undefined
        ? { title: words.myOrders, body: <OrderList /> }
        : { title: words.orderState[order.state], body: <OrderView order={order} /> };
    }
    default:
      return { title: words.myOrders, body: <OrderList /> };
  }
}

function Placing({ sheet }: { sheet: Extract<Sheet, { kind: 'placing' }> }) {
  const viewer = useViewer();
  return (
    <div class="outcome" data-tone="wait">
      <span class="spinner" aria-hidden="true" />
      <p class="outcome-name">
        {viewer.nameOf(sheet.skuId)} <span class="times number">× {sheet.quantity}</span>
      </p>
      <p class="quiet">{viewer.words.value.placingText}</p>
    </div>
  );
}

function Failed({ sheet }: { sheet: Extract<Sheet, { kind: 'failed' }> }) {
  const viewer = useViewer();
  const words = viewer.words.value;
  const { error, undecided, skuId, quantity } = sheet;
  const close = (): void => {
    viewer.sheet.value = null;
  };
  return (
    <>
      <div class="outcome" data-tone={undecided ? 'warn' : 'bad'} data-code={error.code}>
        <span class="outcome-mark">{undecided ? <ClockIcon /> : <InfoIcon />}</span>
        <p class="outcome-name">
          {viewer.nameOf(skuId)} <span class="times number">× {quantity}</span>
        </p>
        <p class="outcome-text">{undecided ? words.undecidedText : textIn(viewer.language.value, error.message)}</p>
        {!undecided && <p class="quiet">{words.advice[error.code] ?? words.advice.internal}</p>}
      </div>
      <div class="actions">
        <button type="button" class="button button-quiet" onClick={close}>
          {words.continueWatching}
        </button>
        {undecided && (
          <button type="button" class="button button-buy" onClick={() => void viewer.buy({ skuId }, quantity)}>
            {words.askAgain}
          </button>
        )}
      </div>
    </>
  );
}

const toneOf: Record<Order['state'], 'good' | 'warn' | 'wait' | 'bad'> = {
  held: 'good',
  placed: 'good',
  paid: 'good',
  expired: 'bad',
  cancelled: 'wait',
  refund_due: 'warn',
  refunded: 'wait',
};

function OrderView({ order }: { order: Order }) {
  const viewer = useViewer();
  const words = viewer.words.value;
  const unpaid = isUnpaid(order);
  return (
    <>
      <div class="outcome" data-tone={toneOf[order.state]} data-order={order.orderId} data-order-state={order.state}>
        {unpaid ? (
          <div class="outcome-clock">
            <span class="quiet">{words.payWithin}</span>
            <PayClock order={order} />
          </div>
        ) : (
          <span class="outcome-mark">{order.state === 'paid' ? <CheckIcon /> : <InfoIcon />}</span>
        )}
        <p class="outcome-text">{words.orderText[order.state]}</p>
      </div>
      <OrderLines order={order} />
      <p class="quiet order-number">
        {words.orderNumber} {order.orderId}
      </p>
      <OrderActions order={order} />
      {!unpaid && (
        <div class="actions">
          <button type="button" class="button button-quiet" onClick={() => (viewer.sheet.value = null)}>
            {words.continueWatching}
          </button>
        </div>
      )}
    </>
  );
}
