import { useSignal } from '@preact/signals';
import { useEffect } from 'preact/hooks';
import type { RefundRequest, RefundState } from '../../contract/orders.ts';
import { ErrorNote, useAction } from './action.tsx';
import { formatMoment } from './format.ts';
import { useConsole } from './store.ts';

const shownMax = 100;
/** States that ask somebody for something; the others are on their way or done. */
const asking: ReadonlySet<RefundState> = new Set(['failed', 'manual']);

/** Whether money that goes back has arrived: what failed or has nobody to ask stands first, with what to do about it. */
export function Refunds() {
  const console = useConsole();
  const words = console.words.value.refunds;
  const found = useSignal<readonly RefundRequest[] | null>(null);
  const action = useAction();
  const look = async (): Promise<void> => {
    const { api, livestreamId } = console;
    const answer = await action.run(() => api('listRefunds', { livestreamId }, { query: { limit: shownMax } }));
    if (answer !== null) found.value = answer.refunds;
  };
  useEffect(() => {
    void look();
    const timer = setInterval(() => void look(), 5_000);
    return () => clearInterval(timer);
  }, []);
  const refunds = found.value ?? [];
  if (refunds.length === 0) return <ErrorNote error={action.error.value} language={console.language.value} />;
  const urgent = refunds.filter(({ state }) => asking.has(state));
  const others = refunds.filter(({ state }) => !asking.has(state));
  return (
    <section class="refunds" aria-label={words.title}>
      <ErrorNote error={action.error.value} language={console.language.value} />
      {urgent.length > 0 && (
        <div class="due">
          <h2>{words.urgent(urgent.length)}</h2>
          <RefundTable refunds={urgent} onChanged={look} />
        </div>
      )}
      {others.length > 0 && (
        <details class="markers">
          <summary>{words.others(others.length)}</summary>
          <RefundTable refunds={others} onChanged={look} />
        </details>
      )}
    </section>
  );
}

function RefundTable({
  refunds,
  onChanged,
}: {
  readonly refunds: readonly RefundRequest[];
  readonly onChanged: () => Promise<void>;
}) {
  const words = useConsole().words.value;
  return (
    <div class="table-scroll">
      <table class="orders-table">
        <thead>
          <tr>
            <th scope="col">{words.orders.order}</th>
            <th scope="col">{words.orders.time}</th>
            <th scope="col" class="cell-number">
              {words.orders.total}
            </th>
            <th scope="col">{words.reason}</th>
            <th scope="col">{words.refunds.state}</th>
            <th scope="col">
              <span class="visually-hidden">{words.wall.action}</span>
            </th>
          </tr>
        </thead>
        <tbody>
          {refunds.map((refund) => (
            <RefundRow key={refund.refundId} refund={refund} onChanged={onChanged} />
          ))}
        </tbody>
      </table>
    </div>
  );
}

function RefundRow({ refund, onChanged }: { refund: RefundRequest; onChanged: () => Promise<void> }) {
  const console = useConsole();
  const words = console.words.value.refunds;
  const language = console.language.value;
  const action = useAction();
  const { refundId, orderId, state, error, attempts, nextAttemptAtMs } = refund;
  const decide = async (verb: 'retry' | 'settle'): Promise<void> => {
    const at = { livestreamId: console.livestreamId, refundId };
    const done = await action.run(() => console.api('changeRefund', at, { body: { action: verb } }));
    if (done !== null) await onChanged();
  };
  return (
    <tr data-refund={refundId} data-state={state}>
      <td class="cell-id">{orderId}</td>
      <td class="number">{formatMoment(refund.createdAtMs, language)}</td>
      <td class="cell-number">{console.price(refund.amountMinor, refund.currency)}</td>
      <td>{refund.reason}</td>
      <td>
        <span class="order-state" data-state={state}>
          {words.states[state]}
        </span>
        {state === 'pending' && attempts > 0 && nextAttemptAtMs !== null && (
          <span class="quiet refund-note">{words.nextAttempt(attempts, formatMoment(nextAttemptAtMs, language))}</span>
        )}
        {error !== null && <span class="quiet refund-note">{error}</span>}
        <ErrorNote error={action.error.value} language={language} />
      </td>
      <td class="cell-action">
        {(asking.has(state) || state === 'delivered') && (
          <>
            <button
              type="button"
              class="small-button"
              aria-disabled={action.busy.value}
              onClick={() => void decide('retry')}
            >
              {words.retry}
            </button>{' '}
            <button
              type="button"
              class="small-button"
              aria-disabled={action.busy.value}
              onClick={() => void decide('settle')}
            >
              {words.settle}
            </button>
          </>
        )}
      </td>
    </tr>
  );
}
