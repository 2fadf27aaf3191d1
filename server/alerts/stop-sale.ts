import type { LivestreamCatalogue, Managed, ManageRefusal } from '../livestreams/livestream-catalogue.ts';

/** null: stopped, at the gate too. Else why it could not be. Rejects with what the database throws. */
export type StopSale = (livestreamId: string, skuId: string, reason: string) => Promise<ManageRefusal | null>;

/** AL-17: the way in which an operator stops a sale, with the rule as its actor: the same record, the same message to every viewer. */
export function createStopSale(deps: {
  readonly catalogue: Pick<LivestreamCatalogue, 'changeSale'>;
  readonly takeOver: (livestreamId: string, gate: NonNullable<Managed['gate']>) => Promise<void>;
}): StopSale {
  return async (livestreamId, skuId, reason) => {
    const outcome = await deps.catalogue.changeSale(livestreamId, skuId, { action: 'stop', reason }, 'rule');
    if (outcome.kind === 'refused') return outcome;
    if (outcome.gate !== null) await deps.takeOver(livestreamId, outcome.gate);
    return null;
  };
}
