import { gatherEvidence, judge, type Receipt } from '../lib/audit.ts';
import { overHttp, type Placed, placeOrder, type SendOrder } from '../lib/buyer.ts';
import { delay } from '../lib/limiter.ts';
import { seededRandom } from '../lib/random.ts';
import type { Viewer } from '../lib/viewer.ts';
import type { ClusterStage } from './cluster-stage.ts';

export type PlacedOrder = {
  readonly placed: Placed;
  readonly skuId: string;
  /** The node that was asked first. */
  readonly node: number;
  /** When it was due and when it had its answer, on `performance.now`. */
  readonly dueAtMs: number;
  readonly answeredAtMs: number;
};

/** Orders at a fixed rate from now on, in turns over the nodes, until `stop`; a repetition goes to the next node, with the same key. */
export function sellOverNodes(cluster: ClusterStage, ratePerSecond: number) {
  const { nodes, stage, skuIds, buyerTokens } = cluster;
  const random = seededRandom(1);
  const run = Date.now().toString(36);
  const all: Promise<PlacedOrder>[] = [];
  const burst = { going: true };

  const order = async (index: number, dueAtMs: number): Promise<PlacedOrder> => {
    const token = buyerTokens[index % buyerTokens.length] ?? '';
    const [node, skuId] = [index % nodes.length, skuIds[index % skuIds.length] ?? ''];
    const sends = nodes.map(({ api }) => overHttp(api, stage.livestreamId, token));
    let attempt = node - 1;
    const send: SendOrder = (body) => {
      attempt += 1;
      const sender = sends[attempt % sends.length];
      if (sender === undefined) throw new Error('a cluster has a node');
      return sender(body);
    };
    const body = { idempotencyKey: `${run}-${index}`, lines: [{ skuId, quantity: 1 }] };
    const placed = await placeOrder(send, body, { attemptsMax: 20, random, now: () => performance.now() });
    return { placed, skuId, node, dueAtMs, answeredAtMs: performance.now() };
  };
  const loop = (async (): Promise<void> => {
    const startMs = performance.now();
    for (let index = 0; burst.going; index += 1) {
      const dueAtMs = startMs + (index * 1_000) / ratePerSecond;
      if (dueAtMs > performance.now()) await delay(Math.max(1, dueAtMs - performance.now()));
      all.push(order(index, dueAtMs));
    }
  })();
  return {
    async stop(): Promise<readonly PlacedOrder[]> {
      burst.going = false;
      await loop;
      return Promise.all(all);
    },
  };
}

/** From the moment at which an order was due, so that a server that does not keep up is charged for it. */
export const latencyOf = ({ answeredAtMs, dueAtMs }: PlacedOrder): number => answeredAtMs - dueAtMs;

/** What must not have happened: an acknowledged order that is lost or doubled, a level that is wrong, a gate that differs. */
export async function findingsOf(
  cluster: ClusterStage,
  orders: readonly PlacedOrder[],
  watchers: readonly Viewer[],
): Promise<readonly string[]> {
  const [first] = cluster.nodes;
  if (first === undefined) throw new Error('a cluster has a node');
  const findings: string[] = [];
  const receipts: Receipt[] = [];
  for (const { placed, skuId } of orders) {
    if (placed.answer.kind === 'accepted' || placed.answer.kind === 'duplicate') {
      receipts.push({ orderId: placed.answer.order.orderId, skuId, quantity: 1, state: 'open' });
    } else findings.push(`an order was not placed: ${JSON.stringify(placed.answer)}`);
  }
  if (new Set(receipts.map(({ orderId }) => orderId)).size !== receipts.length)
    findings.push('two buyers got one order');
  const evidence = await gatherEvidence({
    api: first.api,
    livestreamId: cluster.stage.livestreamId,
    operatorToken: cluster.stage.operatorToken,
    watchers: watchers.map(({ book }, index) => ({ name: `viewer ${index + 1}`, book })),
    receipts,
    patienceMs: 20_000,
    holdsRemain: true,
    now: () => performance.now(),
  });
  if (evidence.orders.length !== orders.length) {
    findings.push(`${orders.length} orders were placed, the ledger has ${evidence.orders.length}`);
  }
  return [...findings, ...judge(evidence)];
}
