import { expect, test } from 'vitest';
import { createPrismaCatalogue } from '../../server/livestreams/prisma-catalogue.ts';
import type { NewOrder, OrderLedger, PayRequest } from '../../server/orders/order-ledger.ts';
import { createPrismaLedger } from '../../server/orders/prisma-ledger.ts';
import { describeWithDatabases } from '../services/databases.ts';
import { makeLivestream } from '../services/ledger-fixture.ts';
import { CatalogueModel } from './catalogue-model.ts';
import { Chance } from './chance.ts';
import { LedgerModel } from './ledger-model.ts';
import type { LivestreamRow } from './ledger-state.ts';

/** The real ledger and the simulated one, given the same commands in the same order. */

const skus = ['tea', 'mug'] as const;
type News = { readonly items: readonly unknown[]; readonly infoRev: number } | null;
type Twin = {
  readonly ledger: { readonly [Name in keyof OrderLedger]: (...args: Parameters<OrderLedger[Name]>) => unknown };
  allot(skuId: string, units: number): Promise<News> | News;
  sale(skuId: string, action: 'stop' | 'resume'): Promise<News> | News;
  terms(skuId: string, perBuyer: number | null): Promise<News> | News;
};
type Command = { readonly name: string; readonly run: (twin: Twin) => unknown };

/** Draws commands that meet each other: few orders, few keys, few payments. */
class Script {
  readonly #chance: Chance;
  readonly #livestreamId: string;
  #epoch = 0;

  constructor(chance: Chance, livestreamId: string) {
    this.#chance = chance;
    this.#livestreamId = livestreamId;
  }

  next(): Command {
    const [chance, id] = [this.#chance, this.#livestreamId];
    const rid = this.#rid();
    const sku = chance.oneOf(skus);
    switch (
      chance.weighted({
        append: 8,
        pay: 5,
        reacquire: 3,
        refuse: 1,
        resolve: 2,
        cancel: 2,
        expire: 2,
        refund: 2,
        fence: 1,
        manage: 3,
        look: 3,
      })
    ) {
      case 'append': {
        const orders = Array.from({ length: chance.between(1, 5) }, () => this.#order());
        return { name: `append ${JSON.stringify(orders)}`, run: ({ ledger }) => ledger.append(orders) };
      }
      case 'pay': {
        const request = this.#payment();
        return { name: `pay ${JSON.stringify(request)}`, run: ({ ledger }) => ledger.pay(request) };
      }
      case 'reacquire': {
        const request = {
          ...this.#payment(),
          rid: `${this.#rid()}${chance.happens(0.7) ? '-again' : ''}`,
          epoch: this.#epoch - (chance.happens(0.2) ? 1 : 0),
        };
        return { name: `payReacquired ${JSON.stringify(request)}`, run: ({ ledger }) => ledger.payReacquired(request) };
      }
      case 'refuse': {
        const request = this.#payment();
        return { name: `markRefundDue ${JSON.stringify(request)}`, run: ({ ledger }) => ledger.markRefundDue(request) };
      }
      case 'resolve': {
        const rids = [rid, this.#rid(), `${this.#rid()}-again`];
        return { name: `resolve ${rids.join()}`, run: ({ ledger }) => ledger.resolve(id, rids) };
      }
      case 'cancel':
        return { name: `cancel ${rid}`, run: ({ ledger }) => ledger.cancel(rid, 'test') };
      case 'expire':
        return { name: 'expireDue', run: ({ ledger }) => ledger.expireDue(chance.oneOf([500])) };
      case 'refund':
        return { name: `refund ${rid}`, run: ({ ledger }) => ledger.refund(rid, 'test', 'why') };
      case 'fence':
        this.#epoch += 1;
        return { name: 'fence', run: ({ ledger }) => ledger.fenceAndRead(id, 3_600_000) };
      case 'manage': {
        const kind = chance.oneOf(['allot', 'stop', 'resume', 'terms'] as const);
        const units = chance.between(0, 12);
        const run = (twin: Twin) => {
          if (kind === 'allot') return twin.allot(sku, units);
          return kind === 'terms' ? twin.terms(sku, units % 4 === 0 ? null : units % 4) : twin.sale(sku, kind);
        };
        return { name: `${kind} ${sku} ${units}`, run };
      }
      case 'look':
        return this.#look(chance.oneOf(['find', 'orders', 'recent', 'definitions', 'open'] as const), rid);
    }
  }

  #look(kind: 'find' | 'orders' | 'recent' | 'definitions' | 'open', rid: string): Command {
    const id = this.#livestreamId;
    const buyerId = `buyer${this.#chance.between(1, 3)}`;
    const run = ({ ledger }: Twin) => {
      if (kind === 'find') return ledger.find(rid);
      if (kind === 'orders') return ledger.orders({ livestreamId: id, buyerId, limit: 100 });
      if (kind === 'recent') return ledger.recentResolutions(id, 3_600_000);
      return kind === 'definitions' ? ledger.definitions(id) : ledger.openOrders(id);
    };
    return { name: `${kind} ${rid} ${buyerId}`, run };
  }

  #rid(): string {
    return `${this.#livestreamId}-r${this.#chance.between(1, 12)}`;
  }

  #order(): NewOrder {
    const chance = this.#chance;
    const buyerId = `buyer${chance.between(1, 3)}`;
    const lines = skus.filter(() => chance.happens(0.6)).map((skuId) => ({ skuId, quantity: chance.between(1, 3) }));
    return {
      rid: this.#rid(),
      key: `${buyerId}/key-${chance.between(1, 6)}`,
      bodyHash: 'hash',
      livestreamId: this.#livestreamId,
      epoch: this.#epoch - (chance.happens(0.1) ? 1 : 0),
      buyerId,
      deviceId: chance.happens(0.5) ? null : 'phone',
      takes: chance.happens(0.7) ? 'hold' : 'pay',
      lines: lines.length === 0 ? [{ skuId: 'tea', quantity: 1 }] : lines,
      // Due at once, or not while this test lasts.
      holdTtlMs: chance.happens(0.3) ? -1 : 600_000,
    };
  }

  #payment(): PayRequest {
    const chance = this.#chance;
    return {
      paymentId: `${this.#livestreamId}-p${chance.between(1, 14)}`,
      orderId: this.#rid(),
      amountMinor: 500 * chance.between(1, 4),
      currency: chance.happens(0.05) ? 'USD' : 'CNY',
    };
  }
}

describeWithDatabases('the simulated ledger', ({ database }) => {
  test('[SM-4] [OL-1] answers, audits and the picture for a rebuild are those of the real ledger, whatever the order of commands', async () => {
    const { prisma } = database();
    await stockUp(prisma);
    let answers = 0;
    for (let seed = 1; seed <= 40; seed += 1) {
      const units = { tea: 3 + (seed % 5), mug: 2 + (seed % 7) };
      const livestreamId = await makeLivestream(prisma, units);
      const [real, model] = [realTwin(prisma, livestreamId), modelTwin(livestreamId, units)];
      const script = new Script(new Chance(seed), livestreamId);
      for (let n = 0; n < 40; n += 1) {
        const { name, run } = script.next();
        const [told, expected] = [await run(real), await run(model)];
        expect(comparable(told), `seed ${seed}, command ${n}: ${name}`).toEqual(comparable(expected));
        const audits = [await real.ledger.audit(livestreamId), await model.ledger.audit(livestreamId)];
        expect(audits[0], `seed ${seed}, audit after command ${n}: ${name}`).toEqual(audits[1]);
        answers += 1;
      }
      // What is due belongs to this livestream only: the next one begins without it.
      await real.ledger.expireDue(500);
    }
    expect(answers).toBe(1_600);
  });
});

type Prisma = Parameters<typeof makeLivestream>[0];

async function stockUp(prisma: Prisma): Promise<void> {
  const catalogue = createPrismaCatalogue({ prisma, clock: { now: () => Date.now() } });
  await makeLivestream(prisma, { tea: 0, mug: 0 });
  await catalogue.putWarehouse({ warehouseId: 'hall', name: { zh: '仓', en: 'Hall' } });
  for (const skuId of skus) {
    const stock = { warehouseId: 'hall', skuId, onHand: 1_000_000, reserved: 0 };
    expect(await catalogue.setWarehouseStock(stock, 'test', 'stock')).toMatchObject({ kind: 'done' });
  }
}

function realTwin(prisma: Prisma, livestreamId: string): Twin {
  const catalogue = createPrismaCatalogue({ prisma, clock: { now: () => Date.now() } });
  const news = async (change: ReturnType<typeof catalogue.allotItem>): Promise<News> => {
    const outcome = await change;
    return outcome.kind === 'done' ? outcome.gate : null;
  };
  return {
    ledger: createPrismaLedger({ prisma }),
    allot: (skuId, units) => news(catalogue.allotItem(livestreamId, skuId, units, 'test', 'why')),
    sale: (skuId, action) =>
      news(
        catalogue.changeSale(livestreamId, skuId, action === 'stop' ? { action, reason: 'why' } : { action }, 'test'),
      ),
    terms: (skuId, perBuyer) =>
      news(
        catalogue.changeItem(livestreamId, skuId, { limits: { perOrder: null, perBuyer, perDevice: null } }, 'test'),
      ),
  };
}

function modelTwin(livestreamId: string, units: Readonly<Record<string, number>>): Twin {
  const ledger = new LedgerModel();
  ledger.nowMs = 1_760_000_000_000;
  ledger.tables.livestreams.set(livestreamId, rowOf(livestreamId, units));
  const catalogue = new CatalogueModel(ledger.tables);
  return {
    ledger,
    allot: (skuId, allotted) => catalogue.allotItem(livestreamId, skuId, allotted),
    sale: (skuId, action) => catalogue.changeSale(livestreamId, skuId, action),
    terms: (skuId, perBuyer) =>
      catalogue.changeTerms(livestreamId, skuId, { limits: { perOrder: null, perBuyer, perDevice: null } }),
  };
}

function rowOf(livestreamId: string, units: Readonly<Record<string, number>>): LivestreamRow {
  const counts = { held: 0, sold: 0, returned: 0, epoch: 0, poolRev: 1, termsRev: 1 };
  return {
    livestreamId,
    state: 'live',
    holdTtlMs: 600_000,
    epoch: 0,
    infoRev: 1,
    archived: false,
    items: Object.entries(units).map(([skuId, allotted], index) =>
      Object.assign({}, counts, {
        skuId,
        index,
        unitPriceMinor: 500,
        currency: 'CNY',
        limits: { perOrder: null, perBuyer: null, perDevice: null },
        salePolicy: { kind: 'deduct_on_order' as const },
        sale: 'open' as const,
        opensAtMs: 0,
        allotted,
      }),
    ),
  };
}

const instants: ReadonlySet<string> = new Set(['createdAtMs', 'expiresAtMs', 'receivedAtMs', 'leaseEndsAtMs']);

/** Moments only say whether there is one; lists whose order means nothing are sorted. */
function comparable(answer: unknown): unknown {
  const text = JSON.stringify(answer ?? null, (name, value: unknown) => {
    if (instants.has(name) && value !== null) return 'a moment';
    // JSON of the one keeps no order of names, and groups of the other do: sorted by their text.
    return value;
  });
  return sorted(JSON.parse(text));
}

function sorted(value: unknown): unknown {
  if (Array.isArray(value)) {
    const items = value.map((one) => sorted(one));
    const isList = items.some(
      (one) =>
        typeof one === 'object' &&
        one !== null &&
        ('rid' in one || 'orderId' in one || 'buyerId' in one || 'paymentId' in one),
    );
    return isList ? items.toSorted((a, b) => (JSON.stringify(a) < JSON.stringify(b) ? -1 : 1)) : items;
  }
  if (typeof value !== 'object' || value === null) return value;
  const entries = Object.entries(value).map(([name, one]) => [name, sorted(one)] as const);
  return Object.fromEntries(entries.toSorted(([a], [b]) => (a < b ? -1 : 1)));
}
