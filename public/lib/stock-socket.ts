import type { Socket } from 'socket.io-client';
import type { ClientEvents, ServerEvents } from '../../contract/events.ts';

/** Events whose answer nobody waits for go without an acknowledgement: the server then sends nothing back. */
type Unanswered = 'stock:ack' | 'stock:resync';
type PayloadOf<Name extends keyof ClientEvents> = Parameters<ClientEvents[Name]>[0];
type Sent = Omit<ClientEvents, Unanswered> & { [Name in Unanswered]: (payload: PayloadOf<Name>) => void };

export type StockSocket = Socket<ServerEvents, Sent>;
