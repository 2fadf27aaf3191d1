import * as z from 'zod';
import { slotCount } from './hash-slot.ts';
import type { RedisAddress } from './redis-target.ts';

export const addressText = ({ host, port }: RedisAddress): string => `${host}:${port}`;

/** Which server serves which slot, as far as is known here. Pure: no I/O. */
export class SlotMap {
  #owners: (RedisAddress | null)[] = Array.from({ length: slotCount }, () => null);

  /** null: nobody serves it, or nobody has said so yet. */
  ownerOf(slot: number): RedisAddress | null {
    return this.#owners[slot] ?? null;
  }

  /** A server has named the owner of one slot (MOVED): newer than any map that was asked for before. */
  assign(slot: number, owner: RedisAddress): void {
    this.#owners[slot] = owner;
  }

  replace(ranges: readonly SlotRange[]): void {
    const owners: (RedisAddress | null)[] = Array.from({ length: slotCount }, () => null);
    for (const { from, to, owner } of ranges) owners.fill(owner, from, to + 1);
    this.#owners = owners;
  }

  /** Every server that serves a slot, once, by its text. */
  owners(): ReadonlyMap<string, RedisAddress> {
    const found = new Map<string, RedisAddress>();
    let last: RedisAddress | null = null;
    for (const owner of this.#owners) {
      if (owner !== null && owner !== last) found.set(addressText(owner), owner);
      last = owner;
    }
    return found;
  }

  get isComplete(): boolean {
    return this.#owners.every((owner) => owner !== null);
  }
}

export type SlotRange = {
  readonly from: number;
  readonly to: number;
  readonly owner: RedisAddress;
  readonly replicas: readonly RedisAddress[];
};

const slot = z
  .int()
  .min(0)
  .max(slotCount - 1);
/** An empty or missing host means: the one that was asked. */
const Server = z.tuple([z.nullable(z.string()), z.int().min(0).max(65_535)]).rest(z.unknown());
const Ranges = z.array(z.tuple([slot, slot, Server]).rest(Server));

/** The reply of CLUSTER SLOTS. `asked` is the server that has given it. Throws a `ZodError` on another reply. */
export function parseSlots(reply: unknown, asked: RedisAddress): readonly SlotRange[] {
  return Ranges.parse(reply).map(([from, to, owner, ...replicas]) => ({
    from,
    to,
    owner: serverOf(owner, asked),
    replicas: replicas.map((replica) => serverOf(replica, asked)),
  }));
}

const serverOf = ([host, port]: z.infer<typeof Server>, asked: RedisAddress): RedisAddress => ({
  host: host === null || host === '' || host === '?' ? asked.host : host,
  port,
});

/**
 * What an error reply says about where a command belongs. In each case it has certainly not been executed.
 * moved: the slot has another owner · ask: this one command belongs to the server that the slot is moving to · again: the keys are on the way
 */
export type Redirect =
  | { readonly kind: 'moved' | 'ask'; readonly slot: number; readonly owner: RedisAddress }
  | { readonly kind: 'again' };

const redirectForm = /^(MOVED|ASK) (\d+) (.*):(\d+)$/;

/** null: the error is no redirection. */
export function parseRedirect(message: string, asked: RedisAddress): Redirect | null {
  if (message.startsWith('TRYAGAIN')) return { kind: 'again' };
  const [, word, slotText, host = '', portText] = redirectForm.exec(message) ?? [];
  if (word === undefined) return null;
  const owner = { host: host === '' || host === '?' ? asked.host : host, port: Number(portText) };
  return { kind: word === 'MOVED' ? 'moved' : 'ask', slot: Number(slotText), owner };
}
