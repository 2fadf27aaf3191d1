import type { Server } from 'socket.io';
import type { LevelWriter } from './segment.ts';

/**
 * Writes through Socket.IO's public interface: one encoding and one pre-built frame per slice, on this node only, so that levels never
 * go through an adapter to other nodes. Sockets are addressed by the room of their own id; one that is gone is passed over.
 */
export function socketWriter(io: Server): LevelWriter {
  return {
    write(sockets, event, payload) {
      io.local.to(sockets.map(({ id }) => id)).emit(event, payload);
    },
  };
}
