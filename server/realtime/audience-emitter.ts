import type { Logger } from 'pino';
import { serverEvents } from '../../contract/events.ts';
import type { EmitTo } from '../fanout/audience.ts';
import { airRoomOf, laneRoomOf } from '../fanout/rooms.ts';
import type { RealtimeServer } from './handshake.ts';
import { eventOnAir } from './on-air.ts';

/**
 * Sends events to audiences on every node. What leaves is what the contract says of the event and nothing more; a payload that breaks
 * the contract is reported and not sent, because whoever raised it has a sale to go on with.
 */
export function audienceEmitter({ io, log }: { io: RealtimeServer; log: Logger }): EmitTo {
  return (livestreamId, audiences, event, payload) => {
    const parsed = serverEvents[event].safeParse(payload);
    if (!parsed.success) {
      log.error({ event, livestreamId, err: parsed.error }, 'an event breaks the contract and was not sent');
      return;
    }
    const known = parsed.data as typeof payload;
    const rooms = audiences.flatMap((audience) =>
      audience === 'air' ? [] : [laneRoomOf(livestreamId, audience === 'anchor' ? 'anchor' : 'operators')],
    );
    if (rooms.length > 0) send(io, rooms, event, known);
    const shown = audiences.includes('air') ? eventOnAir(event, known) : undefined;
    if (shown !== undefined) send(io, [airRoomOf(livestreamId)], event, shown);
  };
}

/** Socket.IO's types pair a name with its payload only where the name is written out. */
function send(io: RealtimeServer, rooms: readonly string[], event: string, payload: unknown): void {
  (io.to([...rooms]) as unknown as { emit(event: string, payload: unknown): boolean }).emit(event, payload);
}
