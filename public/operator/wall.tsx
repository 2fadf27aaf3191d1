import { useSignal } from '@preact/signals';
import { SelectField } from './fields.tsx';
import { formatCount } from './format.ts';
import { Highlights } from './highlights.tsx';
import { ItemRow } from './item-row.tsx';
import { useOrder } from './standings.ts';
import { useConsole } from './store.ts';
import { type Sorting, type WallFilter, wallFilters } from './urgency.ts';

/** All items of the livestream, most urgent first. */
export function Wall() {
  const console = useConsole();
  const words = console.words.value.wall;
  const sorting = useSignal<Sorting>('urgency');
  const filter = useSignal<WallFilter>('all');
  const search = useSignal('');
  const { order, use } = useOrder(console, {
    sorting: sorting.value,
    filter: filter.value,
    search: search.value,
  });
  const items = order.value.flatMap((skuId) => console.itemOf(skuId) ?? []);
  const none = console.livestream.value?.items.length === 0;
  return (
    <section class="wall" aria-label={console.words.value.tabs.wall}>
      <Highlights />
      <div class="wall-tools">
        <input
          type="search"
          class="search"
          aria-label={words.search}
          placeholder={`${words.search}  /`}
          value={search.value}
          onInput={({ currentTarget }) => (search.value = currentTarget.value)}
        />
        <div class="chips" role="group" aria-label={console.words.value.orders.filter}>
          {wallFilters.map((each) => (
            <button
              key={each}
              type="button"
              class="chip"
              aria-pressed={filter.value === each}
              onClick={() => (filter.value = each)}
            >
              {words.filter[each]}
            </button>
          ))}
        </div>
        <SelectField
          label={words.sortBy}
          value={sorting.value}
          options={words.sorting}
          onPick={(next) => (sorting.value = next)}
        />
      </div>
      <div class="table-scroll">
        <table class="wall-table" onPointerMove={use} onKeyDown={use}>
          <WallHead />
          <tbody>
            {items.map((item) => (
              <ItemRow key={item.skuId} item={item} />
            ))}
          </tbody>
        </table>
      </div>
      {items.length === 0 && console.livestream.value !== null && (
        <p class="empty">{none ? words.noItems : words.nothing}</p>
      )}
      <Totals />
    </section>
  );
}

function WallHead() {
  const words = useConsole().words.value.wall;
  return (
    <thead>
      <tr>
        <th class="cell-picture">
          <span class="visually-hidden">{words.item}</span>
        </th>
        <th scope="col" class="cell-name">
          {words.item}
        </th>
        <th scope="col" class="cell-status">
          {words.status}
        </th>
        <th scope="col" class="cell-number cell-available">
          {words.available}
        </th>
        <th scope="col" class="cell-number cell-held">
          {words.held}
        </th>
        <th scope="col" class="cell-number cell-sold">
          {words.sold}
        </th>
        <th scope="col" class="cell-number cell-pace">
          {words.pace}
        </th>
        <th scope="col" class="cell-number cell-sellout">
          {words.sellOut}
        </th>
        <th scope="col" class="cell-number cell-need" title={words.needHelp}>
          {words.need}
        </th>
        <th scope="col" class="cell-tier">
          {words.tier}
        </th>
        <th scope="col" class="cell-curve">
          {words.curve}
        </th>
        <th scope="col" class="cell-action">
          {words.action}
        </th>
      </tr>
    </thead>
  );
}

function Totals() {
  const console = useConsole();
  const words = console.words.value.wall;
  const language = console.language.value;
  const sums = { available: 0, held: 0, sold: 0 };
  let revenueMinor = 0;
  const items = console.livestream.value?.items ?? [];
  for (const item of items) {
    const { available, held, sold } = console.countsOf(item);
    sums.available += available;
    sums.held += held;
    sums.sold += sold;
    revenueMinor += sold * item.unitPriceMinor;
  }
  const currency = items[0]?.currency;
  return (
    <p class="totals">
      <span>{words.total}</span>
      {(['available', 'held', 'sold'] as const).map((name) => (
        <span key={name}>
          {words[name]} <b class="number">{formatCount(sums[name], language)}</b>
        </span>
      ))}
      {currency !== undefined && <b class="number">{console.price(revenueMinor, currency)}</b>}
    </p>
  );
}
