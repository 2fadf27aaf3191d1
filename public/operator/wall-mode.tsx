import type { ItemInfo } from '../../contract/livestreams.ts';
import { textIn } from '../lib/languages.ts';
import { LiveRegions, usePageTitle } from './app.tsx';
import { formatAge, formatCount, formatRate, formatSpan, formatTime } from './format.ts';
import { Facts } from './header.tsx';
import { Highlights } from './highlights.tsx';
import { TierBadge } from './icons.tsx';
import { Sparkline } from './item-row.tsx';
import { useOrder } from './standings.ts';
import { useConsole } from './store.ts';

const tilesMax = 12;
const alertsMax = 4;

/** For a big screen that nobody touches: the twelve most urgent items, large. */
export function WallMode() {
  const console = useConsole();
  usePageTitle(console);
  const words = console.words.value;
  const language = console.language.value;
  const livestream = console.livestream.value;
  const { order } = useOrder(console, { sorting: 'urgency', filter: 'all', search: '' });
  const items = order.value.slice(0, tilesMax).flatMap((skuId) => console.itemOf(skuId) ?? []);
  const sold = (livestream?.items ?? []).reduce((sum, item) => sum + console.countsOf(item).sold, 0);
  return (
    <div class="big">
      <header class="big-head">
        {livestream !== null && (
          <span class="state-tag" data-state={livestream.state}>
            {words.state[livestream.state]}
          </span>
        )}
        <h1>{livestream === null ? words.pageTitle : textIn(language, livestream.title)}</h1>
        <span class="big-sum">
          {words.bigScreen.orders} <b class="number">{formatCount(sold, language)}</b>
        </span>
        <Facts />
        <time class="big-clock number">{formatTime(console.nowMs.value, language)}</time>
      </header>
      <main>
        <Highlights />
        <div class="tiles">
          {items.map((item) => (
            <Tile key={item.skuId} item={item} />
          ))}
        </div>
        <BigAlerts />
      </main>
      <LiveRegions />
    </div>
  );
}

function Tile({ item }: { item: ItemInfo }) {
  const console = useConsole();
  const words = console.words.value;
  const language = console.language.value;
  const { available, sold, status } = console.countsOf(item);
  const pace = console.paceOf(item.skuId);
  const tier = console.tiers.value.get(item.skuId);
  const selling = status === 'on_sale';
  return (
    <article class="tile" data-sku={item.skuId} data-tier={tier} data-status={status}>
      <h2>{console.nameOf(item.skuId)}</h2>
      <div class="tile-tags">
        <span class="status" data-status={status}>
          {words.status[status]}
        </span>
        {tier !== undefined && <TierBadge tier={tier} text={words.tier[tier]} big />}
      </div>
      <p class="tile-available number">
        <span class="visually-hidden">{words.bigScreen.available} </span>
        {status === 'loading' ? '—' : formatCount(available, language)}
      </p>
      <Sparkline skuId={item.skuId} tier={tier} />
      <dl class="tile-facts">
        <div>
          <dt>{words.bigScreen.sold}</dt>
          <dd class="number">{formatCount(sold, language)}</dd>
        </div>
        <div>
          <dt>{words.wall.pace}</dt>
          <dd class="number">{formatRate(pace?.velocity?.perMinute ?? null, language)}</dd>
        </div>
        <div>
          <dt>{words.wall.sellOut}</dt>
          <dd class="number">{formatSpan(selling ? (pace?.sellOutInMs?.expected ?? null) : null)}</dd>
        </div>
      </dl>
    </article>
  );
}

function BigAlerts() {
  const console = useConsole();
  const words = console.words.value;
  const queue = console.queue.value.slice(0, alertsMax);
  return (
    <section class="big-alerts" aria-label={words.bigScreen.alerts}>
      {queue.length === 0 && <p class="quiet">✓ {words.bigScreen.noAlerts}</p>}
      {queue.map((alert) => (
        <p key={alert.alertId} class="big-alert" data-tier={alert.tier} data-state={alert.state}>
          <TierBadge tier={alert.tier} text={words.tier[alert.tier]} big />
          <b>{console.nameOf(alert.skuId)}</b>
          <span>{words.basis[alert.basis]}</span>
          <span class="number">{formatAge(console.nowMs.value - alert.tierRaisedAtMs, console.language.value)}</span>
          {alert.state === 'acknowledged' && <span>✓</span>}
        </p>
      ))}
    </section>
  );
}
