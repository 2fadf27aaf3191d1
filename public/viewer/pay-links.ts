import { type Signal, signal } from '@preact/signals';
import type { Order } from '../../contract/orders.ts';
import { isUnpaid } from '../lib/order-book.ts';

const storedAs = 'stockcast.pay-links';
const linksMax = 30;

/** Where the buyer pays each unpaid order: told once, when the order is placed, so kept over reloads. */
export class PayLinks {
  readonly #storage: Pick<Storage, 'getItem' | 'setItem'> | null;
  /** A signal: an order may be on screen before its link is known. */
  readonly #links: Signal<Record<string, string>>;

  constructor(storage: Pick<Storage, 'getItem' | 'setItem'> | null) {
    this.#storage = storage;
    this.#links = signal(read(storage));
  }

  /** undefined: the order was placed elsewhere, or the shop has its own way to pay. */
  of(orderId: string): string | undefined {
    return this.#links.value[orderId];
  }

  keep(orderId: string, payUrl: string): void {
    if (!isPayable(payUrl)) return;
    const { [orderId]: _older, ...others } = this.#known();
    this.#write(Object.entries({ ...others, [orderId]: payUrl }));
  }

  /** Another tab of this browser may have kept one. */
  readAgain(): void {
    this.#links.value = this.#known();
  }

  /** Forgets the links of orders that are known and need no payment any more. */
  keepOnly(orders: readonly Order[]): void {
    const done = new Set(orders.filter((order) => !isUnpaid(order)).map(({ orderId }) => orderId));
    const known = Object.entries(this.#known());
    const left = known.filter(([orderId]) => !done.has(orderId));
    if (left.length < known.length) this.#write(left);
  }

  /** What is stored counts too: tabs of one browser write to one place, and none may wipe out what another has kept. */
  #known(): Record<string, string> {
    return { ...read(this.#storage), ...this.#links.peek() };
  }

  #write(links: readonly (readonly [string, string])[]): void {
    this.#links.value = Object.fromEntries(links.slice(-linksMax));
    try {
      this.#storage?.setItem(storedAs, JSON.stringify(this.#links.peek()));
    } catch {
      // Without storage the link lives as long as the page.
    }
  }
}

/** A link of a shop is a page, never a script. */
const isPayable = (payUrl: unknown): payUrl is string =>
  typeof payUrl === 'string' && /^(https?:\/\/|\/(?!\/))/.test(payUrl);

function read(storage: Pick<Storage, 'getItem'> | null): Record<string, string> {
  try {
    const stored: unknown = JSON.parse(storage?.getItem(storedAs) ?? '{}');
    if (typeof stored !== 'object' || stored === null) return {};
    return Object.fromEntries(Object.entries(stored).filter(([, url]) => isPayable(url)));
  } catch {
    return {};
  }
}
