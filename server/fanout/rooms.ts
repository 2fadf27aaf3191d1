import type { Lane } from '../../contract/levels.ts';

/** The only place where names of Socket.IO rooms are built. Ids hold no colon, so that no id can pose as another room's name. */

/** Sockets of one lane of a livestream: for what is not a level (levels are written to members directly). */
export const laneRoomOf = (livestreamId: string, lane: Lane): string => `livestream:${livestreamId}:${lane}`;

/** Overlays that viewers see on the picture: they are in the viewers' lane and in here. */
export const airRoomOf = (livestreamId: string): string => `air:${livestreamId}`;

/** Every socket that came in with one overlay's token, on any node. */
export const overlayRoomOf = (overlayId: string): string => `overlay:${overlayId}`;

/** Every socket of one buyer in one livestream, on any node. */
export const buyerRoomOf = (livestreamId: string, buyerId: string): string => `buyer:${livestreamId}:${buyerId}`;
