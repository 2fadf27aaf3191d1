import { setTimeout as wait } from 'node:timers/promises';
import type { WireError } from '../../contract/errors.ts';
import type { Order, OrderForOperator } from '../../contract/orders.ts';
import { routes } from '../../contract/routes.ts';
import { ApiClient, Unanswered } from '../../load-tests/lib/api-client.ts';
import { buildStage } from '../../load-tests/lib/stage.ts';
import type { ServerProcess } from '../services/server-process.ts';

/** The pages' own client. Its types are checked with the pages, in whose world there is a DOM. */
type PageClient = {
  subscribe(listener: (state: { connection: { kind: string; error?: WireError } }) => void): void;
  placeOrder(
    lines: readonly { skuId: string; quantity: number }[],
  ): Promise<{ kind: 'accepted'; order: Order } | { kind: 'refused' | 'undecided'; error: WireError }>;
  level(index: number): { readonly shown: number | string } | undefined;
  close(): void;
};
const clientModule = new URL('../../public/lib/stockcast-client.ts', import.meta.url).href;

const skuId = 'tea';

export type Sale = {
  /** Orders that their buyers were told of so far. */
  readonly acknowledged: ReadonlySet<string>;
  /** Everything that a buyer or a viewer should never have seen. */
  readonly complaints: readonly string[];
  /** Resolves once so many more orders are acknowledged. */
  more(orders: number): Promise<void>;
  /** Lets every buyer finish, and says what is wrong at the end: nothing must be. */
  finish(): Promise<readonly string[]>;
};

/**
 * A sale that goes on while servers come and go: buyers over HTTP and over sockets, each order under a key of its own and sent again until
 * there is a definite answer, and viewers who only look on. Sockets are the pages' own client.
 */
export async function startSale(
  server: Pick<ServerProcess, 'url' | 'token'>,
  options: { livestreamId: string; units: number; httpBuyers: number; socketBuyers: number; viewers: number },
): Promise<Sale> {
  const { livestreamId, units } = options;
  const api = new ApiClient(server.url, { connections: 40, timeoutMs: 10_000 });
  const stage = await buildStage(api, await server.token({ role: 'admin' }), {
    livestreamId,
    title: 'A sale in a deploy',
    holdTtlMs: 600_000,
    items: [{ skuId, title: 'Tea', priceMinor: 990, currency: 'CNY', allotted: units }],
  });
  const { connect } = (await import(clientModule)) as { connect: (options: object) => PageClient };
  const acknowledged = new Set<string>();
  const complaints: string[] = [];
  const clients: PageClient[] = [];
  let over = false;

  const follow = async (buyerId: string | null): Promise<PageClient> => {
    const token = await server.token({ role: 'viewer', livestreamId, buyerId });
    const client = connect({ url: server.url, livestreamId, lane: 'viewers', token, storage: memory() });
    client.subscribe(({ connection }) => {
      if (connection.kind === 'refused')
        complaints.push(`${buyerId ?? 'a viewer'} was refused: ${connection.error?.code}`);
    });
    clients.push(client);
    return client;
  };

  const buyOverHttp = async (buyer: number): Promise<void> => {
    for (let number = 1; !over; number += 1) {
      const buyerId = `http-${buyer}-${number}`;
      const token = await server.token({ role: 'viewer', livestreamId, buyerId });
      await insist(async () => {
        const body = { idempotencyKey: `key-of-${buyerId}`, lines: [{ skuId, quantity: 1 }] };
        const answer = await api.call(routes.placeOrder, { token, params: { livestreamId }, body });
        if (answer.ok) acknowledged.add(answer.answer.order.orderId);
        else if (answer.error.action === 'retry') return 'again';
        else complaints.push(`${buyerId}: ${answer.error.code}`);
        return 'decided';
      });
      await wait(20);
    }
  };
  const buyOverSocket = async (buyer: number): Promise<void> => {
    const client = await follow(`socket-${buyer}`);
    while (!over) {
      await insist(async () => {
        const result = await client.placeOrder([{ skuId, quantity: 1 }]);
        if (result.kind === 'accepted') acknowledged.add(result.order.orderId);
        if (result.kind === 'refused') complaints.push(`socket-${buyer}: ${result.error.code}`);
        // The same lines again continue the attempt, with its key.
        return result.kind === 'undecided' ? 'again' : 'decided';
      });
      await wait(20);
    }
  };
  for (let viewer = 0; viewer < options.viewers; viewer += 1) await follow(null);
  const buyers = [
    ...Array.from({ length: options.httpBuyers }, (_, index) => buyOverHttp(index)),
    ...Array.from({ length: options.socketBuyers }, (_, index) => buyOverSocket(index)),
  ];

  const findings = async (): Promise<string[]> => {
    const audit = await api.need(routes.getAudit, { token: stage.operatorToken, params: { livestreamId } });
    const [item] = audit.items;
    const orders = await allOrders(api, stage.operatorToken, livestreamId);
    const found = orders.map(({ orderId }) => orderId);
    const left = units - acknowledged.size;
    const shown = clients.map((client) => client.level(0)?.shown);
    return [
      ...(audit.drift === 0 ? [] : [`gate and ledger differ by ${audit.drift}`]),
      ...(item?.ledger.held === acknowledged.size
        ? []
        : [`${item?.ledger.held} units held, ${acknowledged.size} told`]),
      ...found.filter((orderId) => !acknowledged.has(orderId)).map((orderId) => `${orderId}: nobody was told of it`),
      ...[...acknowledged].filter((orderId) => !found.includes(orderId)).map((orderId) => `${orderId} is lost`),
      ...(shown.every((units) => units === left)
        ? []
        : [`${left} are left, clients show ${[...new Set(shown)].join()}`]),
    ];
  };

  return {
    acknowledged,
    complaints,
    async more(orders) {
      const wanted = acknowledged.size + orders;
      await until(() => acknowledged.size >= wanted, `${orders} more orders`);
    },
    async finish() {
      over = true;
      await Promise.all(buyers);
      let last: string[] = ['never looked'];
      await until(async () => (last = await findings().catch((error: unknown) => [String(error)])).length === 0).catch(
        () => undefined,
      );
      for (const client of clients) client.close();
      api.close();
      return [...complaints, ...last];
    },
  };
}

const patienceMs = 300_000;

async function insist(attempt: () => Promise<'again' | 'decided'>): Promise<void> {
  const deadlineMs = Date.now() + patienceMs;
  while (Date.now() < deadlineMs) {
    const outcome = await attempt().catch((error: unknown) => {
      if (error instanceof Unanswered) return 'again';
      throw error;
    });
    if (outcome === 'decided') return;
    await wait(100);
  }
  throw new Error(`no definite answer within ${patienceMs / 1_000} s`);
}

export async function until(holds: () => boolean | Promise<boolean>, what = 'it'): Promise<void> {
  const deadlineMs = Date.now() + patienceMs;
  while (!(await holds())) {
    if (Date.now() > deadlineMs) throw new Error(`${what}: not within ${patienceMs / 1_000} s`);
    await wait(50);
  }
}

async function allOrders(api: ApiClient, token: string, livestreamId: string): Promise<OrderForOperator[]> {
  const orders: OrderForOperator[] = [];
  for (;;) {
    const before = orders.at(-1)?.orderId;
    const query = { limit: '200', ...(before === undefined ? {} : { before }) };
    const page = await api.need(routes.listOrders, { token, params: { livestreamId }, query });
    orders.push(...page.orders);
    if (page.orders.length < 200) return orders;
  }
}

function memory() {
  const kept = new Map<string, string>();
  return {
    getItem: (name: string) => kept.get(name) ?? null,
    setItem: (name: string, text: string) => void kept.set(name, text),
    removeItem: (name: string) => void kept.delete(name),
  };
}
