import type { Lane } from '../../contract/levels.ts';
import type { LivestreamInfo } from '../../contract/livestreams.ts';
import { gateWatchDefaults } from './gate-watch.ts';
import { type Member, newMember, type SocketHandle } from './members.ts';
import { type FanoutSettings, type Resume, Room, type RoomParts } from './room.ts';
import { SliceLoop } from './slices.ts';

export const fanoutDefaults: FanoutSettings = {
  gate: gateWatchDefaults,
  windowMsMin: 25,
  windowMsSmall: 15,
  windowWalks: 2,
  heartbeatMs: 2_000,
  lingerMs: 5_000,
  archivedAfterMs: 10_000,
};

export type StockFanoutParts = Omit<RoomParts, 'loop' | 'settings'> & { readonly settings?: Partial<FanoutSettings> };

export type JoinRequest = {
  readonly livestreamId: string;
  readonly lane: Lane;
  readonly socket: SocketHandle;
  readonly resume: Resume | undefined;
  /** False: not a person but an overlay or a preview; it does not raise the number of viewers. Absent: true. */
  readonly counted?: boolean;
};

/** One socket's place in one lane. */
export type Membership = {
  readonly livestreamId: string;
  readonly lane: Lane;
  info(): LivestreamInfo;
  /** The client has worked off this frame. */
  acknowledge(frame: number): void;
  /** Sends a snapshot; false: the client asks too often without acknowledging anything. */
  resync(resume: Resume | undefined): Promise<boolean>;
  leave(): void;
};

type OpenRoom = {
  readonly room: Room;
  joining: number;
  cancelClose: (() => void) | null;
  /** Somebody left. */
  readonly left: () => void;
};

/** Methods, not closures: there is one for each socket. */
class RoomMembership implements Membership {
  readonly #entry: OpenRoom;
  readonly #member: Member;

  constructor(entry: OpenRoom, member: Member) {
    this.#entry = entry;
    this.#member = member;
  }

  get livestreamId(): string {
    return this.#entry.room.livestreamId;
  }

  get lane(): Lane {
    return this.#member.lane;
  }

  info(): LivestreamInfo {
    return this.#entry.room.info;
  }

  acknowledge(frame: number): void {
    this.#entry.room.acknowledge(this.#member, frame);
  }

  resync(resume: Resume | undefined): Promise<boolean> {
    return this.#entry.room.resync(this.#member, resume);
  }

  leave(): void {
    this.#entry.room.leave(this.#member);
    this.#entry.left();
  }
}

/** The rooms of a node: one per livestream with members here, opened by the first and closed some seconds after the last. */
export class StockFanout {
  readonly #parts: RoomParts;
  readonly #rooms = new Map<string, Promise<OpenRoom | null>>();
  readonly #closing = new Set<Promise<void>>();
  #closed = false;

  constructor({ settings, ...parts }: StockFanoutParts) {
    const loop = new SliceLoop(parts.timers);
    this.#parts = { ...parts, loop, settings: { ...fanoutDefaults, ...settings } };
  }

  /** Livestreams that this node follows just now. */
  get openRooms(): number {
    return this.#rooms.size;
  }

  /**
   * Sends the snapshot before it resolves. null: there is no such livestream. Rejects with `GateUnavailable` when its messages cannot
   * be followed; nothing is left behind then.
   */
  async join({ livestreamId, lane, socket, resume, counted = true }: JoinRequest): Promise<Membership | null> {
    const entry = await this.#enter(livestreamId);
    if (entry === null) return null;
    const { room } = entry;
    const member = newMember(socket, lane, counted);
    try {
      await room.join(member, resume);
    } finally {
      entry.joining -= 1;
      this.#closeWhenEmpty(livestreamId, entry);
    }
    return new RoomMembership(entry, member);
  }

  async close(): Promise<void> {
    this.#closed = true;
    const entries = await Promise.allSettled(this.#rooms.values());
    this.#rooms.clear();
    for (const entry of entries) {
      if (entry.status !== 'fulfilled' || entry.value === null) continue;
      entry.value.cancelClose?.();
      this.#closing.add(entry.value.room.close());
    }
    await Promise.allSettled(this.#closing);
  }

  /** The livestream's room, opened if need be: all who come meanwhile wait for the same opening. Counts the caller as joining. */
  async #enter(livestreamId: string): Promise<OpenRoom | null> {
    let opening = this.#rooms.get(livestreamId);
    if (opening === undefined) {
      opening = this.#open(livestreamId);
      this.#rooms.set(livestreamId, opening);
    }
    let entry: OpenRoom | null = null;
    try {
      entry = await opening;
    } finally {
      if (entry === null && this.#rooms.get(livestreamId) === opening) this.#rooms.delete(livestreamId);
    }
    if (entry === null) return null;
    // Closed while this caller waited: begin again.
    if (this.#rooms.get(livestreamId) !== opening) return this.#closed ? null : this.#enter(livestreamId);
    entry.joining += 1;
    entry.cancelClose?.();
    entry.cancelClose = null;
    return entry;
  }

  async #open(livestreamId: string): Promise<OpenRoom | null> {
    const info = this.#closed ? null : await this.#parts.catalogue.info(livestreamId);
    if (info === null) return null;
    const room = new Room(info, this.#parts);
    try {
      await room.open();
    } catch (error) {
      await room.close();
      throw error;
    }
    // What changed between the first look at the catalogue and the subscription is in the gate's infoRev.
    const entry: OpenRoom = {
      room,
      joining: 0,
      cancelClose: null,
      left: () => this.#closeWhenEmpty(livestreamId, entry),
    };
    return entry;
  }

  #closeWhenEmpty(livestreamId: string, entry: OpenRoom): void {
    const { room } = entry;
    if (this.#closed || room.size > 0 || entry.joining > 0 || entry.cancelClose !== null) return;
    entry.cancelClose = this.#parts.timers.after(this.#parts.settings.lingerMs, () => {
      entry.cancelClose = null;
      this.#rooms.delete(livestreamId);
      const closing = room.close();
      this.#closing.add(closing);
      void closing.finally(() => this.#closing.delete(closing));
    });
  }
}
