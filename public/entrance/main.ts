import type { LivestreamInfo } from '../../contract/livestreams.ts';
import { createHttpApi, requestJson } from '../lib/http-api.ts';
import { type Language, localeOf, textIn } from '../lib/languages.ts';
import { element, startLanguages } from '../lib/static-page.ts';

const words = {
  zh: {
    none: '现在没有公开的直播。通过接口创建一场，或以演示模式启动。',
    unreachable: '暂时连不上服务器，正在自动重试。',
    states: { draft: '草稿', scheduled: '即将开播', live: '直播中', ended: '已结束' },
    items: (count: number) => `${count} 个商品规格`,
    starts: (when: string) => `${when} 开播`,
    enter: '进入直播间',
    replay: '重放真实的一天',
    replayText: '用一家真实店铺一天的订单驱动演示直播间，观察库存实时变化。',
    replaying: '正在重放，打开直播间看看。',
  },
  en: {
    none: 'There is no public livestream just now. Create one through the API, or start in demo mode.',
    unreachable: 'The server cannot be reached; trying again by itself.',
    states: { draft: 'Draft', scheduled: 'Starts soon', live: 'Live', ended: 'Ended' },
    items: (count: number) => `${count} options on sale`,
    starts: (when: string) => `starts ${when}`,
    enter: 'Enter',
    replay: 'Replay a real day',
    replayText: "Drives the demo livestream with one real shop's orders of a day, so that its stock moves.",
    replaying: 'Replay is running: open the livestream and watch.',
  },
} satisfies Record<Language, object>;

const replayUrl = '/demo/api/replay';
const retryMs = 4_000;
const api = createHttpApi();
let livestreams: readonly LivestreamInfo[] | 'loading' | 'unreachable' = 'loading';
/** null: this server has no demo. */
let replaying: boolean | null = null;

const page = startLanguages({ zh: 'Stockcast 直播库存', en: 'Stockcast: live stock' }, draw);

async function load(): Promise<void> {
  const listed = await api.listLivestreams();
  livestreams = listed.ok ? listed.value : 'unreachable';
  draw(page.language());
  if (!listed.ok) setTimeout(() => void load(), retryMs);
}

async function askForReplay(method: 'GET' | 'POST'): Promise<void> {
  const answer = await requestJson(replayUrl, { method, timeoutMs: 8_000 });
  replaying = answer.ok ? (answer.value as { running?: unknown }).running === true : null;
  draw(page.language());
}

function draw(language: Language): void {
  const own = words[language];
  const list = document.querySelector('#livestreams');
  if (list === null || livestreams === 'loading') return;
  const sentence = livestreams === 'unreachable' ? own.unreachable : livestreams.length === 0 ? own.none : null;
  const cards = typeof livestreams === 'string' ? [] : livestreams.map((each) => livestreamCard(each, language));
  list.replaceChildren(...(sentence === null ? cards : [element('p', { class: 'quiet' }, sentence)]));
  document.querySelector('#replay')?.replaceChildren(...replayBox(language));
}

function livestreamCard(livestream: LivestreamInfo, language: Language): HTMLElement {
  const own = words[language];
  const { livestreamId, state, scheduledAtMs, items, title } = livestream;
  const facts = [
    own.items(items.length),
    ...(state === 'scheduled' && scheduledAtMs !== null ? [own.starts(momentText(scheduledAtMs, language))] : []),
  ];
  return element(
    'article',
    { class: 'livestream' },
    element('span', { class: 'state', 'data-state': state }, own.states[state]),
    element('h3', {}, textIn(language, title)),
    element('p', { class: 'quiet' }, facts.join(' · ')),
    element(
      'a',
      { class: 'button button-buy', href: `/viewer/?livestream=${encodeURIComponent(livestreamId)}` },
      own.enter,
    ),
  );
}

function replayBox(language: Language): HTMLElement[] {
  const own = words[language];
  if (replaying === null) return [];
  if (replaying) return [element('p', { class: 'replay quiet', role: 'status' }, own.replaying)];
  const button = element('button', { type: 'button', class: 'button button-quiet' }, own.replay);
  button.addEventListener('click', () => void askForReplay('POST'), { once: true });
  return [element('div', { class: 'replay' }, element('p', { class: 'quiet' }, own.replayText), button)];
}

function momentText(atMs: number, language: Language): string {
  const format = new Intl.DateTimeFormat(localeOf[language], { dateStyle: 'medium', timeStyle: 'short' });
  return format.format(atMs);
}

void load();
void askForReplay('GET');
