import { useSignal } from '@preact/signals';
import type { ItemInfo } from '../../contract/livestreams.ts';
import { ErrorNote, submitting, useAction } from './action.tsx';
import { TextField } from './fields.tsx';
import { countOf } from './form-values.ts';
import { formatCount } from './format.ts';
import { allottedMin, allottedOf } from './item-counts.ts';
import type { AnswerOf } from './operator-api.ts';
import { useConsole } from './store.ts';

const steps = [10, 50, 100] as const;

/** The livestream's pool as an absolute number, never below what is held or sold (A5). */
export function AllotForm({ item }: { item: ItemInfo }) {
  const console = useConsole();
  const words = console.words.value.panel;
  const language = console.language.value;
  const counts = console.countsOf(item);
  const [now, min] = [allottedOf(counts), allottedMin(counts)];
  const allotted = useSignal('');
  const reason = useSignal('');
  const action = useAction();
  const wanted = countOf(allotted.value);
  const tooSmall = wanted !== undefined && wanted < min;
  const unusable = wanted === undefined || tooSmall;
  const submit = async (): Promise<void> => {
    if (unusable) return;
    const { api, livestreamId } = console;
    const body = { allotted: wanted, reason: reason.value.trim() || words.allotReasonDefault };
    const done = await action.run(() => api('allotItem', { livestreamId, skuId: item.skuId }, { body }));
    if (done === null) return;
    allotted.value = '';
    reason.value = '';
    console.say(console.words.value.saved);
    // Which tiers can still fire follows from the stock.
    void console.refreshPlans();
  };
  return (
    <form class="box" onSubmit={submitting(submit)}>
      <h3>{words.allot}</h3>
      <TextField
        label={words.allotted}
        value={allotted}
        numeric
        placeholder={words.allotNow(formatCount(now, language))}
        invalid={tooSmall}
        hint={tooSmall ? words.allotTooSmall(formatCount(min, language)) : words.allotMin(formatCount(min, language))}
      />
      <div class="chips">
        {steps.map((step) => (
          <button
            key={step}
            type="button"
            class="chip"
            onClick={() => (allotted.value = String((countOf(allotted.value) ?? now) + step))}
          >
            {words.add(step)}
          </button>
        ))}
      </div>
      <TextField label={words.allotReason} value={reason} maxLength={200} placeholder={words.allotReasonDefault} />
      <ErrorNote error={action.error.value} language={language} />
      <button type="submit" class="button button-buy" aria-disabled={unusable || action.busy.value}>
        {action.busy.value ? console.words.value.saving : words.allot}
      </button>
      {console.isAdmin && <UnitsElsewhere skuId={item.skuId} />}
    </form>
  );
}

/** Warehouses and other pools of this SKU: where units for a restock can come from. */
function UnitsElsewhere({ skuId }: { skuId: string }) {
  const console = useConsole();
  const words = console.words.value.panel;
  const found = useSignal<AnswerOf<'getSkuStock'>['stock'] | null>(null);
  const action = useAction();
  const look = async (): Promise<void> => {
    const answer = await action.run(() => console.api('getSkuStock', { skuId }));
    if (answer !== null) found.value = answer.stock;
  };
  const stock = found.value;
  return (
    <details class="markers" onToggle={({ currentTarget }) => currentTarget.open && void look()}>
      <summary>{words.whereUnits}</summary>
      <ErrorNote error={action.error.value} language={console.language.value} />
      {stock !== null && (
        <dl class="facts">
          <Fact label={words.sellable} value={stock.sellable} />
          <Fact label={words.unallotted} value={stock.unallotted} />
          {stock.warehouses.map(({ warehouseId, onHand, reserved }) => (
            <Fact
              key={warehouseId}
              label={`${words.warehouses} ${warehouseId}`}
              value={onHand}
              note={`${words.reserved} ${reserved}`}
            />
          ))}
          {stock.livestreams.map(({ livestreamId, allotted }) => (
            <Fact key={livestreamId} label={`${words.livestreams} ${livestreamId}`} value={allotted} />
          ))}
          {stock.channels.map(({ channelId, allotted }) => (
            <Fact key={channelId} label={`${words.channels} ${channelId}`} value={allotted} />
          ))}
        </dl>
      )}
    </details>
  );
}

const Fact = ({ label, value, note }: { label: string; value: number; note?: string }) => (
  <div>
    <dt>{label}</dt>
    <dd class="number">
      {value} {note !== undefined && <span class="quiet">({note})</span>}
    </dd>
  </div>
);
