import { isUnpaid } from '../lib/order-book.ts';
import { BagIcon } from './icons.tsx';
import { PayClock } from './order-parts.tsx';
import { useViewer } from './store.ts';

/** On a phone: own orders at hand at the lower edge, with the nearest end of an unpaid one. */
export function OrdersBar() {
  const viewer = useViewer();
  const words = viewer.words.value;
  const orders = viewer.orders.value;
  if (orders.length === 0) return null;
  const unpaid = orders.filter(isUnpaid).sort((a, b) => a.expiresAtMs - b.expiresAtMs);
  const [next] = unpaid;
  return (
    <div class="orders-bar">
      <button type="button" class="button orders-button" onClick={() => (viewer.sheet.value = { kind: 'orders' })}>
        <BagIcon />
        <span>{words.myOrders}</span>
        {next !== undefined && (
          <span class="orders-due">
            {words.unpaidOrders(unpaid.length)} <PayClock order={next} />
          </span>
        )}
      </button>
    </div>
  );
}
