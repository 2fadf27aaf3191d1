import { useSignal } from '@preact/signals';
import type { ItemInfo } from '../../contract/livestreams.ts';
import { changeSale, saleActionOf } from './sale-verbs.ts';
import { useConsole } from './store.ts';

export function SaleButton({ item }: { item: ItemInfo }) {
  const console = useConsole();
  const busy = useSignal(false);
  const words = console.words.value;
  const action = saleActionOf(item);
  if (action === null) return null;
  const press = async (): Promise<void> => {
    if (busy.value) return;
    busy.value = true;
    await changeSale(console, item.skuId, action);
    busy.value = false;
  };
  return (
    <button
      type="button"
      class="small-button"
      data-action={action}
      aria-label={`${words.sale[action]} ${console.nameOf(item.skuId)}`}
      aria-disabled={busy.value}
      onClick={(event) => {
        // The row behind it opens the item.
        event.stopPropagation();
        void press();
      }}
    >
      {words.sale[action]}
    </button>
  );
}
