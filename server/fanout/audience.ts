import type { ServerEvents } from '../../contract/events.ts';

/** Who hears of an event that is no level. `air`: overlays that viewers see on the picture; nothing internal goes there. */
export type Audience = 'operators' | 'anchor' | 'air';

/** Sends an event to audiences of a livestream, on every node. */
export type EmitTo = <Name extends keyof ServerEvents>(
  livestreamId: string,
  audiences: readonly Audience[],
  event: Name,
  payload: Parameters<ServerEvents[Name]>[0],
) => void;
