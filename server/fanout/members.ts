import type { Lane } from '../../contract/levels.ts';

/** What a writer needs of a socket. */
export type SocketHandle = {
  readonly id: string;
  /** True while what was written to it before has not left this process: its reader is slow. */
  readonly backlogged?: boolean;
};

/** A client may have this many frames unacknowledged, and the oldest of them for this long; then it is over its credit. */
export const CREDIT_FRAMES = 32;
export const CREDIT_MS = 2_000;

/** One socket in one lane of one livestream. O(1) of memory, however slow its reader is. */
export type Member = {
  readonly socket: SocketHandle;
  readonly lane: Lane;
  /** A person that counts as a viewer; overlays are none. */
  readonly counted: boolean;
  /** Its place in the lane's array; kept by `MemberList`. */
  at: number;
  gone: boolean;
  /** Number of the last frame of its lane that was written to it. */
  frame: number;
  /** Everything up to here has been written to it. */
  epoch: number;
  upTo: number;
  /** Frames up to this number need no acknowledgement any more. */
  ackedFrame: number;
  /** Since when it owes an acknowledgement; null when it owes none. */
  owesSinceMs: number | null;
  /** Over its credit: out of the walk until it acknowledges, then it gets one merged frame. */
  stalled: boolean;
  /** It missed a description of the livestream while it was stalled. */
  missedInfo: boolean;
  /** A stalled member gets one heartbeat, so that it learns what it misses, and then none. */
  missedHeartbeat: boolean;
  /** Snapshots asked for since the last acknowledgement, and when the last was sent: see `mayResync`. */
  resyncs: number;
  resyncedAtMs: number;
};

export function newMember(socket: SocketHandle, lane: Lane, counted = true): Member {
  return {
    socket,
    lane,
    counted,
    at: -1,
    gone: false,
    frame: 0,
    epoch: -1,
    upTo: 0,
    ackedFrame: 0,
    owesSinceMs: null,
    stalled: false,
    missedInfo: false,
    missedHeartbeat: false,
    resyncs: 0,
    resyncedAtMs: 0,
  };
}

export function overCredit(member: Member, nowMs: number): boolean {
  if (member.frame - member.ackedFrame >= CREDIT_FRAMES) return true;
  return member.owesSinceMs !== null && nowMs - member.owesSinceMs >= CREDIT_MS;
}

type DeliveredPoint = { readonly epoch: number; readonly upTo: number };

/** A frame that follows the member's last one was written to it. `point` is null for critical frames (V3). */
export function noteFrame(member: Member, frame: number, point: DeliveredPoint | null, nowMs: number): void {
  member.frame = frame;
  member.owesSinceMs ??= nowMs;
  if (point === null) return;
  member.epoch = point.epoch;
  member.upTo = point.upTo;
}

/** As `noteFrame`, for a frame that replaces all those that the member was not sent: they count for nothing. */
export function noteMerged(member: Member, frame: number, point: DeliveredPoint, nowMs: number): void {
  member.ackedFrame += Math.max(0, frame - 1 - member.frame);
  noteFrame(member, frame, point, nowMs);
  member.stalled = false;
  member.missedHeartbeat = false;
}

/** A snapshot was written to this member alone: it begins anew. `mayResync` bounds how many of them can wait in its socket. */
export function noteSnapshot(member: Member, frame: number, point: DeliveredPoint): void {
  noteMerged(member, frame, point, 0);
  member.ackedFrame = frame;
  member.owesSinceMs = null;
}

/** A number that was never written, or an old one, changes nothing. */
export function acknowledge(member: Member, frame: number, nowMs: number): void {
  if (frame > member.frame || frame <= member.ackedFrame) return;
  member.ackedFrame = frame;
  member.owesSinceMs = frame === member.frame ? null : nowMs;
  member.resyncs = 0;
}

/** Snapshots to a client that acknowledges nothing would queue without end: four at once, then one in ten seconds. */
export function mayResync(member: Member, nowMs: number): boolean {
  if (member.resyncs >= 4 && nowMs - member.resyncedAtMs < 10_000) return false;
  member.resyncs += 1;
  member.resyncedAtMs = nowMs;
  return true;
}

/** Members of a lane in one array. A walk keeps the array that it began with: who joins or leaves meanwhile changes a copy. */
export class MemberList {
  #members: Member[] = [];
  #lent = false;
  #uncounted = 0;

  get size(): number {
    return this.#members.length;
  }

  /** Members that are people. */
  get counted(): number {
    return this.#members.length - this.#uncounted;
  }

  /** The array as it is now; it will not change any more. */
  lend(): readonly Member[] {
    this.#lent = true;
    return this.#members;
  }

  add(member: Member): void {
    const members = this.#own();
    member.at = members.length;
    members.push(member);
    if (!member.counted) this.#uncounted += 1;
  }

  remove(member: Member): void {
    member.gone = true;
    if (this.#members[member.at] !== member) return;
    if (!member.counted) this.#uncounted -= 1;
    const members = this.#own();
    const last = members.pop();
    if (last === undefined || last === member) return;
    members[member.at] = last;
    last.at = member.at;
  }

  #own(): Member[] {
    if (this.#lent) this.#members = [...this.#members];
    this.#lent = false;
    return this.#members;
  }
}
