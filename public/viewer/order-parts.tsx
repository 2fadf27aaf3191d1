import { useSignal } from '@preact/signals';
import type { Order } from '../../contract/orders.ts';
import { textIn } from '../lib/languages.ts';
import { isUnpaid } from '../lib/order-book.ts';
import { clockText } from './countdown.ts';
import { useViewer } from './store.ts';

/** Lines and total. */
export function OrderLines({ order }: { order: Order }) {
  const viewer = useViewer();
  return (
    <dl class="lines">
      {order.lines.map((line) => (
        <div class="line" key={line.skuId}>
          <dt>
            {viewer.nameOf(line.skuId)} <span class="times number">× {line.quantity}</span>
          </dt>
          <dd class="number">{viewer.price(line.unitPriceMinor * line.quantity, order.currency)}</dd>
        </div>
      ))}
      <div class="line line-total">
        <dt>{viewer.words.value.total}</dt>
        <dd class="number">{viewer.price(order.totalMinor, order.currency)}</dd>
      </div>
    </dl>
  );
}

/** Time left to pay, on the server's clock. */
export function PayClock({ order }: { order: Order }) {
  const viewer = useViewer();
  // The estimate of the server's clock is late by some ms: a fresh order never shows more than its whole time.
  const leftMs = Math.min(order.expiresAtMs - viewer.nowMs.value, order.expiresAtMs - order.createdAtMs);
  return (
    <span class="pay-clock number" role="timer" data-urgent={leftMs < 60_000}>
      {clockText(leftMs)}
    </span>
  );
}

export function StateBadge({ order }: { order: Order }) {
  return (
    <span class="badge" data-order-state={order.state}>
      {useViewer().words.value.orderState[order.state]}
    </span>
  );
}

/** Pay or cancel; nothing for an order that is done. */
export function OrderActions({ order }: { order: Order }) {
  const viewer = useViewer();
  const words = viewer.words.value;
  const cancelling = useSignal(false);
  const refusal = useSignal<string | null>(null);
  const payUrl = viewer.payLinks.of(order.orderId);
  if (!isUnpaid(order)) return null;
  const cancel = async (): Promise<void> => {
    if (cancelling.value) return;
    cancelling.value = true;
    const error = await viewer.client.cancelOrder(order.orderId);
    cancelling.value = false;
    refusal.value = error === null ? null : textIn(viewer.language.value, error.message);
  };
  return (
    <>
      {refusal.value !== null && (
        <p class="notice notice-bad" role="alert">
          {refusal}
        </p>
      )}
      {payUrl === undefined && <p class="quiet">{words.payElsewhere}</p>}
      <div class="actions">
        <button
          type="button"
          class="button button-quiet"
          aria-disabled={cancelling.value}
          onClick={() => void cancel()}
        >
          {cancelling.value ? words.cancelling : words.cancelOrder}
        </button>
        {payUrl !== undefined && (
          <a class="button button-buy" href={payUrl} target="_blank" rel="noopener">
            {words.pay}
          </a>
        )}
      </div>
    </>
  );
}
