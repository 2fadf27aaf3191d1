import * as z from 'zod/mini';
import { WireError } from '../../../contract/errors.ts';
import { Order, OrderAnswer } from '../../../contract/orders.ts';
import { routes } from '../../../contract/routes.ts';
import type { CallResult } from '../../lib/api-client.ts';
import { delay } from '../../lib/limiter.ts';
import { RawSocket } from '../../lib/raw-socket.ts';
import type { Intent } from '../history.ts';
import type { Buyer, Show } from '../show.ts';
import { liveOn } from './fates.ts';
import { between, chance, choose, type Door, insist, timeoutMs, type World } from './world.ts';

type Placed = { readonly answer: 'accepted' | 'duplicate'; readonly order: z.infer<typeof Order> };

/** A person who orders again and again until the round is over. Resolves when everything of theirs is settled. */
export async function shop(world: World, number: number): Promise<void> {
  const { random, over } = world;
  const lines = new BuyerLines(world);
  const fates: Promise<void>[] = [];
  let count = 0;
  try {
    while (!over.aborted) {
      count += 1;
      const intent = await order(world, lines, `key-${number}-${count}-${Math.floor(random() * 1e9)}`);
      const placed = intent.exchanges.find(({ outcome }) => outcome.kind === 'done');
      if (placed?.outcome.kind === 'done') {
        fates.push(liveOn(world, placed.outcome.order, showOf(world, intent)));
        if (chance(random, 0.2)) fates.push(askAgain(world, intent));
      }
      await delay(between(random, 20, 350), over);
    }
    await Promise.all(fates);
  } finally {
    lines.close();
  }
}

const showOf = ({ shows }: World, { livestreamId }: Intent): Show => {
  const show = shows.find((one) => one.livestreamId === livestreamId);
  if (show === undefined) throw new Error(`no livestream ${livestreamId}`);
  return show;
};

async function order(world: World, sockets: BuyerLines, key: string): Promise<Intent> {
  const { random, history } = world;
  const show = choose(random, world.shows);
  const buyer = choose(random, show.buyers);
  const intent: Intent = {
    livestreamId: show.livestreamId,
    key,
    buyerId: buyer.buyerId,
    deviceId: buyer.deviceId,
    lines: basket(world, show),
    exchanges: [],
  };
  history.intents.push(intent);
  const first = choose(random, world.doors);
  // Some people click twice, here at two nodes in one moment.
  const second = chance(random, 0.06) ? choose(random, world.doors) : null;
  const overSocket = chance(random, 0.5);
  const send = (door: Door) => (overSocket ? sockets.place(door, buyer, intent) : placeOverHttp(door, buyer, intent));
  const clicks = [first, ...(second === null ? [] : [second])].map((door) =>
    insist(world, intent.exchanges, send, {
      what: `order ${key}`,
      first: door,
      // A client that dies asks nobody ever again.
      givesUp: chance(random, 0.02),
    }),
  );
  await Promise.all(clicks);
  intent.exchanges.sort((a, b) => a.invokedAtMs - b.invokedAtMs);
  return intent;
}

/** Somebody who has lost the page that said so asks again with the same key, whatever has become of the gate meanwhile (I4). */
async function askAgain(world: World, intent: Intent): Promise<void> {
  const { random, over } = world;
  await delay(between(random, 200, 8_000), over);
  const buyer = showOf(world, intent).buyers.find(({ buyerId }) => buyerId === intent.buyerId);
  if (buyer === undefined) return;
  const send = (door: Door) => placeOverHttp(door, buyer, intent);
  await insist(world, intent.exchanges, send, { what: `order ${intent.key} again` });
}

/** One to three items, mostly one unit of each. */
function basket({ random }: World, { items }: Show): Intent['lines'] {
  const count = chance(random, 0.75) ? 1 : Math.min(items.length, chance(random, 0.7) ? 2 : 3);
  const chosen = new Set<string>();
  while (chosen.size < count) chosen.add(choose(random, items).skuId);
  return [...chosen]
    .sort()
    .map((skuId) => ({ skuId, quantity: chance(random, 0.8) ? 1 : Math.ceil(between(random, 1, 4)) }));
}

function bodyOf({ key, lines }: Intent) {
  return { idempotencyKey: key, lines: lines.map(({ skuId, quantity }) => ({ skuId, quantity })) };
}

async function placeOverHttp(door: Door, buyer: Buyer, intent: Intent): Promise<CallResult<Placed>> {
  const params = { livestreamId: intent.livestreamId };
  return placed(await door.api.call(routes.placeOrder, { params, token: buyer.token, body: bodyOf(intent) }));
}

const placed = (result: CallResult<z.infer<typeof OrderAnswer>>): CallResult<Placed> =>
  result.ok ? { ok: true, answer: { answer: result.answer.outcome, order: result.answer.order } } : result;

const Acknowledged = z.discriminatedUnion('ok', [
  z.extend(OrderAnswer, { ok: z.literal(true) }),
  z.object({ ok: z.literal(false), error: WireError }),
]);

/** One person's sockets, one for each node and identity that they order as; opened when needed, again when lost. */
class BuyerLines {
  readonly #world: World;
  readonly #sockets = new Map<string, RawSocket>();

  constructor(world: World) {
    this.#world = world;
  }

  async place(door: Door, buyer: Buyer, intent: Intent): Promise<CallResult<Placed>> {
    const socket = await this.#open(door, buyer);
    const reply = Acknowledged.parse(
      await socket.ask('order:place', { ...bodyOf(intent), livestreamId: intent.livestreamId }),
    );
    if (!reply.ok) return { ok: false, status: 0, error: reply.error };
    return placed({ ok: true, answer: reply });
  }

  close(): void {
    for (const socket of this.#sockets.values()) socket.close();
  }

  async #open(door: Door, buyer: Buyer): Promise<RawSocket> {
    const name = `${door.name} ${buyer.token}`;
    const known = this.#sockets.get(name);
    if (known?.open === true) return known;
    const socket = await RawSocket.connect({ url: door.url, token: buyer.token, timeoutMs });
    socket.on('order:changed', (payload) => this.#changed(payload));
    this.#sockets.set(name, socket);
    // A person keeps few sockets open: the oldest goes.
    const [oldest] = this.#sockets;
    if (this.#sockets.size > 4 && oldest !== undefined && oldest[0] !== name) {
      this.#sockets.delete(oldest[0]);
      oldest[1].close();
    }
    return socket;
  }

  #changed(payload: unknown): void {
    const parsed = Order.safeParse(payload);
    if (!parsed.success || parsed.data.state !== 'expired') return;
    this.#world.expiryLagsMs.push(this.#world.now() - parsed.data.expiresAtMs);
  }
}
