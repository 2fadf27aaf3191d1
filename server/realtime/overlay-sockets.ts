import type { Logger } from 'pino';
import type { OverlayTokens } from '../auth/overlay-tokens.ts';
import { overlayRoomOf } from '../fanout/rooms.ts';
import { runPeriodically } from '../lib/periodic.ts';
import type { RealtimeServer, RealtimeSocket } from './handshake.ts';

const recheckEveryMs = 60_000;

type Parts = {
  readonly io: RealtimeServer;
  readonly overlays: Pick<OverlayTokens, 'stillValid'>;
  readonly log: Logger;
  readonly recheckMs?: number;
};

/**
 * Sockets that came in with an overlay's token. A revocation reaches all nodes through the adapter at once; because that is not certain
 * to arrive, each node also asks the database about its own sockets once a minute.
 */
export function overlaySockets({ io, overlays, log, recheckMs = recheckEveryMs }: Parts) {
  const here = new Map<string, Set<RealtimeSocket>>();

  const disconnectRevoked = async (overlayIds: readonly string[]): Promise<void> => {
    if (overlayIds.length === 0) return;
    const valid = await overlays.stillValid(overlayIds);
    for (const overlayId of overlayIds.filter((id) => !valid.has(id))) {
      for (const socket of here.get(overlayId) ?? []) socket.disconnect(true);
    }
  };
  // A database that is away takes no overlay off the air: its numbers are no secret that seconds matter to.
  const report = (error: unknown): void => log.warn({ err: error }, 'overlay tokens could not be checked again');
  const recheck = runPeriodically(recheckMs, () => disconnectRevoked([...here.keys()]), report);

  return {
    /** Follows a socket until it is gone. Sockets of other tokens are none of its business. */
    async enter(socket: RealtimeSocket): Promise<void> {
      const { overlayId } = socket.data;
      if (overlayId === null) return;
      const sockets = here.get(overlayId) ?? new Set();
      here.set(overlayId, sockets.add(socket));
      socket.on('disconnect', () => {
        sockets.delete(socket);
        if (sockets.size === 0 && here.get(overlayId) === sockets) here.delete(overlayId);
      });
      await socket.join(overlayRoomOf(overlayId));
      // Revoked between its handshake and the room: the message to the room was not for it.
      await disconnectRevoked([overlayId]).catch(report);
    },
    /** Ends every connection of this overlay, on every node. */
    disconnect(overlayId: string): void {
      io.in(overlayRoomOf(overlayId)).disconnectSockets(true);
    },
    stop: () => recheck.stop(),
  };
}
