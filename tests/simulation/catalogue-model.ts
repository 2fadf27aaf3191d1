import type { ItemDefinition, ItemTerms } from '../../server/stock/stock-engine.ts';
import { definitionOf, type ItemRow, type LedgerTables } from './ledger-state.ts';

/** What the gate has to take over; null: refused. */
export type GateNews = { readonly items: readonly ItemDefinition[]; readonly infoRev: number } | null;

/** What an operator changes, over the ledger's tables: the model of `server/livestreams/items.ts` and `livestreams.ts`. */
export class CatalogueModel {
  readonly #tables: LedgerTables;

  constructor(tables: LedgerTables) {
    this.#tables = tables;
  }

  active(): { livestreamId: string; state: 'scheduled' | 'live' | 'ended' }[] {
    return [...this.#tables.livestreams.values()].flatMap(({ livestreamId, state, archived }) =>
      state === 'draft' || archived ? [] : [{ livestreamId, state }],
    );
  }

  allotItem(livestreamId: string, skuId: string, allotted: number): GateNews {
    const item = this.#changeable(livestreamId, skuId);
    if (item === undefined || allotted < item.held + item.sold) return null;
    if (allotted !== item.allotted) {
      this.#tables.revision += 1;
      item.allotted = allotted;
      item.poolRev += 1;
    }
    return this.#news(livestreamId, [skuId]);
  }

  changeSale(livestreamId: string, skuId: string, action: 'stop' | 'resume'): GateNews {
    const item = this.#changeable(livestreamId, skuId);
    if (item === undefined || item.sale === 'not_open' || item.sale === 'ended') return null;
    const sale = action === 'stop' ? 'stopped' : 'open';
    if (sale !== item.sale) {
      item.sale = sale;
      this.#raise(livestreamId, item);
    }
    return this.#news(livestreamId, [skuId]);
  }

  changeTerms(livestreamId: string, skuId: string, terms: Partial<Pick<ItemTerms, 'limits' | 'salePolicy'>>): GateNews {
    const item = this.#changeable(livestreamId, skuId);
    if (item === undefined) return null;
    const after = { limits: terms.limits ?? item.limits, salePolicy: terms.salePolicy ?? item.salePolicy };
    if (JSON.stringify(after) !== JSON.stringify({ limits: item.limits, salePolicy: item.salePolicy })) {
      Object.assign(item, after);
      this.#raise(livestreamId, item);
    }
    return this.#news(livestreamId, [skuId]);
  }

  end(livestreamId: string): GateNews {
    const livestream = this.#tables.livestreams.get(livestreamId);
    if (livestream === undefined) return null;
    if (livestream.state !== 'ended') {
      livestream.state = 'ended';
      livestream.infoRev += 1;
      for (const item of livestream.items) {
        item.sale = 'ended';
        item.termsRev += 1;
      }
    }
    return this.#news(
      livestreamId,
      livestream.items.map(({ skuId }) => skuId),
    );
  }

  archive(livestreamId: string): void {
    const livestream = this.#tables.livestreams.get(livestreamId);
    if (livestream?.state !== 'ended' || livestream.archived) return;
    const open = this.#tables.ordersOf(livestreamId).some(({ state }) => state === 'held' || state === 'placed');
    if (open) return;
    livestream.archived = true;
    livestream.infoRev += 1;
    for (const item of livestream.items) {
      if (item.allotted <= item.held + item.sold) continue;
      item.allotted = item.held + item.sold;
      item.poolRev += 1;
    }
  }

  #changeable(livestreamId: string, skuId: string): ItemRow | undefined {
    return this.#tables.livestreams.get(livestreamId)?.state === 'ended'
      ? undefined
      : this.#tables.item(livestreamId, skuId);
  }

  #raise(livestreamId: string, item: { termsRev: number }): void {
    item.termsRev += 1;
    const livestream = this.#tables.livestreams.get(livestreamId);
    if (livestream !== undefined) livestream.infoRev += 1;
  }

  #news(livestreamId: string, skuIds: readonly string[]): GateNews {
    const livestream = this.#tables.livestreams.get(livestreamId);
    if (livestream === undefined) return null;
    const items = livestream.items.filter(({ skuId }) => skuIds.includes(skuId));
    return { items: items.map(definitionOf), infoRev: livestream.infoRev };
  }
}
