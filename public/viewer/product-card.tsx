import { useComputed, useSignal, useSignalEffect } from '@preact/signals';
import { useId } from 'preact/hooks';
import { anyShown } from '../../contract/levels.ts';
import type { ItemInfo } from '../../contract/livestreams.ts';
import { textIn } from '../lib/languages.ts';
import { BuyBox } from './buy-box.tsx';
import { UnitsLeftText } from './level-text.tsx';
import { SpecPicker } from './spec-picker.tsx';
import type { Product } from './specs.ts';
import { useViewer, type Viewer } from './store.ts';

/** One product with the SKU that the viewer has chosen of it. */
export function ProductCard({ product, pinned }: { product: Product; pinned: boolean }) {
  const viewer = useViewer();
  const titleId = useId();
  const { item, choose } = useChosenItem(viewer, product);
  const words = viewer.words.value;
  const status = viewer.statusOf(item);
  const over = status === 'sold_out' || status === 'stopped' || status === 'ended';
  const title = textIn(viewer.language.value, product.title);
  return (
    <article
      class={`card ${pinned ? 'card-pinned' : ''}`}
      data-status={status}
      data-product={product.productId}
      aria-labelledby={titleId}
    >
      {pinned && <span class="ribbon">{words.explaining}</span>}
      <Picture product={product} over={over} label={over ? words.status[status] : null} />
      <div class="card-body">
        <h3 class="card-title" id={titleId}>
          {title}
        </h3>
        <div class="card-facts">
          <span class="price number">{viewer.price(item.unitPriceMinor, item.currency)}</span>
          <UnitsLeftText item={item} />
        </div>
      </div>
      <div class="card-buy">
        {product.dimensions.length > 0 && <SpecPicker product={product} item={item} onChoose={choose} />}
        <BuyBox item={item} pinned={pinned} />
      </div>
    </article>
  );
}

/**
 * The first SKU that can be bought, taken once when levels are known, then the viewer's own choice. It never moves by itself when it
 * sells out: nobody shall buy red because black is gone.
 */
function useChosenItem(viewer: Viewer, product: Product): { item: ItemInfo; choose: (item: ItemInfo) => void } {
  const chosen = useSignal<string | null>(null);
  const byViewer = useSignal(false);
  const pinnedSkuId = useComputed(() => viewer.livestream.value?.pinnedSkuId ?? null);
  useSignalEffect(() => {
    const pinned = product.items.find(({ skuId }) => skuId === pinnedSkuId.value);
    if (byViewer.peek()) return;
    if (pinned !== undefined) {
      chosen.value = pinned.skuId;
      return;
    }
    if (chosen.peek() !== null || product.items.some((item) => viewer.level(item.index).value === undefined)) return;
    const sellable = product.items.find((item) => anyShown(viewer.level(item.index).peek()?.shown ?? 0));
    chosen.value = (sellable ?? product.items[0])?.skuId ?? null;
  });
  const item = product.items.find(({ skuId }) => skuId === chosen.value) ?? product.items[0];
  if (item === undefined) throw new Error('a product has one SKU at least');
  return {
    item,
    choose(next) {
      chosen.value = next.skuId;
      byViewer.value = true;
      viewer.attended.value = next.skuId;
    },
  };
}

function Picture({ product, over, label }: { product: Product; over: boolean; label: string | null }) {
  const viewer = useViewer();
  const broken = useSignal(false);
  const hue = Array.from(product.productId).reduce((sum, letter) => (sum * 31 + letter.charCodeAt(0)) % 6, 0);
  return (
    <div class="picture" data-over={over}>
      {product.imageUrl === null || broken.value ? (
        <div class="picture-none" data-hue={hue} aria-hidden="true">
          {Array.from(textIn(viewer.language.value, product.title))[0]}
        </div>
      ) : (
        <img src={product.imageUrl} alt="" loading="lazy" decoding="async" onError={() => (broken.value = true)} />
      )}
      {label !== null && <span class="picture-over">{label}</span>}
    </div>
  );
}
