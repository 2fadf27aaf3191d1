import type { Lane } from '../../contract/levels.ts';
import { type Member, noteFrame, overCredit, type SocketHandle } from './members.ts';

/** Events that go to whole lanes. */
export type LaneEvent = 'stock:levels' | 'stock:snapshot' | 'stock:heartbeat' | 'livestream:changed';

/**
 * Writes one payload to many sockets of this node. The payload object of a broadcast is the same in all its slices, so that a writer
 * may encode it once. Must not throw for a socket that is gone.
 */
export type LevelWriter = {
  write(sockets: readonly SocketHandle[], event: LaneEvent, payload: object): void;
};

/** A frame is numbered and obeys credit; a notice (heartbeat, description) is not numbered. */
export type Broadcast =
  | {
      readonly kind: 'frame';
      readonly event: 'stock:levels' | 'stock:snapshot';
      readonly payload: object;
      readonly frame: number;
      /** null: a critical frame, which does not advance `upTo` (V3). */
      readonly point: { readonly epoch: number; readonly upTo: number } | null;
    }
  | { readonly kind: 'notice'; readonly event: 'stock:heartbeat' | 'livestream:changed'; readonly payload: object };

/** One broadcast on its way through the members of one lane, in slices, from a rotating start. */
export class Segment {
  readonly broadcast: Broadcast;
  readonly lane: Lane;
  readonly #members: readonly Member[];
  readonly #start: number;
  #passed = 0;

  constructor(broadcast: Broadcast, lane: Lane, members: readonly Member[], start: number) {
    this.broadcast = broadcast;
    this.lane = lane;
    this.#members = members;
    this.#start = members.length === 0 ? 0 : start % members.length;
  }

  get done(): boolean {
    return this.#passed >= this.#members.length;
  }

  get begun(): boolean {
    return this.#passed > 0;
  }

  /** Where the next member stands: who takes over from here serves first those who have had nothing yet. */
  get position(): number {
    return this.#start + this.#passed;
  }

  step(budget: number, writer: LevelWriter, nowMs: number): number {
    const sockets: SocketHandle[] = [];
    const end = Math.min(this.#members.length, this.#passed + budget);
    const count = end - this.#passed;
    for (; this.#passed < end; this.#passed += 1) {
      const member = this.#members[(this.#start + this.#passed) % this.#members.length];
      if (member !== undefined && !member.gone && this.#admit(member, nowMs)) sockets.push(member.socket);
    }
    if (sockets.length > 0) writer.write(sockets, this.broadcast.event, this.broadcast.payload);
    return count;
  }

  /** Whether this member is to be written to now; who is over the credit is only marked. */
  #admit(member: Member, nowMs: number): boolean {
    const { broadcast } = this;
    if (broadcast.kind === 'notice') return admitNotice(member, broadcast.event);
    // A snapshot or merged frame made after this broadcast has told the member more already.
    if (member.frame >= broadcast.frame) return false;
    if (!member.stalled && (overCredit(member, nowMs) || isBacklogged(member))) member.stalled = true;
    if (member.stalled) return false;
    noteFrame(member, broadcast.frame, broadcast.point, nowMs);
    return true;
  }
}

/** Its connection takes no more just now. Only who still owes an acknowledgement, by which it comes back, is taken out of the walk. */
const isBacklogged = ({ socket, owesSinceMs }: Member): boolean => owesSinceMs !== null && socket.backlogged === true;

function admitNotice(member: Member, event: 'stock:heartbeat' | 'livestream:changed'): boolean {
  if (!member.stalled) return true;
  if (event === 'livestream:changed') {
    member.missedInfo = true;
    return false;
  }
  const first = !member.missedHeartbeat;
  member.missedHeartbeat = true;
  return first;
}
