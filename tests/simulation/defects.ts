import type { LedgerOrder, NewOrder, OrderLedger } from '../../server/orders/order-ledger.ts';
import { LedgerRefused, LedgerUnknown } from '../../server/orders/order-ledger.ts';
import { MemoryGate } from '../../server/stock/memory-gate.ts';
import type { GateSnapshot, ItemDefinition, ReserveRequest, StockEngine } from '../../server/stock/stock-engine.ts';
import { type At, GateServer } from './gate-server.ts';
import type { HistoryOptions } from './history.ts';
import { LedgerModel } from './ledger-model.ts';
import { livestreamId } from './shop.ts';

export type PlantedDefect = {
  /** The number in “What breaks without them” of docs/spec/order-protocol.md, and the rules that are taken away. */
  readonly breaks: string;
  readonly what: string;
  readonly defect: NonNullable<HistoryOptions['defect']>;
  /** Histories within which it must be found. */
  readonly within: number;
};

const engineWith =
  (change: (engine: StockEngine) => Partial<StockEngine>) =>
  (engine: StockEngine): StockEngine => ({ ...engine, ...change(engine) });
const ledgerWith =
  (change: (ledger: OrderLedger, engine: StockEngine) => Partial<OrderLedger>) =>
  (ledger: OrderLedger, { engine }: { engine: StockEngine }): OrderLedger => ({ ...ledger, ...change(ledger, engine) });

/** Reserve gives back whatever the gate's clock calls overdue, before it decides. */
class ExpiringGate extends GateServer {
  override reserve(at: At, id: string, requests: readonly ReserveRequest[]) {
    const gate = this.usable(at, id);
    for (const { rid } of gate?.overdue(100, at.nowMs) ?? []) gate?.release(rid, false);
    return super.reserve(at, id, requests);
  }
}

class AnyLoadGate extends GateServer {
  override load(at: At, id: string, _nonce: string, snapshot: GateSnapshot): 'loaded' {
    const gate = new MemoryGate(snapshot, this.settings, at.nowMs);
    this.places.set(id, { nonce: 'any', identity: at.identity, epoch: snapshot.epoch, gate });
    this.publish(id, gate, at.nowMs);
    return 'loaded';
  }
}

class DeltaGate extends GateServer {
  readonly #known = new Map<string, number>();
  /** What was told counts as so many more or fewer than what was told before. */
  override putItems(at: At, id: string, items: readonly ItemDefinition[], infoRev: number): void {
    this.change(at, id, (gate) => {
      for (const { skuId, pool, terms } of items) {
        const item = gate.read(at.nowMs).items.find((one) => one.skuId === skuId);
        if (item === undefined) continue;
        const allotted = Math.max(0, item.allotted + pool.allotted - (this.#known.get(skuId) ?? item.allotted));
        this.#known.set(skuId, pool.allotted);
        gate.putItems(
          [{ skuId, terms, pool: { ...pool, rev: Math.max(pool.rev, item.poolRev + 1), allotted } }],
          infoRev,
        );
      }
    });
  }
}

/** A server that does not look who it is: what a stale copy says is believed. */
class NamelessGate extends GateServer {
  protected override usable(_at: At, id: string): MemoryGate | null {
    return this.places.get(id)?.gate ?? null;
  }
}

/** Lost keys are not noticed: the gate goes on with what is left of it. */
class PartialGate extends GateServer {
  override loseKey(id: string): void {
    const place = this.places.get(id);
    const reading = place?.gate?.read(0);
    if (place === undefined || reading === undefined) return;
    const items = reading.items.map(({ skuId, allotted, returned, poolRev, sold, termsRev }) => ({
      skuId,
      pool: { rev: poolRev, allotted, returned },
      terms: {
        rev: termsRev,
        sale: 'open' as const,
        opensAtMs: 0,
        salePolicy: { kind: 'deduct_on_order' as const },
        limits: { perOrder: null, perBuyer: null, perDevice: null },
      },
      sold,
    }));
    place.gate = new MemoryGate(
      { epoch: place.epoch, infoRev: reading.infoRev, items, holds: [], counted: [], keys: [] },
      this.settings,
      0,
    );
  }
}

class UnfencedLedger extends LedgerModel {
  override append(orders: readonly NewOrder[]) {
    return super.append(
      orders.map((order) => ({
        ...order,
        epoch: this.tables.item(order.livestreamId, order.lines[0]?.skuId ?? '')?.epoch ?? 0,
      })),
    );
  }
}

/** Looks whether the attempt is there, and fences nothing. */
class LookingLedger extends LedgerModel {
  override resolve(id: string, rids: readonly string[]) {
    const there = rids.filter((rid) => this.tables.orders.has(rid));
    const absent = rids.filter((rid) => !there.includes(rid));
    return [...super.resolve(id, there), ...absent.map((rid) => ({ rid, state: 'void' as const, expiresAtMs: null }))];
  }
}

/** One order that does not fit is the end of its whole group. */
class GroupLedger extends LedgerModel {
  override append(orders: readonly NewOrder[]) {
    const free = new Map<string, number>();
    for (const { lines, takes } of orders) {
      for (const { skuId, quantity } of takes === 'hold' ? lines : []) {
        const item = this.tables.item(livestreamId, skuId);
        const left = free.get(skuId) ?? (item === undefined ? 0 : item.allotted - item.held - item.sold);
        free.set(skuId, left - quantity);
        if (left < quantity) return orders.map(() => ({ kind: 'does_not_fit' as const, skuId, anyLeft: false }));
      }
    }
    return super.append(orders);
  }
}

/** An order as it would be, told before the ledger has it. */
function promised(order: NewOrder): LedgerOrder {
  const { rid, takes, lines } = order;
  return {
    ...order,
    orderId: rid,
    state: takes === 'hold' ? 'held' : 'placed',
    lines: lines.map(({ skuId, quantity }) => ({ skuId, quantity, unitPriceMinor: 100 })),
    totalMinor: 100,
    currency: 'CNY',
    createdAtMs: 0,
    expiresAtMs: Number.MAX_SAFE_INTEGER,
  };
}

const reacquiredUnderOldRid = engineWith((engine) => {
  const first = new Map<string, string>();
  const old = (rid: string) => first.get(rid) ?? rid;
  return {
    reserve: (id, requests) =>
      engine.reserve(
        id,
        requests.map((request) => {
          if (request.reacquires === null) return request;
          first.set(request.rid, request.reacquires);
          return { ...request, rid: request.reacquires, reacquires: null };
        }),
      ),
    settle: (id, rids) => engine.settle(id, rids.map(old)),
    release: (id, attempts) =>
      engine.release(
        id,
        attempts.map(({ rid, unbind }) => ({ rid: old(rid), unbind })),
      ),
  };
});

export const plantedDefects: readonly PlantedDefect[] = [
  {
    breaks: '1 (A3, O6)',
    what: 'the tail frees overdue attempts without asking the ledger',
    within: 400,
    defect: {
      ledger: ledgerWith(() => ({
        resolve: async (_, rids) => rids.map((rid) => ({ rid, state: 'void' as const, expiresAtMs: null })),
      })),
    },
  },
  {
    breaks: '1 (O6)',
    what: 'resolve looks for the row and leaves no fence',
    within: 1_500,
    defect: { ledgerModel: () => new LookingLedger() },
  },
  {
    breaks: '2 (O7)',
    what: 'a retry of a key whose first attempt is pending is acknowledged',
    within: 400,
    defect: {
      ledger: ledgerWith((ledger, engine) => ({
        find: async (rid) => {
          const order = await ledger.find(rid);
          const hold = order === null ? (await engine.holds(livestreamId)).find((one) => one.rid === rid) : undefined;
          if (hold === undefined) return order;
          return promised({ ...hold, livestreamId, key: null, bodyHash: '', epoch: 0, holdTtlMs: 0 });
        },
      })),
    },
  },
  {
    breaks: '3 (O5)',
    what: 'units of a commit of unknown outcome are released',
    within: 400,
    defect: {
      ledger: ledgerWith((ledger) => ({
        append: (orders) =>
          ledger.append(orders).catch((error: unknown) => {
            throw error instanceof LedgerUnknown ? new LedgerRefused('taken for certain') : error;
          }),
      })),
    },
  },
  {
    breaks: '4 (G3, A2)',
    what: 'reserve expires holds by the gate’s clock',
    within: 400,
    defect: { gateServer: (...parts) => new ExpiringGate(...parts) },
  },
  {
    breaks: '5 (A3)',
    what: 'nothing is told to the gate again after it was missed once',
    within: 400,
    defect: {
      ledger: ledgerWith(() => ({ recentResolutions: async () => [] })),
      engine: engineWith(() => ({ overdue: async () => [], holds: async () => [] })),
    },
  },
  {
    breaks: '6 (A4)',
    what: 'a late payment takes its units under the first attempt’s rid',
    within: 400,
    defect: { engine: reacquiredUnderOldRid },
  },
  {
    breaks: '7 (A2)',
    what: 'an order is cancelled at the gate first',
    within: 800,
    defect: {
      ledger: ledgerWith((ledger, engine) => ({
        cancel: async (orderId, actor) => {
          await engine.release(livestreamId, [{ rid: orderId, unbind: false }]).catch(() => {});
          return ledger.cancel(orderId, actor);
        },
      })),
    },
  },
  {
    breaks: '8 (O1, B2)',
    what: 'orders of an older epoch are not fenced',
    within: 1_500,
    defect: { ledgerModel: () => new UnfencedLedger() },
  },
  {
    breaks: '8 (B1, B3)',
    what: 'a rebuild loads without looking at nonce, identity and epoch',
    within: 1_500,
    defect: { gateServer: (...parts) => new AnyLoadGate(...parts) },
  },
  {
    breaks: '9 (A5)',
    what: 'an allotment is told as a difference',
    within: 400,
    defect: { gateServer: (...parts) => new DeltaGate(...parts) },
  },
  {
    breaks: '10 (B2)',
    what: 'keys are not rebuilt',
    within: 800,
    defect: {
      ledger: ledgerWith((ledger) => ({
        fenceAndRead: async (...args) => {
          const snapshot = await ledger.fenceAndRead(...args);
          return snapshot === null ? null : { ...snapshot, keys: [] };
        },
      })),
    },
  },
  {
    breaks: '10 (B2, G4)',
    what: 'counts towards the limits are not rebuilt',
    within: 1_500,
    defect: {
      ledger: ledgerWith((ledger) => ({
        fenceAndRead: async (...args) => {
          const snapshot = await ledger.fenceAndRead(...args);
          return snapshot === null ? null : { ...snapshot, counted: [] };
        },
      })),
    },
  },
  {
    breaks: '11 (G2, V1)',
    what: 'a promoted stale copy goes on under its epoch',
    within: 400,
    defect: { gateServer: (...parts) => new NamelessGate(...parts) },
  },
  {
    breaks: '11 (V1)',
    what: 'a node takes changes in the order in which they arrive',
    within: 400,
    defect: {
      engine: engineWith((engine) => {
        let newest = 0;
        return {
          follow: (id, listener) =>
            engine.follow(id, {
              ...listener,
              change: (change) => {
                newest = Math.max(newest, change.version) + 1;
                const rows = change.rows.map((row) => ({ ...row, version: newest }));
                listener.change({ ...change, version: newest, previousVersion: 0, rows });
              },
            }),
        };
      }),
    },
  },
  {
    breaks: '11 (V2)',
    what: 'the poll looks at the node’s own memory and not at the gate',
    within: 400,
    defect: {
      engine: engineWith((engine) => {
        let heard: { epoch: number; version: number; infoRev: number } | null = null;
        return {
          peek: async (id) => heard ?? (await engine.peek(id)),
          follow: (id, listener) =>
            engine.follow(id, {
              ...listener,
              change: (change) => {
                heard = change;
                listener.change(change);
              },
            }),
        };
      }),
    },
  },
  {
    breaks: '12 (O2)',
    what: 'one order that does not fit refuses its whole group',
    within: 1_500,
    defect: { ledgerModel: () => new GroupLedger() },
  },
  {
    breaks: 'G1',
    what: 'the gate goes on although one of its keys is gone',
    within: 400,
    defect: { gateServer: (...parts) => new PartialGate(...parts) },
  },
  {
    breaks: 'O3, I2',
    what: 'an order is acknowledged before it has committed',
    within: 100,
    defect: {
      ledger: ledgerWith((ledger) => ({
        append: async (orders) => {
          void ledger.append(orders).catch(() => {});
          return orders.map((order) => ({ kind: 'committed' as const, order: promised(order) }));
        },
      })),
    },
  },
];
