import { useSignal } from '@preact/signals';
import type { OrderForOperator, OrderState } from '../../contract/orders.ts';
import { type Action, ErrorNote, submitting, useAction } from './action.tsx';
import { TextField } from './fields.tsx';
import { formatMoment } from './format.ts';
import { useConsole } from './store.ts';

type Asking = 'nothing' | 'refund' | 'cancel';

const wholeOrder = 'order';

/** What an operator can do with an order in each state. */
const verbs: Record<OrderState, Asking> = {
  held: 'cancel',
  placed: 'cancel',
  paid: 'refund',
  refund_due: 'refund',
  expired: 'nothing',
  cancelled: 'nothing',
  refunded: 'nothing',
};

export function OrderRow({
  order,
  onChanged,
}: {
  readonly order: OrderForOperator;
  readonly onChanged: (order: Pick<OrderForOperator, 'orderId' | 'state'>) => void;
}) {
  const console = useConsole();
  /** The whole order, one payment of it by its id, or nothing. */
  const asking = useSignal<string | null>(null);
  const action = useAction();
  const verb = verbs[order.state];
  // Money beside the order: a second payment, a wrong amount. Of an order that is itself due, the money is the order's.
  const strays = order.state === 'refund_due' ? [] : order.payments.filter(({ state }) => state === 'refund_due');
  const toggle = (what: string): void => {
    asking.value = asking.value === what ? null : what;
  };
  const at = { livestreamId: console.livestreamId, orderId: order.orderId };
  const cancel = async (): Promise<void> => {
    const done = await action.run(() => console.api('cancelOrder', at));
    if (done !== null) onChanged(done.order);
  };
  return (
    <>
      <tr data-order={order.orderId} data-state={order.state}>
        <td class="cell-id">{order.orderId}</td>
        <td class="number">{formatMoment(order.createdAtMs, console.language.value)}</td>
        <td class="cell-id">{order.buyerId}</td>
        <td>
          {order.lines.map(({ skuId, quantity }) => (
            <span key={skuId} class="order-line">
              {`${console.nameOf(skuId)}\u00a0×\u00a0${quantity}`}
            </span>
          ))}
        </td>
        <td class="cell-number">{console.price(order.totalMinor, order.currency)}</td>
        <StateCell order={order} strays={strays} />
        <td class="cell-action">
          <Verbs order={order} strays={strays} asking={asking.value} onAsk={toggle} action={action} onCancel={cancel} />
        </td>
      </tr>
      {verb === 'cancel' && action.error.value !== null && (
        <tr>
          <td colSpan={7}>
            <ErrorNote error={action.error.value} language={console.language.value} />
          </td>
        </tr>
      )}
      {asking.value !== null && (verb === 'refund' || strays.length > 0) && (
        <tr class="order-ask">
          <td colSpan={7}>
            <RefundForm
              key={asking.value}
              order={order}
              payment={strays.find(({ paymentId }) => paymentId === asking.value)}
              onDone={onChanged}
              onCancel={() => (asking.value = null)}
            />
          </td>
        </tr>
      )}
    </>
  );
}

type Payment = OrderForOperator['payments'][number];

/** The order's state, and money beside it. */
function StateCell({ order, strays }: { readonly order: OrderForOperator; readonly strays: readonly Payment[] }) {
  const console = useConsole();
  const words = console.words.value.orders;
  return (
    <td>
      <span class="order-state" data-state={order.state}>
        {words.state[order.state]}
      </span>
      {strays.map(({ paymentId, amountMinor, currency, reason }) => (
        <span key={paymentId} class="order-state" data-state="refund_due" data-payment={paymentId}>
          {console.price(amountMinor, currency)} {words.paymentReasons[reason ?? ''] ?? reason}
        </span>
      ))}
    </td>
  );
}

function Verbs({
  order,
  strays,
  asking,
  onAsk,
  action,
  onCancel,
}: {
  readonly order: OrderForOperator;
  readonly strays: readonly Payment[];
  readonly asking: string | null;
  readonly onAsk: (what: string) => void;
  readonly action: Action;
  readonly onCancel: () => Promise<void>;
}) {
  const console = useConsole();
  const words = console.words.value.orders;
  const verb = verbs[order.state];
  return (
    <>
      {verb === 'refund' && (
        <button
          type="button"
          class={order.state === 'refund_due' ? 'small-button small-button-strong' : 'small-button'}
          aria-expanded={asking === wholeOrder}
          onClick={() => onAsk(wholeOrder)}
        >
          {words.refund}
        </button>
      )}
      {strays.map(({ paymentId, amountMinor, currency }) => (
        <button
          key={paymentId}
          type="button"
          class="small-button small-button-strong"
          aria-expanded={asking === paymentId}
          onClick={() => onAsk(paymentId)}
        >
          {words.refundPayment(console.price(amountMinor, currency))}
        </button>
      ))}
      {verb === 'cancel' && (
        <button type="button" class="small-button" aria-disabled={action.busy.value} onClick={() => void onCancel()}>
          {words.cancelOrder}
        </button>
      )}
    </>
  );
}

function RefundForm({
  order,
  payment,
  onDone,
  onCancel,
}: {
  readonly order: OrderForOperator;
  /** Absent: the whole order. */
  readonly payment: Payment | undefined;
  readonly onDone: (order: Pick<OrderForOperator, 'orderId' | 'state'>) => void;
  readonly onCancel: () => void;
}) {
  const console = useConsole();
  const words = console.words.value.orders;
  const reason = useSignal('');
  const action = useAction();
  const isMissing = reason.value.trim() === '';
  const submit = async (): Promise<void> => {
    if (isMissing) return;
    const { api, livestreamId } = console;
    const at = { livestreamId, orderId: order.orderId };
    const body = { reason: reason.value.trim(), ...(payment === undefined ? {} : { paymentId: payment.paymentId }) };
    const done = await action.run(() => api('refundOrder', at, { body }));
    if (done === null) return;
    onCancel();
    onDone(done.order);
    console.say(words.state.refunded);
  };
  const amount = console.price(payment?.amountMinor ?? order.totalMinor, payment?.currency ?? order.currency);
  return (
    <form class="refund" onSubmit={submitting(submit)}>
      <p>
        <b>{words.refundTitle(order.orderId, amount)}</b>{' '}
        {payment === undefined ? words.refundText : words.refundPaymentText}
      </p>
      <div class="tools">
        <TextField label={words.refundReason} value={reason} maxLength={200} required />
        <button type="submit" class="small-button small-button-strong" aria-disabled={isMissing || action.busy.value}>
          {words.refundConfirm}
        </button>
        <button type="button" class="small-button" onClick={onCancel}>
          {console.words.value.cancel}
        </button>
      </div>
      <ErrorNote error={action.error.value} language={console.language.value} />
    </form>
  );
}
