import { useSignal } from '@preact/signals';
import { useEffect } from 'preact/hooks';
import type { OrderForOperator, OrderState } from '../../contract/orders.ts';
import { ErrorNote, useAction } from './action.tsx';
import { SelectField, TextField } from './fields.tsx';
import { isId } from './form-values.ts';
import { formatCount } from './format.ts';
import { OrderRow } from './order-row.tsx';
import { Refunds } from './refunds.tsx';
import { useConsole } from './store.ts';

const pageSize = 50;
const isWrong = (id: string): boolean => id !== '' && !isId(id);
type Asked = { readonly state: OrderState | 'any'; readonly orderId: string; readonly buyerId: string };

/** Orders of the livestream, newest first; refunds that are due stand above them. */
export function Orders() {
  const console = useConsole();
  const words = console.words.value.orders;
  const state = useSignal<Asked['state']>('any');
  const [order, buyer] = [useSignal(''), useSignal('')];
  const list = useOrderList();
  useEffect(() => {
    void list.ask({ state: state.peek(), orderId: '', buyerId: '' });
    // Asked for once, and then by the form.
  }, []);
  const [orderId, buyerId] = [order.value.trim(), buyer.value.trim()];
  const unusable = isWrong(orderId) || isWrong(buyerId);
  const orders = list.orders.value;
  const units = orders.reduce((sum, order) => sum + order.lines.reduce((all, line) => all + line.quantity, 0), 0);
  const totalMinor = orders.reduce((sum, order) => sum + order.totalMinor, 0);
  const currency = orders[0]?.currency;
  return (
    <section class="sheet">
      <RefundsDue />
      <Refunds />
      <form
        class="tools"
        onSubmit={(event) => {
          event.preventDefault();
          if (!unusable) void list.ask({ state: state.value, orderId, buyerId });
        }}
      >
        <SelectField
          label={words.filter}
          value={state.value}
          options={{ any: words.anyState, ...words.state }}
          onPick={(next) => {
            state.value = next;
            if (!unusable) void list.ask({ state: next, orderId, buyerId });
          }}
        />
        <TextField
          label={words.orderId}
          value={order}
          type="search"
          placeholder={words.orderIdHint}
          invalid={isWrong(orderId)}
        />
        <TextField label={words.buyer} value={buyer} type="search" invalid={isWrong(buyerId)} />
        <button type="submit" class="small-button" aria-disabled={unusable}>
          {words.search}
        </button>
        <span class="spring" />
        <p class="totals">
          {words.loaded(orders.length, units)}
          {currency !== undefined && <b class="number">{console.price(totalMinor, currency)}</b>}
        </p>
      </form>
      <ErrorNote error={list.action.error.value} language={console.language.value} />
      <OrderTable orders={orders} onChanged={list.replace} />
      {orders.length === 0 && !list.action.busy.value && <p class="empty">{words.none}</p>}
      {list.more.value && (
        <button type="button" class="button button-quiet" onClick={() => void list.next()}>
          {list.action.busy.value ? console.words.value.loading : console.words.value.more}
        </button>
      )}
    </section>
  );
}

function useOrderList() {
  const console = useConsole();
  const orders = useSignal<readonly OrderForOperator[]>([]);
  const asked = useSignal<Asked>({ state: 'any', orderId: '', buyerId: '' });
  const more = useSignal(false);
  const action = useAction();
  const load = async (before: string | undefined): Promise<readonly OrderForOperator[] | null> => {
    const { state, orderId, buyerId } = asked.value;
    const query = { state: state === 'any' ? undefined : state, orderId, buyerId, before, limit: pageSize };
    const { api, livestreamId } = console;
    const answer = await action.run(() => api('listOrders', { livestreamId }, { query }));
    if (answer === null) return null;
    more.value = answer.orders.length === pageSize;
    return answer.orders;
  };
  return {
    orders,
    more,
    action,
    async ask(next: Asked): Promise<void> {
      asked.value = next;
      const page = await load(undefined);
      if (page !== null) orders.value = page;
    },
    async next(): Promise<void> {
      const page = await load(orders.value.at(-1)?.orderId);
      if (page !== null) orders.value = [...orders.value, ...page];
    },
    replace: ({ orderId, state }: Pick<OrderForOperator, 'orderId' | 'state'>): void => {
      const at = orders.value.findIndex((order) => order.orderId === orderId);
      const order = orders.value[at];
      if (order !== undefined) orders.value = orders.value.with(at, { ...order, state });
    },
  };
}

/** Money that arrived without units: nothing else on this page is as urgent. */
function RefundsDue() {
  const console = useConsole();
  const words = console.words.value.orders;
  const due = useSignal<readonly OrderForOperator[] | null>(null);
  const action = useAction();
  const look = async (): Promise<void> => {
    const { api, livestreamId } = console;
    const query = { refundDue: 'true', limit: 200 } as const;
    const answer = await action.run(() => api('listOrders', { livestreamId }, { query }));
    if (answer !== null) due.value = answer.orders;
  };
  useEffect(() => {
    void look();
    const timer = setInterval(() => void look(), 15_000);
    return () => clearInterval(timer);
  }, []);
  const orders = due.value;
  if (orders === null || orders.length === 0) {
    return (
      <div class="due due-none">
        <p>{orders === null ? console.words.value.loading : `✓ ${words.noRefundDue}`}</p>
        <ErrorNote error={action.error.value} language={console.language.value} />
      </div>
    );
  }
  const count = `${formatCount(orders.length, console.language.value)}${orders.length === 200 ? '+' : ''}`;
  return (
    <section class="due" aria-label={words.state.refund_due}>
      <h2>{words.refundDue(count)}</h2>
      <p>{words.refundDueText}</p>
      <OrderTable orders={orders} onChanged={() => void look()} />
    </section>
  );
}

function OrderTable({
  orders,
  onChanged,
}: {
  readonly orders: readonly OrderForOperator[];
  readonly onChanged: (order: Pick<OrderForOperator, 'orderId' | 'state'>) => void;
}) {
  const words = useConsole().words.value.orders;
  if (orders.length === 0) return null;
  return (
    <div class="table-scroll">
      <table class="orders-table">
        <thead>
          <tr>
            <th scope="col">{words.order}</th>
            <th scope="col">{words.time}</th>
            <th scope="col">{words.buyerColumn}</th>
            <th scope="col">{words.items}</th>
            <th scope="col" class="cell-number">
              {words.total}
            </th>
            <th scope="col">{words.filter}</th>
            <th scope="col">
              <span class="visually-hidden">{words.refund}</span>
            </th>
          </tr>
        </thead>
        <tbody>
          {orders.map((order) => (
            <OrderRow key={order.orderId} order={order} onChanged={onChanged} />
          ))}
        </tbody>
      </table>
    </div>
  );
}
