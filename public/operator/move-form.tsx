import { type Signal, useSignal } from '@preact/signals';
import { useEffect, useRef } from 'preact/hooks';
import type { ItemInfo } from '../../contract/livestreams.ts';
import type { ItemPools, MoveUnits, StockPool } from '../../contract/pools.ts';
import { newIdempotencyKey } from '../lib/idempotency-keys.ts';
import { textIn } from '../lib/languages.ts';
import { ErrorNote, submitting, useAction } from './action.tsx';
import { SelectField, TextField } from './fields.tsx';
import { countOf } from './form-values.ts';
import { formatCount, formatMoment } from './format.ts';
import { useConsole } from './store.ts';

/** A pool as an option of a select. */
type PoolName = 'livestream' | 'unallotted' | `channel:${string}`;

const poolOf = (name: PoolName): StockPool =>
  name === 'livestream' || name === 'unallotted'
    ? { kind: name }
    : { kind: 'channel', channelId: name.slice('channel:'.length) };

const nameOf = (pool: StockPool): PoolName => (pool.kind === 'channel' ? `channel:${pool.channelId}` : pool.kind);

/** Units between the livestream's pool, the channels' and the unallotted ones; what is held or sold stays where it is. */
export function MoveForm({ item }: { item: ItemInfo }) {
  const console = useConsole();
  const words = console.words.value.move;
  const language = console.language.value;
  const pools = useSignal<ItemPools | null>(null);
  const [from, to] = [useSignal<PoolName>('unallotted'), useSignal<PoolName>('livestream')];
  const [quantity, reason] = [useSignal(''), useSignal('')];
  const [reading, moving] = [useAction(), useAction()];
  const transferIdOf = useTransferId();
  const { livestreamId } = console;
  const at = { livestreamId, skuId: item.skuId };
  const look = async (): Promise<void> => {
    const answer = await reading.run(() => console.api('getItemPools', at));
    if (answer !== null) pools.value = answer.pools;
  };
  useEffect(() => {
    void look();
  }, [item.skuId]);

  const counts = console.countsOf(item);
  const most = pools.value === null ? 0 : movableOf(pools.value, from.value, counts.available);
  const units = countOf(quantity.value, { min: 1 });
  const tooMany = units !== undefined && pools.value !== null && units > most;
  const unusable = units === undefined || tooMany || pools.value === null;
  const submit = async (): Promise<void> => {
    if (unusable) return;
    const sides = { from: poolOf(from.value), to: poolOf(to.value) };
    const move = { ...sides, quantity: units, reason: reason.value.trim() || words.reasonDefault };
    const body = { transferId: transferIdOf(move), ...move };
    const done = await moving.run(() => console.api('moveUnits', at, { body }));
    if (done === null) {
      void look();
      return;
    }
    quantity.value = '';
    reason.value = '';
    console.say(words.moved(formatCount(units, language)));
    void look();
    void console.refreshPlans();
  };
  const options = optionsOf(pools.value, words, (name) => textIn(language, name));
  const mostText = formatCount(most, language);
  return (
    <form class="box move" onSubmit={submitting(submit)}>
      <h3>{words.title}</h3>
      <Sides from={from} to={to} options={options} />
      <TextField
        label={words.quantity}
        value={quantity}
        numeric
        invalid={tooMany}
        hint={pools.value === null ? console.words.value.loading : words.most(mostText)}
      />
      <TextField label={console.words.value.reason} value={reason} maxLength={200} placeholder={words.reasonDefault} />
      <ErrorNote error={moving.error.value ?? reading.error.value} language={language} />
      <button type="submit" class="button button-buy" aria-disabled={unusable || moving.busy.value}>
        {moving.busy.value ? console.words.value.saving : words.submit}
      </button>
      {pools.value !== null && <PoolChanges pools={pools.value} />}
    </form>
  );
}

/** From and to: one side, and only one, is the livestream. */
function Sides({
  from,
  to,
  options,
}: {
  readonly from: Signal<PoolName>;
  readonly to: Signal<PoolName>;
  readonly options: Record<PoolName, string>;
}) {
  const words = useConsole().words.value.move;
  return (
    <div class="field-row">
      <SelectField
        label={words.from}
        value={from.value}
        options={options}
        onPick={(next) => {
          if (next === 'livestream') to.value = to.value === 'livestream' ? from.value : to.value;
          else to.value = 'livestream';
          from.value = next;
        }}
      />
      <SelectField
        label={words.to}
        value={to.value}
        options={options}
        onPick={(next) => {
          if (next === 'livestream') from.value = from.value === 'livestream' ? to.value : from.value;
          else from.value = 'livestream';
          to.value = next;
        }}
      />
    </div>
  );
}

/** The same move gets the same id until it has succeeded: after a lost answer the button may be pressed again. */
function useTransferId(): (move: Omit<MoveUnits, 'transferId'>) => string {
  const last = useRef({ move: '', transferId: '' });
  return (move) => {
    const text = JSON.stringify(move);
    if (last.current.move !== text) last.current = { move: text, transferId: newIdempotencyKey() };
    return last.current.transferId;
  };
}

function movableOf(pools: ItemPools, name: PoolName, available: number): number {
  if (name === 'livestream') return available;
  if (name === 'unallotted') return pools.unallotted;
  return pools.channels.find(({ channelId }) => name === `channel:${channelId}`)?.movable ?? 0;
}

function optionsOf(
  pools: ItemPools | null,
  words: { readonly livestream: string; readonly unallotted: string },
  text: (name: { zh: string; en: string }) => string,
): Record<PoolName, string> {
  const channels = pools?.channels.map(({ channelId, name }) => [`channel:${channelId}`, text(name)] as const) ?? [];
  return {
    livestream: words.livestream,
    unallotted: words.unallotted,
    ...(Object.fromEntries(channels) as Record<`channel:${string}`, string>),
  };
}

/** Every change of the livestream's pool, whoever made it, with both ends of a move. */
function PoolChanges({ pools }: { pools: ItemPools }) {
  const console = useConsole();
  const words = console.words.value.move;
  const language = console.language.value;
  const transfers = new Map(pools.transfers.map((transfer) => [transfer.transferId, transfer]));
  const options = optionsOf(pools, words, (name) => textIn(language, name));
  const end = (pool: StockPool): string => options[nameOf(pool)] ?? (pool.kind === 'channel' ? pool.channelId : '');
  return (
    <details class="markers">
      <summary>{words.changes}</summary>
      <ol class="history">
        {pools.changes.map(({ atMs, before, after, actor, reason, transferId }) => {
          const transfer = transfers.get(transferId ?? '');
          return (
            <li key={`${atMs} ${before} ${after}`}>
              <time class="number">{formatMoment(atMs, language)}</time>
              <span>
                <b class="number">
                  {formatCount(before, language)} → {formatCount(after, language)}
                </b>{' '}
                {transfer !== undefined && words.route(end(transfer.from), end(transfer.to))} {reason}{' '}
                <span class="quiet">{actor}</span>
              </span>
            </li>
          );
        })}
        {pools.changes.length === 0 && <li class="quiet">{words.noChanges}</li>}
      </ol>
    </details>
  );
}
