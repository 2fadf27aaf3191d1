import { useComputed, useSignal } from '@preact/signals';
import { useId } from 'preact/hooks';
import type { ItemInfo } from '../../contract/livestreams.ts';
import { clockText } from './countdown.ts';
import { InfoIcon } from './icons.tsx';
import { countedUnits, quantityMax } from './purchase-limits.ts';
import { type ShownStatus, useViewer, type Viewer } from './store.ts';

/** Quantity, limits and the button of one SKU. */
export function BuyBox({ item, pinned }: { item: ItemInfo; pinned: boolean }) {
  const viewer = useViewer();
  const words = viewer.words.value;
  const wanted = useSignal(1);
  const hintId = useId();
  const counted = useComputed(() => countedUnits(viewer.orders.value, item.skuId));
  const status = viewer.statusOf(item);
  const shown = viewer.level(item.index).value?.shown ?? 0;
  // Before the sale opens the number shown is no reason to keep anybody from choosing a quantity.
  const most = quantityMax(item.limits, counted.value, status === 'on_sale' ? shown : '1+');
  const quantity = Math.max(1, Math.min(wanted.value, most));
  const limits = hintTexts(viewer, { item, counted: counted.value, pinned });
  const limitReached = status === 'on_sale' && most === 0;
  const canBuy = status === 'on_sale' && !limitReached;
  const buy = (): void => {
    viewer.attended.value = item.skuId;
    if (canBuy) void viewer.buy(item, quantity);
  };
  return (
    <div class="buy">
      {limits !== '' && (
        <p class="limits" id={hintId}>
          <InfoIcon />
          {limits}
        </p>
      )}
      <div class="buy-row">
        <Stepper
          quantity={quantity}
          most={most}
          isUsed={canBuy || status === 'scheduled'}
          onChange={(next) => (wanted.value = next)}
        />
        <button
          type="button"
          class={`button button-buy ${status === 'scheduled' ? 'button-opens' : ''}`}
          aria-disabled={!canBuy}
          aria-label={canBuy ? words.buyNamed(viewer.nameOf(item.skuId)) : undefined}
          aria-describedby={limits === '' ? undefined : hintId}
          onClick={buy}
        >
          <ButtonText status={status} limitReached={limitReached} item={item} />
        </button>
      </div>
    </div>
  );
}

function ButtonText({ status, limitReached, item }: { status: ShownStatus; limitReached: boolean; item: ItemInfo }) {
  const viewer = useViewer();
  const words = viewer.words.value;
  if (limitReached) return <>{words.limitReached}</>;
  switch (status) {
    case 'loading':
      return <>{words.loading}</>;
    case 'on_sale':
      return <>{words.buy}</>;
    case 'scheduled':
      return <span class="number">{words.opensIn(clockText(item.opensAtMs - viewer.nowMs.value))}</span>;
    default:
      return <>{words.status[status]}</>;
  }
}

/** Keeps its place while nobody can use it: the button beside it must not move under a thumb when an item sells out. */
function Stepper({
  quantity,
  most,
  isUsed,
  onChange,
}: {
  quantity: number;
  most: number;
  isUsed: boolean;
  onChange: (next: number) => void;
}) {
  const words = useViewer().words.value;
  return (
    <div class={isUsed ? 'stepper' : 'stepper stepper-unused'} role="group" aria-label={words.quantity}>
      <button
        type="button"
        aria-label={words.less}
        aria-disabled={quantity <= 1}
        onClick={() => quantity > 1 && onChange(quantity - 1)}
      >
        −
      </button>
      <output class="number">{quantity}</output>
      <button
        type="button"
        aria-label={words.more}
        aria-disabled={quantity >= most}
        onClick={() => quantity < most && onChange(quantity + 1)}
      >
        +
      </button>
    </div>
  );
}

/** Limits, and on the pinned card for how long an order is kept. */
function hintTexts(
  viewer: Viewer,
  { item, counted, pinned }: { item: ItemInfo; counted: number; pinned: boolean },
): string {
  const words = viewer.words.value;
  const { limits, salePolicy } = item;
  const holdTtlMs = viewer.livestream.value?.holdTtlMs;
  const kept = pinned && holdTtlMs !== undefined && salePolicy.kind === 'deduct_on_order';
  return [
    limits.perOrder === null ? null : words.perOrder(limits.perOrder),
    limits.perBuyer === null ? null : words.perBuyer(limits.perBuyer, counted),
    limits.perDevice === null ? null : words.perDevice(limits.perDevice),
    kept ? words.holdHint(Math.max(1, Math.round(holdTtlMs / 60_000))) : null,
  ]
    .filter((text) => text !== null)
    .join(' · ');
}
