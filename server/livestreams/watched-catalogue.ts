import type { LivestreamInfo } from '../../contract/livestreams.ts';
import type { StockTransfer } from '../../contract/pools.ts';
import type { LivestreamCatalogue, Managed, ManageRefusal } from './livestream-catalogue.ts';

/** Hears what the description was and what it is now, after the change is committed; must not throw. */
export type DescriptionListener = (livestreamId: string, before: LivestreamInfo, after: LivestreamInfo) => void;

/** Hears of every transfer after it is committed, of a repeated one again; must not throw. */
export type TransferListener = (livestreamId: string, transfer: StockTransfer) => void;

/** The same catalogue, with somebody who hears of every change that people can see. */
export function watchDescriptions(
  catalogue: LivestreamCatalogue,
  onChanged: DescriptionListener,
  onMoved: TransferListener,
): LivestreamCatalogue {
  async function watched(
    livestreamId: string,
    change: () => Promise<Managed | ManageRefusal>,
  ): Promise<Managed | ManageRefusal> {
    const before = await catalogue.info(livestreamId);
    const outcome = await change();
    if (before !== null && outcome.kind === 'done') onChanged(livestreamId, before, outcome.livestream);
    return outcome;
  }
  return {
    ...catalogue,
    start: (id, ...rest) => watched(id, () => catalogue.start(id, ...rest)),
    end: (id, ...rest) => watched(id, () => catalogue.end(id, ...rest)),
    addItem: (id, ...rest) => watched(id, () => catalogue.addItem(id, ...rest)),
    changeItem: (id, ...rest) => watched(id, () => catalogue.changeItem(id, ...rest)),
    changeSale: (id, ...rest) => watched(id, () => catalogue.changeSale(id, ...rest)),
    async moveUnits(id, ...rest) {
      const outcome = await catalogue.moveUnits(id, ...rest);
      if (outcome.kind === 'done') onMoved(id, outcome.transfer);
      return outcome;
    },
    pin: (id, ...rest) => watched(id, () => catalogue.pin(id, ...rest)),
  };
}
