import { routes } from '../../../contract/routes.ts';
import type { CallResult } from '../../lib/api-client.ts';
import { Unanswered } from '../../lib/api-client.ts';
import { delay } from '../../lib/limiter.ts';
import type { Allotment, Exchange } from '../history.ts';
import type { Show, ShowItem } from '../show.ts';
import { between, chance, choose, type Door, insist, type World } from './world.ts';

/** The one operator of a livestream: gives it units and takes some back, stops and resumes sales, changes prices. */
export async function operate(world: World, show: Show): Promise<void> {
  const { random, over } = world;
  while (!over.aborted) {
    await delay(between(random, 300, 1_300), over);
    if (over.aborted) break;
    const item = choose(random, show.items);
    const lot = random();
    if (lot < 0.65) await allot(world, show, item);
    else if (lot < 0.8) await stopAndResume(world, show, item);
    else
      await change(world, show, (door) =>
        door.api.call(routes.changeItem, {
          ...address(show, item),
          body: { unitPriceMinor: Math.round(between(random, 500, 2_000)) },
        }),
      );
  }
}

const address = ({ livestreamId, operatorToken }: Show, { skuId }: ShowItem) => ({
  params: { livestreamId, skuId },
  token: operatorToken,
});

/** What is out, and a few more: the item is scarce again soon. Items with plenty keep plenty. */
async function allot(world: World, show: Show, item: ShowItem): Promise<void> {
  const { random, history } = world;
  const out = await unitsOut(world, show, item);
  if (out === null) return;
  const more = item.allotted > 1_000 ? item.allotted : Math.floor(between(random, 0, item.allotted));
  const allotment: Allotment = {
    livestreamId: show.livestreamId,
    skuId: item.skuId,
    allotted: out + more,
    exchanges: [],
  };
  history.allotments.push(allotment);
  const body = { allotted: allotment.allotted, reason: 'restocked' };
  await insist(
    world,
    allotment.exchanges,
    (door) => door.api.call(routes.allotItem, { ...address(show, item), body }),
    { what: `allotment of ${item.skuId}` },
  );
}

async function unitsOut(world: World, show: Show, { skuId }: ShowItem): Promise<number | null> {
  await audit(world, show, choose(world.random, world.doors));
  const reading = world.history.readings.findLast((one) => one.skuId === skuId);
  return reading === undefined ? null : reading.ledger.held + reading.ledger.sold;
}

async function stopAndResume(world: World, show: Show, item: ShowItem): Promise<void> {
  const { random, over } = world;
  if (chance(random, 0.5)) {
    await change(world, show, (door) =>
      door.api.call(routes.changeSale, { ...address(show, item), body: { action: 'stop', reason: 'torture' } }),
    );
    await delay(between(random, 100, 1_500), over);
  }
  // Also what a rule has stopped goes on.
  await change(world, show, (door) =>
    door.api.call(routes.changeSale, { ...address(show, item), body: { action: 'resume' } }),
  );
}

async function change(world: World, show: Show, send: (door: Door) => Promise<CallResult<object>>): Promise<void> {
  const exchanges: Exchange<object>[] = [];
  await insist(world, exchanges, send, { what: `a change of ${show.livestreamId}` });
}

/** Reads gate and ledger of one livestream at one node, whenever they can be read. */
export async function audit(
  { history, now }: World,
  { livestreamId, operatorToken }: Show,
  door: Door,
): Promise<boolean> {
  const invokedAtMs = now();
  try {
    const result = await door.api.call(routes.getAudit, { params: { livestreamId }, token: operatorToken });
    if (!result.ok) return false;
    const returnedAtMs = now();
    for (const { skuId, allotted, gate, ledger } of result.answer.items) {
      history.readings.push({
        livestreamId,
        skuId,
        node: door.name,
        invokedAtMs,
        returnedAtMs,
        epoch: result.answer.epoch,
        allotted,
        gate:
          gate === null
            ? null
            : { allotted: gate.allotted, held: gate.held, sold: gate.sold, available: gate.available },
        ledger,
      });
    }
    return true;
  } catch (error) {
    if (!(error instanceof Unanswered)) throw error;
    return false;
  }
}

/** Somebody who does nothing but read, at every node in turn. */
export async function keepAuditing(world: World): Promise<void> {
  const { random, over } = world;
  while (!over.aborted) {
    await delay(between(random, 100, 400), over);
    await audit(world, choose(random, world.shows), choose(random, world.doors));
  }
}
