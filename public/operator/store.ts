import { computed, type ReadonlySignal, type Signal, signal } from '@preact/signals';
import { createContext } from 'preact';
import { useContext } from 'preact/hooks';
import type * as z from 'zod/mini';
import type { Alert, ItemPlanView, LivestreamPlan, Person, Supplier } from '../../contract/alerts.ts';
import { effectiveStatus } from '../../contract/levels.ts';
import type { ItemInfo } from '../../contract/livestreams.ts';
import { keepLanguage, type Language, localeOf, otherLanguage, textIn } from '../lib/languages.ts';
import { formatPrice } from '../lib/money.ts';
import type { StockcastClient } from '../lib/stockcast-client.ts';
import { type StockcastSignals, signalsOf } from '../lib/stockcast-signals.ts';
import { type AlertSignals, followAlerts } from './alert-signals.ts';
import { countsOf, type ItemCounts } from './item-counts.ts';
import type { LiveEvents } from './live-events.ts';
import type { OperatorApi } from './operator-api.ts';
import { followPace, type PaceSignals } from './pace-signals.ts';
import type { AlertSound } from './sound.ts';
import { type Words, wordsIn } from './words.ts';

export const tabs = ['wall', 'alerts', 'orders', 'tasks', 'people', 'show'] as const;
export type Tab = (typeof tabs)[number];

export type Toast = { readonly text: string; readonly tone: 'good' | 'bad'; readonly undo?: () => void };
export type OnCall = { readonly people: readonly Person[]; readonly suppliers: readonly Supplier[] };
export type Plans = {
  readonly livestream: z.infer<typeof LivestreamPlan>;
  readonly items: ReadonlyMap<string, ItemPlanView>;
};

const clockTickMs = 500;
const toastMs = 10_000;
/** Events carry every change; this is for one that was lost on the way. */
const recheckMs = 60_000;

/** State and verbs of the console for one livestream; components read its signals and call its functions. */
export type Console = StockcastSignals &
  AlertSignals &
  PaceSignals &
  ReturnType<typeof pageState> &
  Parts & {
    readonly words: ReadonlySignal<Words>;
    /** The server's clock, twice a second. */
    readonly nowMs: ReadonlySignal<number>;
    /** Age of the last frame; null before the first. */
    readonly lagMs: ReadonlySignal<number | null>;
    readonly plans: Signal<Plans | null>;
    readonly onCall: Signal<OnCall>;
    readonly toast: Signal<Toast | null>;
    itemOf(skuId: string): ItemInfo | undefined;
    nameOf(skuId: string): string;
    countsOf(item: ItemInfo): ItemCounts;
    price(amountMinor: number, currency: string): string;
    say(text: string, tone?: Toast['tone'], undo?: () => void): void;
    switchLanguage(): void;
    refreshPlans(): Promise<void>;
    refreshOnCall(): Promise<void>;
    /** Sound and speech about an alert that asks for action. */
    tell(alert: Alert): void;
  };

const ConsoleContext = createContext<Console | null>(null);
export const ConsoleProvider = ConsoleContext.Provider;

export function useConsole(): Console {
  const console = useContext(ConsoleContext);
  if (console === null) throw new Error('a part of the console was drawn outside of it');
  return console;
}

type Parts = {
  readonly client: StockcastClient;
  readonly events: LiveEvents;
  readonly api: OperatorApi;
  readonly livestreamId: string;
  readonly isAdmin: boolean;
  readonly language: Signal<Language>;
  readonly sound: AlertSound;
};

export function createConsole(parts: Parts): Console {
  const { client, events, api, livestreamId, language } = parts;
  const signals = signalsOf(client);
  const words = computed(() => wordsIn[language.value]);
  const nowMs = signal(client.serverNowMs());
  const lagMs = signal<number | null>(null);
  setInterval(() => {
    nowMs.value = client.serverNowMs();
    lagMs.value = events.heardAtMs === null ? null : performance.now() - events.heardAtMs;
  }, clockTickMs);
  const itemBySku = computed(() => new Map(signals.livestream.value?.items.map((item) => [item.skuId, item])));
  const alerts = followAlerts({ events, api, livestreamId, nowMs, onNews: (alert) => console.tell(alert) });
  const pace = followPace({ events, api, livestreamId });
  const plans = signal<Plans | null>(null);
  const onCall = signal<OnCall>({ people: [], suppliers: [] });
  const toast = signal<Toast | null>(null);
  let toastTimer: ReturnType<typeof setTimeout> | undefined;

  const console: Console = {
    ...signals,
    ...parts,
    ...alerts,
    ...pace,
    ...pageState(),
    words,
    nowMs,
    lagMs,
    plans,
    onCall,
    toast,
    itemOf: (skuId) => itemBySku.value.get(skuId),
    nameOf(skuId) {
      const item = itemBySku.value.get(skuId);
      return item === undefined ? skuId : itemName(item, language.value);
    },
    countsOf(item) {
      const counts = countsOf(signals.level(item.index).value);
      if (counts.status !== 'scheduled') return counts;
      return { ...counts, status: effectiveStatus('scheduled', counts.available > 0, item.opensAtMs, nowMs.value) };
    },
    price: (amountMinor, currency) => formatPrice(amountMinor, currency, localeOf[language.value]),
    say(text, tone = 'good', undo) {
      clearTimeout(toastTimer);
      toast.value = { text, tone, ...(undo === undefined ? {} : { undo }) };
      toastTimer = setTimeout(() => (toast.value = null), toastMs);
    },
    tell(alert) {
      parts.sound.play(alert.tier);
      const own = words.peek();
      const name = console.nameOf(alert.skuId);
      const [why] = alert.reasons;
      if (alert.tier === 'red') {
        console.assertive.value = own.alerts.newRed(name, why === undefined ? '' : textIn(language.peek(), why));
      } else {
        console.polite.value = own.alerts.newOther(own.tier[alert.tier], name);
      }
    },
    switchLanguage() {
      language.value = otherLanguage(language.value);
      keepLanguage(language.value);
    },
    async refreshPlans() {
      const answer = await api('getPlans', { livestreamId });
      if (!answer.ok) return;
      const items = new Map(answer.value.items.map((item) => [item.skuId, item]));
      plans.value = { livestream: answer.value.livestream, items };
    },
    async refreshOnCall() {
      const answer = await api('getOnCall', { livestreamId });
      if (answer.ok) onCall.value = answer.value;
    },
  };
  keepFresh(console);
  return console;
}

/** What the page itself remembers: where the operator is. */
const pageState = () => ({
  tab: signal<Tab>('wall'),
  openSku: signal<string | null>(null),
  chosenAlertId: signal<string | null>(null),
  historyOf: signal<string | null>(null),
  helpShown: signal(false),
  assertive: signal(''),
  polite: signal(''),
});

/** What was missed while the connection was away is asked for when it is back. */
function keepFresh(console: Console): void {
  let wasLive = false;
  console.connection.subscribe(({ kind }) => {
    const isLive = kind === 'live';
    const isBack = isLive && !wasLive;
    wasLive = isLive;
    if (!isBack) return;
    void console.refreshAlerts();
    void console.refreshPace();
    void console.refreshPlans();
    void console.refreshOnCall();
  });
  setInterval(() => {
    if (document.visibilityState === 'visible') void console.refreshAlerts();
  }, recheckMs);
}

export function itemName(item: Pick<ItemInfo, 'title' | 'spec'>, language: Language): string {
  const spec = item.spec.map(({ value }) => textIn(language, value)).join(' / ');
  return spec === '' ? textIn(language, item.title) : `${textIn(language, item.title)} ${spec}`;
}
