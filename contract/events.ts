import * as z from 'zod/mini';
import { Alert } from './alerts.ts';
import type { WireError } from './errors.ts';
import { FullRow, Lane, StockHeartbeat, StockLevels, ViewerRow } from './levels.ts';
import { LivestreamInfo } from './livestreams.ts';
import { Order, OrderAnswer, PlaceOrder } from './orders.ts';
import { CurveMarker, CurvePoints, PaceState } from './pace.ts';
import { Epoch, Id, InstantMs, Version } from './primitives.ts';

/** A complete picture: of everything on join or in a new epoch, or only of rows newer than `resume` on reconnect. */
export const StockSnapshot = z.object({
  livestreamId: Id,
  lane: Lane,
  frame: z.int(),
  epoch: Epoch,
  upTo: Version,
  /** False: only rows newer than the client's `upTo`, to be merged. */
  complete: z.boolean(),
  rows: z.array(z.union([ViewerRow, FullRow])),
  serverNowMs: InstantMs,
  viewers: z.int(),
  stale: z.boolean(),
});
export type StockSnapshot = z.infer<typeof StockSnapshot>;

/** Events that the server sends, with their payloads. */
export const serverEvents = {
  'stock:snapshot': StockSnapshot,
  'stock:levels': StockLevels,
  'stock:heartbeat': StockHeartbeat,
  /** Price, pin, limits, sale state, a new item, the end: the whole public description again. */
  'livestream:changed': LivestreamInfo,
  /** One of the buyer's own orders changed its state. */
  'order:changed': Order,
  /** To operators: an alert was raised, acknowledged, escalated, silenced or resolved, on any node. */
  'alert:state': Alert,
  /** To operators and the anchor's own screen. */
  'pace:state': PaceState,
  /** To operators and anchors, on air too: new samples of the consumption curves. */
  'curve:points': CurvePoints,
  'curve:marker': z.object({ livestreamId: Id, marker: CurveMarker }),
  /** This server ends soon: a client goes to another one in so many ms, each at its own moment; who stays is disconnected a moment later. */
  'server:moving': z.object({ inMs: z.int().check(z.minimum(0)) }),
  /** This server stops; the connection closes now, and a client comes back by itself, to another node or to the next start. */
  'server:stopping': z.object({ reason: z.string() }),
} as const;

export const Resume = z.object({ epoch: Epoch, upTo: Version });

export const JoinLivestream = z.object({
  livestreamId: Id,
  protocolVersion: z.int(),
  lane: Lane,
  resume: z.optional(Resume),
});
/** The acknowledgement of a join comes after `stock:snapshot` has been sent. */
export const JoinAnswer = z.object({ livestream: LivestreamInfo, buyerId: z.nullable(Id) });

/** The last frame that the client has worked off: every 8 to 16 frames, or once a second under traffic. */
export const AckFrame = z.object({ livestreamId: Id, frame: z.int() });
export const Resync = z.object({ livestreamId: Id, resume: z.optional(Resume) });
export const LeaveLivestream = z.object({ livestreamId: Id });
export const PlaceOrderOverSocket = z.extend(PlaceOrder, { livestreamId: Id });
export const CancelOrder = z.object({ livestreamId: Id, orderId: Id });
export const ListOrders = z.object({ livestreamId: Id });

const nothing = z.object({});

/** Events that clients send: `payload`, and what the acknowledgement carries when it is `ok`. */
export const clientEvents = {
  'livestream:join': { payload: JoinLivestream, answer: JoinAnswer },
  'livestream:leave': { payload: LeaveLivestream, answer: nothing },
  'stock:ack': { payload: AckFrame, answer: nothing },
  /** Answered by a `stock:snapshot`. */
  'stock:resync': { payload: Resync, answer: nothing },
  'order:place': { payload: PlaceOrderOverSocket, answer: OrderAnswer },
  'order:cancel': { payload: CancelOrder, answer: z.object({ order: Order }) },
  'order:list': { payload: ListOrders, answer: z.object({ orders: z.array(Order) }) },
} as const;

/** Every acknowledgement: `{ok: true, …answer}` or `{ok: false, error}`. */
export type Ack<Answer> = ({ ok: true } & Answer) | { ok: false; error: WireError };

type ServerPayloads = { [Name in keyof typeof serverEvents]: z.infer<(typeof serverEvents)[Name]> };
export type ServerEvents = { [Name in keyof ServerPayloads]: (payload: ServerPayloads[Name]) => void };
export type ClientEvents = {
  [Name in keyof typeof clientEvents]: (
    payload: z.input<(typeof clientEvents)[Name]['payload']>,
    acknowledge: (answer: Ack<z.infer<(typeof clientEvents)[Name]['answer']>>) => void,
  ) => void;
};
