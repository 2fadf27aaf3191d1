import { batch, type ReadonlySignal, type Signal, signal } from '@preact/signals';
import type { ClientState } from './client-state.ts';
import type { Level } from './level-store.ts';
import type { StockcastClient } from './stockcast-client.ts';

type StateSignals = { readonly [Name in keyof ClientState]: ReadonlySignal<ClientState[Name]> };
export type StockcastSignals = StateSignals & {
  /** The level of an item; the same signal at every call. */
  level(index: number): ReadonlySignal<Level | undefined>;
};

/** A client as Preact signals: a component that reads one level is drawn again when that level changes, and only then. */
export function signalsOf(client: StockcastClient): StockcastSignals {
  const { state } = client;
  const own = {
    connection: signal(state.connection),
    livestream: signal(state.livestream),
    viewers: signal(state.viewers),
    buyerId: signal(state.buyerId),
    orders: signal(state.orders),
  };
  client.subscribe((next) =>
    batch(() => {
      own.connection.value = next.connection;
      own.livestream.value = next.livestream;
      own.viewers.value = next.viewers;
      own.buyerId.value = next.buyerId;
      own.orders.value = next.orders;
    }),
  );
  const levels = new Map<number, Signal<Level | undefined>>();
  return {
    ...own,
    level(index) {
      const known = levels.get(index);
      if (known !== undefined) return known;
      const made = signal(client.level(index));
      levels.set(index, made);
      client.subscribeLevel(index, (level) => {
        made.value = level;
      });
      return made;
    },
  };
}
