import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { MemoryStockEngine } from './memory-engine.ts';
import { type EngineFactory, item, Stage, settings, snapshot, soon, TestClock } from './stock-engine.fixtures.ts';
import type { ReserveRequest, StockEngine } from './stock-engine.ts';

const skus = ['tea', 'mug', 'cup'];
const aSku = fc.constantFrom(...skus);
const aRid = fc.constantFrom('a', 'b', 'c', 'd', 'e', 'f', 'g', 'h');
const aCap = fc.option(fc.integer({ min: 1, max: 4 }), { nil: null, freq: 2 });
const aLine = fc.record({ skuId: fc.constantFrom(...skus, ...skus, 'none'), quantity: fc.integer({ min: 1, max: 3 }) });
const aPolicy = fc.oneof(
  fc.constant({ kind: 'deduct_on_order' as const }),
  fc.constant({ kind: 'deduct_on_payment' as const }),
  fc.record({ kind: fc.constant('hold_below' as const), threshold: fc.integer({ min: 0, max: 5 }) }),
);
const anItem = fc
  .record({
    skuId: aSku,
    poolRev: fc.integer({ min: 1, max: 6 }),
    termsRev: fc.integer({ min: 1, max: 6 }),
    allotted: fc.integer({ min: 0, max: 8 }),
    returned: fc.integer({ min: 0, max: 2 }),
    sale: fc.constantFrom('open' as const, 'open' as const, 'open' as const, 'not_open' as const, 'stopped' as const),
    opensAfterMs: fc.constantFrom(0, 0, 3_000),
    salePolicy: aPolicy,
    perOrder: aCap,
    perBuyer: aCap,
    perDevice: aCap,
  })
  .map(({ skuId, opensAfterMs, ...options }) =>
    item(skuId, { ...options, opensAtMs: opensAfterMs === 0 ? 0 : new TestClock().nowMs + opensAfterMs }),
  );
const aRequest: fc.Arbitrary<ReserveRequest> = fc.record({
  rid: aRid,
  key: fc.option(fc.constantFrom('ann/1', 'ann/2', 'bob/1', 'bob/2'), { nil: null }),
  bodyHash: fc.constantFrom('x', 'x', 'x', 'y'),
  buyerId: fc.constantFrom('ann', 'bob'),
  deviceId: fc.option(fc.constantFrom('phone', 'tablet'), { nil: null }),
  lines: fc.array(aLine, { minLength: 1, maxLength: 3 }),
  reacquires: fc.option(aRid, { nil: null, freq: 3 }),
});

type At = { readonly engine: StockEngine; readonly id: string; readonly clock: TestClock };

/** Something that is done to both engines; its answers are compared. */
type Command = { readonly name: string; readonly run: (at: At) => Promise<unknown> };

function command<Input>(
  name: string,
  input: fc.Arbitrary<Input>,
  run: (input: Input, at: At) => Promise<unknown>,
): fc.Arbitrary<Command> {
  return input.map((value) => {
    const text = `${name} ${JSON.stringify(value)}`;
    // fast-check prints the commands of a counterexample by this, not as [object Object].
    return { name: text, run: (at) => run(value, at), [fc.toStringMethod]: () => text };
  });
}

const someRids = fc.array(aRid, { maxLength: 3 });
const someConfirmed = fc.array(fc.record({ rid: aRid, afterMs: fc.nat(9_000) }), { maxLength: 3 });
const someReleased = fc.array(fc.record({ rid: aRid, unbind: fc.boolean() }), { maxLength: 3 });
const someItems = fc.record({ items: fc.array(anItem, { maxLength: 2 }), infoRev: fc.nat(5) });
const someRequests = fc.array(aRequest, { minLength: 1, maxLength: 4 });

const aReserve = command('reserve', someRequests, (requests, { engine, id }) => engine.reserve(id, requests));
const aConfirm = command('confirm', someConfirmed, (attempts, { engine, id, clock }) =>
  engine.confirm(
    id,
    attempts.map(({ rid, afterMs }) => ({ rid, expiresAtMs: clock.nowMs + afterMs })),
  ),
);
const aSettle = command('settle', someRids, (rids, { engine, id }) => engine.settle(id, rids));
const aRelease = command('release', someReleased, (attempts, { engine, id }) => engine.release(id, attempts));
const aPutItems = command('putItems', someItems, ({ items, infoRev }, { engine, id }) =>
  engine.putItems(id, items, infoRev),
);
const aWait = command('wait', fc.constantFrom(1, 1_500, 2_500, 60_000), async (durationMs, { clock }) => {
  clock.nowMs += durationMs;
});
const anOverdue = command('overdue', fc.integer({ min: 1, max: 4 }), (limit, { engine, id }) =>
  engine.overdue(id, limit),
);
const aPrune = command('prune', fc.constant(1_000), (limit, { engine, id }) => engine.prune(id, limit));
const aRebuild = command('rebuild', fc.record({ force: fc.boolean(), epoch: fc.nat(6) }), rebuild);

const stepsOfAttempts = [
  { weight: 8, arbitrary: aReserve },
  { weight: 3, arbitrary: aConfirm },
  { weight: 3, arbitrary: aSettle },
  { weight: 4, arbitrary: aRelease },
  { weight: 2, arbitrary: aWait },
  { weight: 1, arbitrary: anOverdue },
  { weight: 1, arbitrary: aPrune },
  { weight: 1, arbitrary: aRebuild },
];
const aStep = fc.oneof(...stepsOfAttempts);
const anyStep = fc.oneof(...stepsOfAttempts, { weight: 3, arbitrary: aPutItems });

/** Loads what the gate itself knows, as a ledger would that has every order of it; without limits and keys of attempts that are over. */
async function rebuild(how: { force: boolean; epoch: number }, { engine, id }: At): Promise<unknown> {
  const [before, holds] = [await engine.read(id), await engine.holds(id)];
  const outcome = await engine.begin(id, how);
  if (outcome.kind === 'open') return outcome;
  const items = (before?.items ?? []).map(({ skuId, allotted, returned, sold, poolRev, termsRev }) =>
    item(skuId, { allotted, returned, sold, poolRev, termsRev }),
  );
  const keys = holds.map(({ rid, state, takes, buyerId }) => {
    return { key: `${buyerId}/${rid}`, rid, bodyHash: 'x', state, takes };
  });
  const load = (epoch: number) => engine.load(id, outcome.nonce, snapshot({ epoch, items, holds, keys }));
  const loaded = await load(how.epoch);
  // A gate that stayed closed would refuse everything that follows.
  return loaded === 'loaded' ? loaded : [loaded, await load((before?.epoch ?? 0) + 1)];
}

let histories = 0;

/** Random histories on the engine and on the reference model, compared answer by answer. fast-check prints the seed of a failure. */
export function describeModel(create: EngineFactory): void {
  test('[ST-2] answers, levels, holds and messages are those of the model, whatever the order of commands', async () => {
    const [clock, modelClock] = [new TestClock(), new TestClock()];
    let [nonce, modelNonce] = [0, 0];
    const engine = await create({ clock, settings, newNonce: () => `n${(nonce += 1)}` });
    const model = new MemoryStockEngine({ clock: modelClock, settings, newNonce: () => `n${(modelNonce += 1)}` });
    const start = fc.uniqueArray(anItem, { selector: ({ skuId }) => skuId, minLength: 1, maxLength: 3 });
    const history = fc.asyncProperty(start, fc.array(anyStep, { maxLength: 40 }), async (items, commands) => {
      histories += 1;
      [clock.nowMs, modelClock.nowMs] = [new TestClock().nowMs, new TestClock().nowMs];
      const stage = new Stage(engine, `model-${histories}`, clock);
      const modelStage = new Stage(model, stage.id, modelClock);
      const stops = [await stage.follow(), await modelStage.follow()];
      for (const one of [stage, modelStage]) await one.open(...items);
      for (const { name, run } of commands) {
        const answer = await run(stage);
        expect(answer, name).toEqual(await run(modelStage));
        await expectAlike(stage, modelStage, name);
      }
      // Messages come on a connection of their own, in order, but later than the answers.
      await soon(() => stage.heard.length >= modelStage.heard.length);
      for (const stop of stops) await stop();
      expect(stage.heard).toEqual(modelStage.heard);
    });
    try {
      await fc.assert(history, { numRuns: 150 });
    } finally {
      await Promise.all([engine.close(), model.close()]);
    }
  });
}

/** What no history may break, on either engine. */
export function describeInvariant(create: EngineFactory): void {
  test('[ST-1] held and sold never exceed the allotment, whatever the order of commands', async () => {
    const clock = new TestClock();
    const engine = await create({ clock, settings, newNonce: () => 'nonce' });
    const history = fc.asyncProperty(fc.array(aStep, { maxLength: 40 }), async (commands) => {
      histories += 1;
      const stage = new Stage(engine, `within-${histories}`, clock);
      await stage.open(...skus.map((skuId) => item(skuId, { allotted: 5, perBuyer: 4 })));
      for (const { name, run } of commands) {
        await run(stage);
        for (const { allotted, held, sold, available } of (await stage.read()).items) {
          expect(held + sold + available, name).toBe(allotted);
          expect(Math.min(held, sold, available), name).toBeGreaterThanOrEqual(0);
        }
      }
    });
    try {
      await fc.assert(history, { numRuns: 60 });
    } finally {
      await engine.close();
    }
  });
}

async function expectAlike(stage: Stage, model: Stage, name: string): Promise<void> {
  const seen = await Promise.all([stage.engine.read(stage.id), stage.engine.holds(stage.id)]);
  expect(seen, name).toEqual(await Promise.all([model.engine.read(model.id), model.engine.holds(model.id)]));
}
