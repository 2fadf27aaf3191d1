import type { Order } from '../../contract/orders.ts';
import type { OrderPath } from '../../server/orders/order-path.ts';
import type { Chance } from './chance.ts';
import type { Judge, Wish } from './judge.ts';
import { type LinkFaults, noFaults } from './links.ts';
import type { SimulatedNode } from './node.ts';
import { livestreamId, type Shop } from './shop.ts';

const answerWithinMs = 4_000;

/** People, the payment provider and operators: they ask any node, again and again until they have an answer, and never ask for more. */
export class Shoppers {
  readonly #shop: Shop;
  readonly #chance: Chance;
  readonly #judge: Judge;
  readonly #nodes: readonly SimulatedNode[];
  readonly #nodeFor: (label: string) => SimulatedNode | undefined;
  faults: LinkFaults = noFaults;
  /** Orders that were acknowledged, for payments and cancellations to choose from. */
  readonly orders: { readonly order: Order; readonly wish: Wish }[] = [];
  readonly wishes: Wish[] = [];
  /** Flows that have no answer yet. */
  readonly open = new Map<number, string>();
  #flows = 0;
  #payments = 0;

  constructor(parts: {
    shop: Shop;
    chance: Chance;
    judge: Judge;
    nodes: readonly SimulatedNode[];
    /** Who asks whom; without it everybody asks anybody. */
    nodeFor?: (label: string) => SimulatedNode | undefined;
  }) {
    this.#nodeFor = parts.nodeFor ?? (() => undefined);
    this.#shop = parts.shop;
    this.#chance = parts.chance;
    this.#judge = parts.judge;
    this.#nodes = parts.nodes;
  }

  buy(wish: Wish): void {
    this.wishes.push(wish);
    this.#flow(`order ${wish.key}`, () => this.#buy(wish));
  }

  /** A payment that the provider tells of until it is settled. */
  pay(order: Order, amountMinor = order.totalMinor): void {
    const paymentId = `p${(this.#payments += 1)}`;
    this.#judge.pays(paymentId, order.orderId);
    this.#flow(`payment ${paymentId}`, async () => {
      const request = { paymentId, orderId: order.orderId, amountMinor, currency: order.currency };
      for (;;) {
        const answer = await this.#ask(`pay ${paymentId} for ${order.orderId}`, ({ orders }) => orders.pay(request));
        if (answer?.kind === 'done') {
          this.#judge.paid(paymentId, answer.outcome.outcome);
          // The answer may be told again, to a provider that did not hear it.
          if (this.#chance.happens(0.8)) return;
        }
        await this.#pause();
      }
    });
  }

  cancel(order: Order): void {
    this.#flow(`cancel ${order.orderId}`, () =>
      this.#until(`cancel ${order.orderId}`, ({ orders }) => orders.cancel(livestreamId, order.orderId, null, 'buyer')),
    );
  }

  refund(order: Order): void {
    this.#flow(`refund ${order.orderId}`, () =>
      this.#until(`refund ${order.orderId}`, ({ orders }) =>
        orders.refund(livestreamId, order.orderId, 'operator', 'why'),
      ),
    );
  }

  /** An operator's change of stock or terms; an operator who hears nothing looks and does it again. */
  manage(label: string, change: () => ReturnType<Shop['catalogue']['allotItem']>): void {
    const node = this.#chance.oneOf(this.#nodes);
    void node.manage(change, label).catch(() => {});
  }

  async #until(
    label: string,
    work: (path: OrderPath) => Promise<{ kind: 'done' } | { kind: 'refused'; error: { action: string } }>,
  ): Promise<void> {
    for (;;) {
      const answer = await this.#ask(label, work);
      if (answer?.kind === 'done' || (answer?.kind === 'refused' && answer.error.action !== 'retry')) return;
      await this.#pause();
    }
  }

  async #buy(wish: Wish): Promise<void> {
    const [, idempotencyKey = ''] = wish.key.split('/');
    const input = {
      idempotencyKey,
      lines: wish.lines.map((line) => Object.assign({}, line)),
      ...(wish.deviceId === null ? {} : { deviceId: wish.deviceId }),
    };
    for (;;) {
      const wasAcknowledged = this.#judge.asks(wish);
      const answer = await this.#ask(
        `buy ${wish.key} ${wish.lines.map((l) => `${l.quantity}×${l.skuId}`).join('+')}`,
        async ({ orders }) => {
          const outcome = await orders.place(livestreamId, { buyerId: wish.buyerId, deviceId: wish.deviceId }, input);
          this.#judge.answers(wish, wasAcknowledged, outcome);
          return outcome;
        },
      );
      if (answer !== null && answer.kind !== 'refused') {
        this.orders.push({ order: answer.order, wish });
        return;
      }
      if (answer?.kind === 'refused' && answer.error.action !== 'retry') return;
      await this.#pause();
    }
  }

  #flow(name: string, flow: () => Promise<void>): void {
    const id = (this.#flows += 1);
    this.open.set(id, name);
    void this.#orBug(name, async () => {
      await flow();
      this.open.delete(id);
    });
  }

  /** The order service rejects for nothing that a gate or a ledger can do: what comes here is a bug. */
  async #orBug(name: string, work: () => Promise<void>): Promise<void> {
    try {
      await work();
    } catch (error) {
      this.#shop.world.violate('BUG', `${name}: ${error instanceof Error ? error.stack : String(error)}`);
    }
  }

  #pause(): Promise<void> {
    return new Promise((resolve) =>
      this.#shop.world.schedule(this.#chance.between(100, 600), null, 'pause', resolve, 'timer'),
    );
  }

  /** null: no answer. What was asked may have been done all the same. */
  #ask<Answer>(label: string, work: (path: OrderPath) => Promise<Answer>): Promise<Answer | null> {
    const { world } = this.#shop;
    const node = this.#nodeFor(label) ?? this.#chance.oneOf(this.#nodes);
    return new Promise((resolve) => {
      const patience = world.schedule(answerWithinMs, null, `${label}: no answer`, () => resolve(null), 'timer');
      const tell = (answer: Answer | null, inMs: number) =>
        world.schedule(inMs, null, `${label}: answer${world.exactly(answer)}`, () => {
          patience.cancelled = true;
          resolve(answer);
        });
      if (this.#chance.happens(this.faults.lost)) return;
      world.schedule(this.#delayMs(), null, `${label} at ${node.name}`, () => {
        const { running } = node;
        if (running === null) {
          tell(null, 1);
          return;
        }
        world.tell(() => `${label} reaches ${node.name}`);
        const answered = (answer: Answer): void => {
          world.tell(() => `${node.name} answers ${label}: ${answerText(answer)}`);
          if (!this.#chance.happens(this.faults.unanswered)) tell(answer, this.#delayMs());
        };
        void this.#orBug(label, async () => answered(await work(running.path)));
      });
    });
  }

  #delayMs(): number {
    return this.#chance.happens(this.faults.slow) ? this.#chance.between(20, 800) : this.#chance.between(0, 3);
  }
}

function answerText(answer: unknown): string {
  const { kind, error, order, outcome } = answer as {
    kind?: string;
    error?: { code: string };
    order?: Order;
    outcome?: { outcome: string };
  };
  return [kind, error?.code, order?.orderId, order?.state, outcome?.outcome]
    .filter((part) => part !== undefined)
    .join(' ');
}
