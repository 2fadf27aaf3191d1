import { routes } from '../../contract/routes.ts';
import type { ApiClient } from '../lib/api-client.ts';
import { buildStage, type StageItem } from '../lib/stage.ts';
import type { Allotment } from './history.ts';

export type Buyer = { readonly buyerId: string; readonly deviceId: string | null; readonly token: string };

export type ShowItem = StageItem & {
  /** Units expected to be consumed; null: no alerts on consumption. */
  readonly estimate: number | null;
  readonly perBuyer: number | null;
};

/** One livestream of a round, on sale, with everybody's tokens. */
export type Show = {
  readonly livestreamId: string;
  readonly holdTtlMs: number;
  readonly items: readonly ShowItem[];
  readonly buyers: readonly Buyer[];
  readonly operatorToken: string;
};

type Template = {
  readonly name: string;
  readonly holdTtlMs: number;
  readonly items: readonly (Pick<ShowItem, 'estimate' | 'perBuyer' | 'allotted'> & {
    readonly name: string;
    readonly salePolicy?: ShowItem['salePolicy'];
  })[];
};

/** Short holds that expire all the time, long ones that do not, and every policy; some items are always scarce, some never. */
const templates: readonly Template[] = [
  {
    name: 'quick',
    holdTtlMs: 3_000,
    items: [
      { name: 'scarce', allotted: 12, estimate: 20, perBuyer: null },
      { name: 'plenty', allotted: 4_000, estimate: 60, perBuyer: null },
      { name: 'limited', allotted: 300, estimate: null, perBuyer: 3 },
      { name: 'paid', allotted: 30, estimate: null, perBuyer: null, salePolicy: { kind: 'deduct_on_payment' } },
    ],
  },
  {
    name: 'mixed',
    holdTtlMs: 5_000,
    items: [
      { name: 'scarce', allotted: 20, estimate: 25, perBuyer: null },
      {
        name: 'below',
        allotted: 40,
        estimate: null,
        perBuyer: null,
        salePolicy: { kind: 'hold_below', threshold: 12 },
      },
      { name: 'plenty', allotted: 4_000, estimate: null, perBuyer: 40 },
    ],
  },
  {
    name: 'long',
    holdTtlMs: 600_000,
    items: [
      { name: 'scarce', allotted: 25, estimate: 30, perBuyer: null },
      { name: 'limited', allotted: 400, estimate: 100, perBuyer: 2 },
    ],
  },
];

const buyersOfShow = 30;
const onHand = 1_000_000;

/** Creates the livestreams of a round through the API and records what was allotted. */
export async function openShows(options: {
  readonly api: ApiClient;
  readonly adminToken: string;
  readonly round: string;
  readonly tokenOf: (grant: { livestreamId: string; buyerId: string; deviceId: string | null }) => Promise<string>;
  readonly allotments: Allotment[];
  readonly now: () => number;
}): Promise<Show[]> {
  return Promise.all(templates.map((template) => openShow(options, template)));
}

async function openShow(options: Parameters<typeof openShows>[0], template: Template): Promise<Show> {
  const { api, adminToken, round, allotments, now } = options;
  const livestreamId = `${round}-${template.name}`;
  const items = template.items.map((item) => ({
    ...item,
    skuId: `${livestreamId}-${item.name}`,
    title: item.name,
    priceMinor: 1_000,
    currency: 'CNY',
    limits: { perOrder: null, perBuyer: item.perBuyer, perDevice: null },
  }));
  const invokedAtMs = now();
  const stage = await buildStage(api, adminToken, {
    livestreamId,
    title: livestreamId,
    holdTtlMs: template.holdTtlMs,
    items,
    onHand,
  });
  const outcome = { kind: 'done' } as const;
  for (const { skuId, allotted } of items) {
    allotments.push({
      livestreamId,
      skuId,
      allotted,
      exchanges: [{ node: 'stage', invokedAtMs, returnedAtMs: now(), outcome }],
    });
  }
  const { operatorToken } = stage;
  for (const { skuId, estimate } of items) {
    const params = { livestreamId, skuId };
    if (estimate !== null) await api.need(routes.putPlan, { token: operatorToken, params, body: { estimate } });
  }
  const buyers = await Promise.all(
    Array.from({ length: buyersOfShow }, async (_, index) => {
      const grant = { livestreamId, buyerId: `buyer-${index}`, deviceId: index % 3 === 0 ? `phone-${index}` : null };
      return { ...grant, token: await options.tokenOf(grant) };
    }),
  );
  return { livestreamId, holdTtlMs: template.holdTtlMs, items, buyers, operatorToken };
}
