import { io, type Socket } from 'socket.io-client';
import type { ClientEvents, ServerEvents } from '../../contract/events.ts';
import type { BackOff } from './back-off.ts';

/** Events whose answer nobody waits for go without an acknowledgement: the server then sends nothing back. */
type Unanswered = 'stock:ack' | 'stock:resync';
type PayloadOf<Name extends keyof ClientEvents> = Parameters<ClientEvents[Name]>[0];
type Sent = Omit<ClientEvents, Unanswered> & { [Name in Unanswered]: (payload: PayloadOf<Name>) => void };

export type StockSocket = Socket<ServerEvents, Sent>;

/** Pauses between attempts to reconnect. */
export const reconnectBackOff: BackOff = { firstMs: 1_000, maxMs: 30_000 };

/** WebSocket first; polling only where a network does not let it through. Reconnects for ever, 1 s to 30 s apart. */
export function openSocket({ url, token }: { url: string; token?: string }): StockSocket {
  return io(url === '' ? location.origin : url, {
    transports: ['websocket', 'polling'],
    tryAllTransports: true,
    // A token is enough; with cookies beside it, browsers refuse long polling to another origin.
    withCredentials: token === undefined,
    reconnectionDelay: reconnectBackOff.firstMs,
    reconnectionDelayMax: reconnectBackOff.maxMs,
    randomizationFactor: 0.5,
    timeout: 8_000,
    ...(token === undefined ? {} : { auth: { token } }),
  });
}
