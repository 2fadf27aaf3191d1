import type { Logger } from 'pino';
import type { ItemInfo, LivestreamInfo } from '../../contract/livestreams.ts';
import type { LivestreamCatalogue } from '../livestreams/livestream-catalogue.ts';

/** Keeps a livestream's public description as new as the revision that the gate names. One load at a time. */
export class InfoWatch {
  readonly #catalogue: Pick<LivestreamCatalogue, 'info'>;
  readonly #log: Logger;
  readonly #onChange: (before: LivestreamInfo, now: LivestreamInfo) => void;
  #info: LivestreamInfo;
  #items: ReadonlyMap<string, ItemInfo>;
  #wantedRev = 0;
  #loading = false;

  constructor(parts: {
    info: LivestreamInfo;
    catalogue: Pick<LivestreamCatalogue, 'info'>;
    log: Logger;
    onChange: (before: LivestreamInfo, now: LivestreamInfo) => void;
  }) {
    this.#catalogue = parts.catalogue;
    this.#log = parts.log;
    this.#onChange = parts.onChange;
    this.#info = parts.info;
    this.#items = itemsBySku(parts.info);
  }

  get info(): LivestreamInfo {
    return this.#info;
  }

  item(skuId: string): ItemInfo | undefined {
    return this.#items.get(skuId);
  }

  /** The gate named this revision. A load that fails or finds an older one is tried again when the gate is looked at next. */
  want(infoRev: number): void {
    this.#wantedRev = Math.max(this.#wantedRev, infoRev);
    if (this.#loading || this.#info.infoRev >= this.#wantedRev) return;
    this.#loading = true;
    this.#load()
      .catch((error: unknown) => {
        this.#log.warn({ err: error, livestreamId: this.#info.livestreamId }, 'the description could not be loaded');
      })
      .finally(() => {
        this.#loading = false;
      });
  }

  async #load(): Promise<void> {
    // A revision that was named while an older one was being loaded is loaded right after.
    for (let wantedRev = -1; wantedRev < this.#wantedRev && this.#info.infoRev < this.#wantedRev; ) {
      wantedRev = this.#wantedRev;
      const info = await this.#catalogue.info(this.#info.livestreamId);
      if (info === null || info.infoRev <= this.#info.infoRev) return;
      const before = this.#info;
      this.#info = info;
      this.#items = itemsBySku(info);
      this.#onChange(before, info);
    }
  }
}

const itemsBySku = (info: LivestreamInfo): ReadonlyMap<string, ItemInfo> =>
  new Map(info.items.map((item) => [item.skuId, item]));
