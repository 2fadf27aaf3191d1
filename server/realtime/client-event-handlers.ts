import type * as z from 'zod/mini';
import type { Grant } from '../../contract/access.ts';
import type { clientEvents } from '../../contract/events.ts';
import type { Lane } from '../../contract/levels.ts';
import { Order } from '../../contract/orders.ts';
import { PROTOCOL_VERSION } from '../../contract/protocol-version.ts';
import { permits } from '../auth/access-control.ts';
import { airRoomOf, laneRoomOf } from '../fanout/rooms.ts';
import type { StockFanout } from '../fanout/stock-fanout.ts';
import { buyerOf, placedBody } from '../http/order-answer.ts';
import { actorOf, HttpError, refusedWith } from '../http/request.ts';
import type { Metrics } from '../metrics/metrics.ts';
import type { OrderService } from '../orders/order-service.ts';
import { GateUnavailable } from '../stock/stock-engine.ts';
import type { ClientSession } from './client-session.ts';
import { JoinedAnswer } from './packets.ts';

type Events = typeof clientEvents;
export type ClientEventName = keyof Events;
type Payload<Name extends ClientEventName> = z.output<Events[Name]['payload']>;

/** A handler gets a parsed payload and returns what the acknowledgement carries; it throws `HttpError` for a refusal. */
export type ClientEventHandlers = {
  readonly [Name in ClientEventName]: (
    session: ClientSession,
    payload: Payload<Name>,
  ) => Promise<z.input<Events[Name]['answer']>>;
};

export type HandlerDeps = {
  readonly fanout: StockFanout;
  /** See `anonymousViewers`. */
  readonly allowsAnonymous: (livestreamId: string) => Promise<boolean | null>;
  readonly orders: OrderService;
  readonly metrics: Metrics;
};

/** One function per client event. A join answers after its snapshot has been sent. */
export function clientEventHandlers(deps: HandlerDeps): ClientEventHandlers {
  return { ...levelHandlers(deps), ...orderHandlers(deps) };
}

function levelHandlers({
  fanout,
  allowsAnonymous,
}: HandlerDeps): Pick<ClientEventHandlers, 'livestream:join' | 'livestream:leave' | 'stock:ack' | 'stock:resync'> {
  return {
    async 'livestream:join'(session, { livestreamId, protocolVersion, lane, resume }) {
      if (protocolVersion !== PROTOCOL_VERSION)
        throw new HttpError('protocol_mismatch', { protocolVersion: PROTOCOL_VERSION });
      const grant = await grantForLane(session, livestreamId, lane, allowsAnonymous);
      const { memberships, joining, limits } = session;
      const others = new Set([...memberships.map((one) => one.livestreamId), ...joining]);
      if (joining.includes(livestreamId) || (!others.has(livestreamId) && others.size >= limits.livestreamsMax)) {
        throw new HttpError('conflict', { message: tooManyJoins(limits.livestreamsMax) });
      }
      session.joining = [...joining, livestreamId];
      try {
        leave(session, livestreamId);
        const { socket, line } = session;
        const onAir = lane === 'viewers' && permits(session.grants, 'watch_curves', livestreamId) !== null;
        const place = { livestreamId, lane, socket: line, resume, counted: !onAir };
        const membership = await fanout.join(place).catch(unavailableGate);
        if (membership === null) throw new HttpError('route_not_found');
        if (session.left) {
          membership.leave();
          throw new HttpError('unavailable');
        }
        session.memberships = [...session.memberships, membership];
        // An anchor or operator in the viewers' lane sees what goes on air: overlays there, and previews of them.
        await socket.join([laneRoomOf(livestreamId, lane), ...(onAir ? [airRoomOf(livestreamId)] : [])]);
        return new JoinedAnswer(membership.info(), grant.buyerId);
      } finally {
        session.joining = session.joining.filter((id) => id !== livestreamId);
      }
    },
    async 'livestream:leave'(session, { livestreamId }) {
      leave(session, livestreamId);
      return {};
    },
    async 'stock:ack'(session, { livestreamId, frame }) {
      // An acknowledgement that crosses a leave is nobody's mistake.
      session.membershipOf(livestreamId)?.acknowledge(frame);
      return {};
    },
    async 'stock:resync'(session, { livestreamId, resume }) {
      const membership = session.membershipOf(livestreamId);
      if (membership === undefined) throw new HttpError('conflict', { message: joinFirst });
      if (!(await membership.resync(resume))) throw new HttpError('rate_limited', { minBackoffMs: 10_000 });
      return {};
    },
  };
}

function orderHandlers({
  orders,
  metrics,
}: HandlerDeps): Pick<ClientEventHandlers, 'order:place' | 'order:cancel' | 'order:list'> {
  return {
    async 'order:place'(session, { livestreamId, ...order }) {
      const stop = metrics.orderSeconds.startTimer({ via: 'socket' });
      try {
        const outcome = await orders.place(livestreamId, buyerOf(grantForOrders(session, livestreamId), order), order);
        if (outcome.kind === 'refused') throw refusedWith(outcome.error);
        return placedBody(outcome);
      } finally {
        stop();
      }
    },
    async 'order:cancel'(session, { livestreamId, orderId }) {
      const operator = permits(session.grants, 'manage', livestreamId);
      const by = operator ?? grantForOrders(session, livestreamId);
      const outcome = await orders.cancel(livestreamId, orderId, operator === null ? by.buyerId : null, actorOf(by));
      if (outcome.kind === 'refused') throw refusedWith(outcome.error);
      return { order: Order.parse(outcome.order) };
    },
    async 'order:list'(session, { livestreamId }) {
      const { buyerId } = buyerOf(grantForOrders(session, livestreamId));
      const own = await orders.ordersOf(livestreamId, buyerId);
      return { orders: own.map((order) => Order.parse(order)) };
    },
  };
}

function leave(session: ClientSession, livestreamId: string): void {
  const membership = session.membershipOf(livestreamId);
  if (membership === undefined) return;
  membership.leave();
  session.memberships = session.memberships.filter((one) => one !== membership);
  void session.socket.leave(laneRoomOf(livestreamId, membership.lane));
  void session.socket.leave(airRoomOf(livestreamId));
}

/** I8: which lane a grant opens. Every lane but the viewers' shows held and sold. */
async function grantForLane(
  { grants }: ClientSession,
  livestreamId: string,
  lane: Lane,
  allowsAnonymous: HandlerDeps['allowsAnonymous'],
): Promise<Grant> {
  const grant = permits(
    grants,
    lane === 'viewers' ? 'watch' : lane === 'operators' ? 'manage' : 'watch_full',
    livestreamId,
  );
  // `watch_full` also includes services, which have no eyes.
  if (grant === null || (lane === 'anchor' && grant.role === 'service')) throw new HttpError('forbidden');
  if (grant.role === 'viewer' && grant.buyerId === null && !(await allowsAnonymous(livestreamId))) {
    throw new HttpError('forbidden');
  }
  return grant;
}

function grantForOrders({ grants }: ClientSession, livestreamId: string): Grant {
  const grant = permits(grants, 'order', livestreamId);
  if (grant === null) throw new HttpError('forbidden');
  return grant;
}

function unavailableGate(error: unknown): never {
  if (error instanceof GateUnavailable) throw new HttpError('unavailable');
  throw error;
}

const joinFirst = { zh: '请先加入该直播间', en: 'Join the livestream first.' };
const tooManyJoins = (max: number) => ({
  zh: `同一连接最多同时加入 ${max} 场直播，且每场一次只能加入一次`,
  en: `One connection joins at most ${max} livestreams at a time, each of them once.`,
});
