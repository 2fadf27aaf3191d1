import type { LivestreamInfo } from '../../contract/livestreams.ts';
import type { Clock } from '../../server/lib/clock.ts';
import type { LivestreamCatalogue } from '../../server/livestreams/livestream-catalogue.ts';
import { StatementRefused } from '../../server/orders/ledger-errors.ts';
import type { NewOrder, OrderLedger } from '../../server/orders/order-ledger.ts';
import { GateUnavailable, type StockEngine } from '../../server/stock/stock-engine.ts';
import type { At, GateServer } from './gate-server.ts';
import type { LivestreamRow } from './ledger-state.ts';
import type { Follower, Shop } from './shop.ts';
import type { Actor } from './world.ts';

/** The gate as a node has it: over a link, with the node's own clock. */
export function gateOverLink(shop: Shop, actor: Actor, clock: Clock): StockEngine {
  const ask = <Answer>(
    label: string,
    serve: (server: GateServer, at: At) => Answer,
    mayRepeat = false,
  ): Promise<Answer> => {
    // G2: the identity is read when the connection is made, and sent with every script.
    const server = shop.serverOf(actor);
    const at = { identity: server.identity, nowMs: clock.now() };
    return shop.gateLink.call(actor, { label, serve: () => serve(server, at), mayRepeat });
  };
  return {
    reserve: (id, requests) => {
      const label = `reserve ${requests.map(({ rid, lines }) => `${rid} ${lines.map((l) => `${l.quantity}×${l.skuId}`).join('+')}`).join(', ')}`;
      // G3: the same rid may arrive again only where its key keeps the answer.
      const mayRepeat = requests.every(({ key }) => key !== null);
      return ask(label, (server, at) => server.reserve(at, id, requests), mayRepeat);
    },
    confirm: (id, attempts) =>
      ask(`confirm ${attempts.map(({ rid }) => rid).join()}`, (server, at) => server.confirm(at, id, attempts), true),
    settle: (id, rids) => ask(`settle ${rids.join()}`, (server, at) => server.settle(at, id, rids), true),
    release: (id, attempts) =>
      ask(
        `release ${attempts.map(({ rid, unbind }) => `${rid}${unbind ? ' unbind' : ''}`).join()}`,
        (server, at) => server.release(at, id, attempts),
        true,
      ),
    putItems: (id, items, infoRev) =>
      ask(
        `putItems ${items.map(({ skuId, pool }) => `${skuId}=${pool.allotted} rev ${pool.rev}`).join()}`,
        (server, at) => server.putItems(at, id, items, infoRev),
        true,
      ),
    read: (id) => ask('read', (server, at) => server.read(at, id)),
    peek: (id) => ask('peek', (server, at) => server.peek(at, id)),
    holds: (id) => ask('holds', (server, at) => server.holds(at, id)),
    overdue: (id, limit) => ask('overdue', (server, at) => server.overdue(at, id, limit)),
    begin: (id, options) => {
      const newNonce = shop.newNonce();
      return ask('begin', (server, at) => server.begin(at, id, newNonce, options?.force === true));
    },
    load: (id, nonce, snapshot) =>
      ask(`load epoch ${snapshot.epoch}`, (server, at) => server.load(at, id, nonce, snapshot), true),
    prune: (id, limit) => ask('prune', (server, at) => server.prune(at, id, limit)),
    archive: (id) => ask('archive', (server) => server.archive(id)),
    async follow(id, listener) {
      const follower: Follower = {
        actor,
        server: shop.serverOf(actor),
        hear: (change) => listener.change(change),
        interrupted: () => listener.interrupted(),
      };
      return await ask(`follow ${id}`, (server) => {
        follower.server = server;
        const stop = shop.follow(follower);
        return async () => stop();
      });
    },
    close: () => Promise.reject(new GateUnavailable('a process that dies closes nothing')),
  };
}

const changesNothing: ReadonlySet<string> = new Set<keyof OrderLedger>([
  'find',
  'ordersOfBuyer',
  'orders',
  'recentResolutions',
  'audit',
  'revisions',
  'definitions',
  'openOrders',
  'countRefundDue',
]);

const methods = [
  'append',
  'resolve',
  'find',
  'ordersOfBuyer',
  'orders',
  'pay',
  'payReacquired',
  'markRefundDue',
  'cancel',
  'expireDue',
  'refund',
  'recentResolutions',
  'fenceAndRead',
  'audit',
  'revisions',
  'definitions',
  'openOrders',
  'countRefundDue',
] as const satisfies readonly (keyof OrderLedger)[];

/** The ledger as a node has it: every method one statement over a link. */
export function ledgerOverLink(shop: Shop, actor: Actor): OrderLedger {
  const entries = methods.map((name) => [
    name,
    (...args: unknown[]) =>
      ledgerCall(shop, actor, { label: `${name} ${labelOf(name, args)}`, mayRepeat: !changesNothing.has(name) }, () =>
        (shop.ledger[name] as (...given: unknown[]) => unknown)(...args),
      ),
  ]);
  const ledger = Object.fromEntries(entries) as OrderLedger;
  const append = (orders: readonly NewOrder[]) => {
    const label = `append ${labelOf('append', [orders])}`;
    return ledgerCall(shop, actor, { label, mayRepeat: true }, () => {
      const outcomes = shop.ledger.append(orders);
      shop.onAppend(orders, outcomes);
      return outcomes;
    });
  };
  return { ...ledger, append };
}

export function ledgerCall<Answer>(
  shop: Shop,
  actor: Actor,
  { label, mayRepeat }: { label: string; mayRepeat: boolean },
  statement: () => Answer,
): Promise<Answer> {
  const serve = (beganAtMs: number): Answer => {
    shop.ledger.nowMs = beganAtMs + shop.ledgerSkewMs;
    try {
      return statement();
    } catch (error) {
      if (!(error instanceof Error) || error.name !== 'CheckViolation') throw error;
      shop.world.violate('I1', `the last defence was needed: ${error.message} in ${label}`);
      throw new StatementRefused('23514', error.message, error);
    } finally {
      if (mayRepeat) shop.onLedger();
    }
  };
  return shop.ledgerLink.call(actor, { label, serve, mayRepeat });
}

function labelOf(name: string, args: readonly unknown[]): string {
  if (name !== 'append') return args.map((arg) => (typeof arg === 'string' ? arg : JSON.stringify(arg))).join(' ');
  return (args[0] as { rid: string; epoch: number }[]).map(({ rid, epoch }) => `${rid} epoch ${epoch}`).join(', ');
}

/** What a node asks of the catalogue. */
export function catalogueOverLink(shop: Shop, actor: Actor): Pick<LivestreamCatalogue, 'active' | 'info' | 'archive'> {
  return {
    active: () => ledgerCall(shop, actor, { label: 'active', mayRepeat: false }, () => shop.catalogue.active()),
    info: (id) =>
      ledgerCall(shop, actor, { label: 'info', mayRepeat: false }, () => {
        const row = shop.ledger.tables.livestreams.get(id);
        return row === undefined ? null : infoOf(row);
      }),
    archive: (id) => ledgerCall(shop, actor, { label: 'archive', mayRepeat: true }, () => shop.catalogue.archive(id)),
  };
}

function infoOf(row: LivestreamRow): LivestreamInfo {
  const { livestreamId, state, holdTtlMs, infoRev } = row;
  const text = { zh: '夜场', en: 'Night' };
  return {
    livestreamId,
    title: text,
    state,
    scheduledAtMs: null,
    startedAtMs: 1,
    endedAtMs: state === 'ended' ? 1 : null,
    holdTtlMs,
    pinnedSkuId: null,
    infoRev,
    items: row.items.map(({ index, skuId, unitPriceMinor, currency, limits, salePolicy, sale, opensAtMs }) => ({
      index,
      skuId,
      productId: skuId,
      title: text,
      spec: [],
      imageUrl: null,
      unitPriceMinor,
      currency,
      limits,
      salePolicy,
      display: { kind: 'exact' },
      sale,
      opensAtMs,
    })),
  };
}
