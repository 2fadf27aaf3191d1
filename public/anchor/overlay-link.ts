import type { WireError } from '../../contract/errors.ts';
import type { ServerEvents } from '../../contract/events.ts';
import type { Lane } from '../../contract/levels.ts';
import type { ClientOptions, ClientState } from '../lib/client-state.ts';
import { openSocket, type StockSocket } from '../lib/stock-socket.ts';
import { connect, type StockcastClient } from '../lib/stockcast-client.ts';
import type { Problem } from './words.ts';

/** Nobody can press reload on an overlay: what was refused is tried again after this, for as long as the source exists. */
const againMs = 60_000;
const reloadMs = 5_000;
const jitterMs = 15_000;

type Overheard = 'pace:state' | 'curve:points' | 'curve:marker';
export type LinkEvents = {
  readonly [Name in Overheard]: ServerEvents[Name];
} & {
  /** A new client: levels and state come from this one. */
  client(client: StockcastClient, audience: 'anchor' | 'air'): void;
  state(state: ClientState): void;
  problem(problem: Problem | null): void;
};

export type LinkOptions = {
  readonly livestreamId: string;
  readonly audience: 'anchor' | 'air';
  readonly token: string | null;
  readonly events: LinkEvents;
  readonly reload: () => void;
  readonly random?: () => number;
  readonly openSocket?: (options: ClientOptions) => StockSocket;
};

const laneOf: Record<'anchor' | 'air', Lane> = { anchor: 'anchor', air: 'viewers' };

/**
 * Keeps an overlay connected for ever. The client comes back from losses by itself; this takes over where the server itself refuses:
 * a token for on air that was used as the anchor's falls back to what viewers see, an upgraded server makes the page reload, and
 * everything else is shown and tried again every minute. Returns how to end it.
 */
export function keepConnected(options: LinkOptions): () => void {
  const { livestreamId, token, events, reload, random = Math.random } = options;
  let { audience } = options;
  let client: StockcastClient | null = null;
  let again: ReturnType<typeof setTimeout> | undefined;

  const after = (ms: number, what: () => void): void => {
    clearTimeout(again);
    again = setTimeout(what, ms + random() * jitterMs);
  };

  const refused = (error: WireError): void => {
    if (error.code === 'forbidden' && audience === 'anchor') {
      audience = 'air';
      open();
      return;
    }
    if (error.code === 'protocol_mismatch') {
      events.problem('reloading');
      after(reloadMs, reload);
      return;
    }
    events.problem(problemOf(error));
    after(againMs, () => {
      audience = options.audience;
      open();
    });
  };

  const open = (): void => {
    client?.close();
    const made = connect({
      url: '',
      livestreamId,
      lane: laneOf[audience],
      ...(token === null ? {} : { token }),
      storage: nowhere,
      random,
      openSocket: (clientOptions) => overhear((options.openSocket ?? openSocket)(clientOptions), events),
    });
    client = made;
    made.subscribe((state) => {
      if (client !== made || state.connection.kind === 'closed') return;
      if (state.connection.kind === 'refused') {
        // The client is still inside of its own answer: closing it here would close it under its feet.
        const { error } = state.connection;
        queueMicrotask(() => refused(error));
        return;
      }
      if (state.connection.kind === 'live') events.problem(null);
      events.state(state);
    });
    events.client(made, audience);
  };

  open();
  return () => {
    clearTimeout(again);
    client?.close();
  };
}

function overhear(socket: StockSocket, events: LinkEvents): StockSocket {
  socket.on('pace:state', (state) => events['pace:state'](state));
  socket.on('curve:points', (points) => events['curve:points'](points));
  socket.on('curve:marker', (marker) => events['curve:marker'](marker));
  return socket;
}

function problemOf({ code }: WireError): Problem {
  if (code === 'unauthorized' || code === 'forbidden') return 'not_permitted';
  return code === 'route_not_found' || code === 'not_found' ? 'unknown_livestream' : 'refused';
}

/** An overlay places no orders, so it keeps nothing. */
const nowhere = { getItem: () => null, setItem: () => {}, removeItem: () => {} };
