import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { startRedisServer, type TestRedis } from '../../tests/services/redis-server.ts';
import { MemoryStockEngine } from '../stock/memory-engine.ts';
import { connectRedisEngine } from '../stock/redis-engine/redis-engine.ts';
import { item, Stage, settings, TestClock } from '../stock/stock-engine.fixtures.ts';
import type { FollowListener, StockEngine } from '../stock/stock-engine.ts';
import { silent } from './alert-test-kit.ts';
import { createGateLevelWatch } from './gate-level-watch.ts';
import type { WatchedLevels } from './level-watch.ts';

const soon = { timeout: 5_000, interval: 5 };

let redis: TestRedis;
beforeAll(async () => {
  redis = await startRedisServer();
});
afterAll(() => redis.stop());

const engines: Record<string, (clock: TestClock) => Promise<StockEngine>> = {
  memory: async (clock) => new MemoryStockEngine({ clock, settings }),
  redis: (clock) =>
    connectRedisEngine({ url: redis.url, timeoutMs: 10_000 }, { clock, settings, newNonce: () => nonce() }),
};
let nonces = 0;
const nonce = (): string => `nonce-${(nonces += 1)}`;

describe.each(['memory', 'redis'])('levels watched over the %s gate', (kind) => {
  let stages = 0;

  /** A gate with 10 units of tea and mug, a list of active livestreams, and a watch that looks only when it is told to. */
  async function watchStage(options: { active?: boolean; lose?: () => boolean } = {}) {
    stages += 1;
    const clock = new TestClock();
    const engine = await (engines[kind] as (clock: TestClock) => Promise<StockEngine>)(clock);
    const stage = new Stage(engine, `watched-${kind}-${stages}`, clock);
    const active = new Set(options.active === false ? [] : [stage.id]);
    let listener: FollowListener | undefined;
    let follows = 0;
    const watch = createGateLevelWatch({
      engine: {
        read: (id) => engine.read(id),
        peek: (id) => engine.peek(id),
        follow(id, own) {
          listener = own;
          follows += 1;
          const change: FollowListener['change'] = (one) => {
            if (options.lose?.() !== true) own.change(one);
          };
          return engine.follow(id, { change, interrupted: () => own.interrupted() });
        },
      },
      catalogue: { active: async () => [...active].map((livestreamId) => ({ livestreamId, state: 'live' as const })) },
      clock,
      log: silent,
      lookMs: 3_600_000,
    });
    const heard: WatchedLevels[] = [];
    const shown = () => {
      const levels = new Map<string, number>();
      for (const { items } of heard) for (const { skuId, available } of items) levels.set(skuId, available);
      return Object.fromEntries(levels);
    };
    watch.onLevels((levels) => heard.push(levels));
    return {
      stage,
      active,
      watch,
      heard,
      shown,
      interrupt: () => listener?.interrupted(),
      follows: () => follows,
      async [Symbol.asyncDispose]() {
        await watch.stop();
        await engine.close();
      },
    };
  }

  test('[AL-26] every active livestream is followed, whoever looks on: all items first, then what changes, in order', async () => {
    await using one = await watchStage();
    await one.stage.open(item('tea'), item('mug'));
    await one.watch.start();
    expect(one.heard).toMatchObject([{ livestreamId: one.stage.id, complete: true }]);
    expect(one.shown()).toEqual({ tea: 10, mug: 10 });
    for (let order = 0; order < 4; order += 1) await one.stage.reserve();
    await vi.waitFor(() => expect(one.shown()).toEqual({ tea: 6, mug: 10 }), soon);
    const changes = one.heard.slice(1);
    expect(changes.every(({ complete, items }) => !complete && items.length === 1)).toBe(true);
    const versions = changes.flatMap(({ items }) => items.map(({ version }) => version));
    expect(versions).toEqual(versions.toSorted((a, b) => a - b));
    const late: WatchedLevels[] = [];
    one.watch.onLevels((levels) => late.push(levels));
    expect(late).toMatchObject([{ complete: true, items: [{}, {}] }]);
  });

  test('[AL-26] a lost message is found by the next one, or by the look at the version', async () => {
    let losing = false;
    await using one = await watchStage({ lose: () => losing });
    await one.stage.open(item('tea'), item('mug'));
    await one.watch.start();
    losing = true;
    await one.stage.reserve({ units: { mug: 3 } });
    // Redis delivers by another connection than the one that answered.
    if (kind === 'redis') await new Promise((resolve) => setTimeout(resolve, 100));
    losing = false;
    expect(one.shown()).toEqual({ tea: 10, mug: 10 });
    await one.stage.reserve();
    await vi.waitFor(() => expect(one.shown()).toEqual({ tea: 9, mug: 7 }), soon);
    losing = true;
    await one.stage.reserve({ units: { mug: 2 } });
    await one.watch.look();
    expect(one.shown()).toEqual({ tea: 9, mug: 5 });
    const before = one.heard.length;
    await one.watch.look();
    expect(one.heard.length).toBe(before);
  });

  test('[AL-26] after an interruption, and in a new epoch, everything is read again', async () => {
    let losing = false;
    await using one = await watchStage({ lose: () => losing });
    await one.stage.open(item('tea'), item('mug'));
    await one.watch.start();
    losing = true;
    await one.stage.reserve();
    if (kind === 'redis') await new Promise((resolve) => setTimeout(resolve, 100));
    losing = false;
    one.interrupt();
    await vi.waitFor(() => expect(one.shown()).toEqual({ tea: 9, mug: 10 }), soon);
    await one.stage.load({ epoch: 2, items: [item('tea', { allotted: 4 }), item('mug', { allotted: 5 })] });
    await vi.waitFor(() => expect(one.shown()).toEqual({ tea: 4, mug: 5 }), soon);
    await one.stage.reserve();
    await vi.waitFor(() => expect(one.shown()).toEqual({ tea: 3, mug: 5 }), soon);
  });

  test('[AL-26] livestreams that come are followed with the next look, those that go are left, a missing gate is waited for', async () => {
    await using one = await watchStage({ active: false });
    await one.watch.start();
    expect(one.follows()).toBe(0);
    one.active.add(one.stage.id);
    await one.watch.look();
    expect([one.follows(), one.heard.length]).toEqual([1, 0]);
    await one.stage.open(item('tea'));
    await vi.waitFor(() => expect(one.shown()).toEqual({ tea: 10 }), soon);
    one.active.clear();
    await one.watch.look();
    const before = one.heard.length;
    await one.stage.reserve();
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(one.heard.length).toBe(before);
  });
});
