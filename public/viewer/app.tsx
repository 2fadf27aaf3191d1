import { useComputed } from '@preact/signals';
import { useEffect } from 'preact/hooks';
import { textIn } from '../lib/languages.ts';
import { Header } from './header.tsx';
import { OrderList } from './order-list.tsx';
import { OrdersBar } from './orders-bar.tsx';
import { ProductCard } from './product-card.tsx';
import { SheetView } from './sheet.tsx';
import { groupByProduct } from './specs.ts';
import { useViewer } from './store.ts';

export function App() {
  const viewer = useViewer();
  const words = viewer.words.value;
  const products = useComputed(() => groupByProduct(viewer.livestream.value?.items ?? [])).value;
  const livestream = viewer.livestream.value;
  const pinned = products.find(({ items }) => items.some(({ skuId }) => skuId === livestream?.pinnedSkuId));
  const others = products.filter((product) => product !== pinned);
  const title = livestream === null ? words.pageTitle : textIn(viewer.language.value, livestream.title);
  useEffect(() => {
    document.title = title;
  }, [title]);

  return (
    <>
      <Header />
      <div class="layout">
        <main class="goods">
          <Notices />
          {pinned !== undefined && <ProductCard key={pinned.productId} product={pinned} pinned />}
          <h2 class={pinned === undefined ? 'visually-hidden' : 'section-title'}>{words.items}</h2>
          {livestream === null && <Skeleton />}
          {livestream !== null && products.length === 0 && <p class="empty">{words.noItems}</p>}
          <div class="cards">
            {others.map((product) => (
              <ProductCard key={product.productId} product={product} pinned={false} />
            ))}
          </div>
        </main>
        <aside class="side" aria-label={words.myOrders}>
          <h2 class="section-title">{words.myOrders}</h2>
          <OrderList />
        </aside>
      </div>
      <OrdersBar />
      <SheetView />
      <div class="visually-hidden" role="status" aria-live="polite">
        {viewer.announcement}
      </div>
    </>
  );
}

function Notices() {
  const viewer = useViewer();
  const words = viewer.words.value;
  const connection = viewer.connection.value;
  const notice = viewer.notice.value;
  return (
    <>
      {connection.kind === 'refused' && (
        <div class="notice notice-bad" role="alert">
          <p>{textIn(viewer.language.value, connection.error.message)}</p>
          <p>{words.advice[connection.error.code]}</p>
          <button type="button" class="button button-quiet" onClick={() => location.reload()}>
            {words.reload}
          </button>
        </div>
      )}
      {connection.kind === 'live' && connection.stale && <p class="notice notice-warn">{words.staleHelp}</p>}
      {viewer.livestream.value?.state === 'ended' && <p class="notice">{words.overText}</p>}
      {notice !== null && <p class="notice">{notice}</p>}
    </>
  );
}

function Skeleton() {
  return (
    <div class="cards" aria-hidden="true">
      <div class="card skeleton" />
      <div class="card skeleton" />
    </div>
  );
}
