import type { ItemPlan } from '../../contract/alerts.ts';
import type { Text } from '../../contract/primitives.ts';

/**
 * The seam where a forecast plugs in. The desk asks once for each item that has no plan, before its sale opens and while it runs; the
 * answer becomes the item's plan, with the source's name as actor and its reasons in the record. What an operator enters stays.
 */
export type EstimateSource = {
  /** The actor of the record, as `forecast`. */
  readonly name: string;
  /** null: nothing to say about this item (yet); it is asked again after a minute. */
  estimate(
    livestreamId: string,
    skuId: string,
  ): Promise<(Pick<ItemPlan, 'estimate' | 'confidence'> & { readonly reasons: readonly Text[] }) | null>;
};
