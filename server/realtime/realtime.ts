import type { Server as HttpServer, IncomingMessage } from 'node:http';
import { setTimeout as wait } from 'node:timers/promises';
import type { Logger } from 'pino';
import { Server } from 'socket.io';
import { Order } from '../../contract/orders.ts';
import type { AccessControl } from '../auth/access-control.ts';
import type { OverlayTokens } from '../auth/overlay-tokens.ts';
import type { EmitTo } from '../fanout/audience.ts';
import { FrameWriter } from '../fanout/frame-writer.ts';
import { checkFrameWriter } from '../fanout/frame-writer-check.ts';
import type { Presence } from '../fanout/presence.ts';
import type { FanoutSettings } from '../fanout/room.ts';
import { buyerRoomOf } from '../fanout/rooms.ts';
import { StockFanout } from '../fanout/stock-fanout.ts';
import type { Clock } from '../lib/clock.ts';
import { systemTimers } from '../lib/timers.ts';
import { anonymousViewers } from '../livestreams/anonymous-viewers.ts';
import type { LivestreamCatalogue } from '../livestreams/livestream-catalogue.ts';
import type { Metrics } from '../metrics/metrics.ts';
import type { OrderService } from '../orders/order-service.ts';
import type { StockEngine } from '../stock/stock-engine.ts';
import { audienceEmitter } from './audience-emitter.ts';
import { clientEventHandlers } from './client-event-handlers.ts';
import { ClientSession, type SessionLimits, sessionLimits } from './client-session.ts';
import { DirectReads } from './direct-reads.ts';
import { checkDirectReads } from './direct-reads-check.ts';
import { dispatcher } from './event-dispatch.ts';
import { gatekeeper, type HandshakeSettings, originAllowed, type RealtimeServer } from './handshake.ts';
import { moveClients } from './move-clients.ts';
import { overlaySockets } from './overlay-sockets.ts';
import { packetParser, takeAcks } from './packets.ts';
import { compactSocket, releaseHandshake } from './slim-socket.ts';

export type RealtimeSettings = HandshakeSettings & {
  readonly limits?: SessionLimits;
  readonly fanout?: Partial<FanoutSettings>;
  /** WebSocket first; long polling for networks that let nothing else through. */
  readonly transports?: readonly ('websocket' | 'polling')[];
  /** Begins the id of every session, so that processes which share an address can tell whose it is. */
  readonly sessionTag?: string;
  /** How often open connections of overlays are checked against the database. */
  readonly overlayRecheckMs?: number;
};

export type RealtimeParts = {
  readonly httpServer: HttpServer;
  readonly engine: StockEngine;
  readonly catalogue: Pick<LivestreamCatalogue, 'info' | 'allowsAnonymous'>;
  readonly orders: OrderService;
  readonly access: AccessControl;
  /** Absent: overlays' tokens open nothing. */
  readonly overlays?: Pick<OverlayTokens, 'verify' | 'stillValid'>;
  readonly metrics: Metrics;
  /** Durations: should not be set back. */
  readonly clock: Clock;
  /** What clients are told the time is; default: `clock`. */
  readonly wallClock?: Clock;
  readonly log: Logger;
  readonly presence: Presence;
  /** Socket.IO's adapter between nodes, for everything but levels; null or absent with one node. */
  readonly adapter?: Parameters<Server['adapter']>[0] | null;
  readonly settings: RealtimeSettings;
  /** B4: a gate that goes backwards has to be rebuilt. */
  readonly onGateBackwards?: (livestreamId: string) => void;
};

export type Realtime = {
  /** Tells every socket of this buyer in this livestream, on any node, that an order changed its state. */
  notifyOrder(livestreamId: string, buyerId: string, order: Order): void;
  readonly emitTo: EmitTo;
  /** Ends every connection that came in with this overlay's token, on every node. */
  disconnectOverlay(overlayId: string): void;
  readonly sockets: number;
  /**
   * Lets nobody in any more and sends the clients to other nodes, each at its own moment, in `withinMs` at most and as fast as nodes take them.
   * Who does not go by itself is disconnected a moment after its own. Resolves when all are gone, or then.
   */
  move(withinMs: number): Promise<void>;
  /** Tells clients why, disconnects them, stops following gates. Idempotent. */
  stop(reason: string): Promise<void>;
};

/** The Socket.IO rim on a node:http server that somebody else listens with and closes. */
export function createRealtime(parts: RealtimeParts): Realtime {
  const { metrics, clock, log, settings } = parts;
  let stopping: Promise<void> | null = null;
  let moving: Promise<void> | null = null;
  const io = openServer(parts, () => stopping !== null || moving !== null);
  nameSessions(io, settings.sessionTag ?? '');
  const writer = new FrameWriter(io);
  const reads = new DirectReads();
  const checked = checkShortWays(writer, reads, log);
  const fanout = new StockFanout({
    ...parts,
    writer,
    timers: systemTimers,
    onGateBackwards: parts.onGateBackwards ?? (() => {}),
    settings: settings.fanout ?? {},
  });
  const dispatch = dispatcher({
    handlers: clientEventHandlers({ ...parts, fanout, allowsAnonymous: anonymousViewers(parts) }),
    clock,
    log,
  });
  const limits = settings.limits ?? sessionLimits;

  const overlays = overlaySockets({
    io,
    log,
    overlays: parts.overlays ?? { stillValid: async () => new Set() },
    ...(settings.overlayRecheckMs === undefined ? {} : { recheckMs: settings.overlayRecheckMs }),
  });

  const enter = gatekeeper(parts);
  io.use((socket, next) => void enter(socket, next));
  io.on('connection', (socket) => {
    const { grants } = socket.data;
    const session = new ClientSession({ socket, line: writer.lineOf(socket), grants, limits, clock });
    metrics.sockets.inc();
    for (const { livestreamId, buyerId } of grants) {
      if (livestreamId !== null && buyerId !== null) void socket.join(buyerRoomOf(livestreamId, buyerId));
    }
    void overlays.enter(socket);
    releaseHandshake(socket);
    takeAcks(socket, session);
    reads.attach(socket, session);
    socket.onAny((event: unknown, ...args: unknown[]) => void dispatch(session, event, args));
    socket.on('disconnect', () => {
      session.leaveAll();
      metrics.sockets.dec();
    });
    // Last: every listener is there.
    compactSocket(socket);
  });

  const stop = async (reason: string): Promise<void> => {
    io.local.emit('server:stopping', { reason });
    await overlays.stop();
    await checked;
    await fanout.close();
    // What was written last still has to leave.
    await wait(50);
    // Closing the connections, not the namespaces: clients then come back by themselves.
    io.engine.close();
    await io.of('/').adapter.close();
  };
  return {
    notifyOrder(livestreamId, buyerId, order) {
      // Exactly what the contract says of an order, whatever else it carries inside the server.
      io.to(buyerRoomOf(livestreamId, buyerId)).emit('order:changed', Order.parse(order));
    },
    emitTo: audienceEmitter({ io, log }),
    disconnectOverlay: (overlayId) => overlays.disconnect(overlayId),
    get sockets() {
      return io.of('/').sockets.size;
    },
    move: (withinMs) => (moving ??= moveClients({ io, withinMs, clock })),
    stop: (reason) => (stopping ??= stop(reason)),
  };
}

function nameSessions({ engine }: RealtimeServer, tag: string): void {
  // Socket.IO's types leave out what its engine documents as the way to make ids of one's own.
  const { generateId } = engine as { generateId: (req: IncomingMessage) => string };
  Object.assign(engine, { generateId: (req: IncomingMessage) => tag + generateId.call(engine, req) });
}

const checkWithinMs = 5_000;

/** Levels and acknowledgements go the short ways as soon as those have been seen to work here; until then, and if they do not, the long ones. */
async function checkShortWays(writer: FrameWriter, reads: DirectReads, log: Logger): Promise<void> {
  const [writing, reading] = [
    await checkFrameWriter(systemTimers, checkWithinMs),
    await checkDirectReads(systemTimers, checkWithinMs),
  ];
  if (writing.kind === 'same') writer.goDirect();
  if (reading.kind === 'same') reads.goDirect();
  for (const outcome of [writing, reading]) {
    if (outcome.kind === 'same') continue;
    const { reason } = outcome;
    log.warn({ reason }, 'levels go the ordinary way, which costs more: the check of the short way failed');
  }
}

function openServer({ httpServer, adapter, settings }: RealtimeParts, isStopping: () => boolean): RealtimeServer {
  const { allowedOrigins, transports = ['websocket', 'polling'] } = settings;
  return new Server(httpServer, {
    path: '/socket.io',
    serveClient: false,
    parser: packetParser,
    transports: [...transports],
    // Measured: 74 µs and 242 KB a connection for nothing, frames have some 90 bytes.
    perMessageDeflate: false,
    httpCompression: false,
    maxHttpBufferSize: 16_384,
    pingInterval: 20_000,
    // A phone that reads nothing for half a minute (a lift, a call, a page in the background) is still there afterwards.
    pingTimeout: 45_000,
    connectTimeout: 10_000,
    cleanupEmptyChildNamespaces: true,
    // Long polling from a shop's own pages; WebSockets know no CORS, their origin is checked by us.
    ...(allowedOrigins.length === 0 ? {} : { cors: { origin: [...allowedOrigins], credentials: false } }),
    allowRequest: (req, callback) => callback(null, !isStopping() && originAllowed(req, settings)),
    ...(adapter === undefined || adapter === null ? {} : { adapter }),
  });
}
