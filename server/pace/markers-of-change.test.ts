import { expect, test } from 'vitest';
import type { ItemInfo, LivestreamInfo } from '../../contract/livestreams.ts';
import type { ItemLevel } from '../stock/stock-engine.ts';
import { markersOfChange, markersOfLevel, markersOfTransfer, openingsDue } from './markers-of-change.ts';

const nowMs = 1_760_000_000_000;

const item = (skuId: string, parts: Partial<ItemInfo> = {}): ItemInfo => ({
  index: 0,
  skuId,
  productId: 'product',
  title: { zh: '茶', en: 'Tea' },
  spec: [],
  imageUrl: null,
  unitPriceMinor: 9_900,
  currency: 'CNY',
  limits: { perOrder: null, perBuyer: null, perDevice: null },
  salePolicy: { kind: 'deduct_on_order' },
  display: { kind: 'exact' },
  sale: 'open',
  opensAtMs: 0,
  ...parts,
});

const livestream = (
  infoRev: number,
  items: readonly ItemInfo[],
  pinnedSkuId: string | null = null,
): LivestreamInfo => ({
  livestreamId: 'live',
  title: { zh: '直播', en: 'Show' },
  state: 'live',
  scheduledAtMs: null,
  startedAtMs: nowMs,
  endedAtMs: null,
  holdTtlMs: 600_000,
  pinnedSkuId,
  infoRev,
  items: [...items],
});

const changeOf = (before: LivestreamInfo, after: LivestreamInfo) =>
  markersOfChange(before, after, nowMs).map(({ kind, skuId, text, key, internal }) => ({
    kind,
    skuId,
    en: text.en,
    key,
    internal,
  }));

test('[PA-21] price, pin, stop and resume of a change, each under the revision that brought it', () => {
  const before = livestream(7, [item('a'), item('b'), item('c', { sale: 'stopped' }), item('d')]);
  const after = livestream(
    8,
    [item('a', { unitPriceMinor: 7_900 }), item('b', { sale: 'stopped' }), item('c'), item('d')],
    'a',
  );
  const open = { internal: false };
  expect(changeOf(before, after)).toEqual([
    { kind: 'pin', skuId: 'a', en: 'Pinned', key: 'pin:a:8', ...open },
    { kind: 'price', skuId: 'a', en: 'Price CNY 99.00 → CNY 79.00', key: 'price:a:8', ...open },
    { kind: 'stop', skuId: 'b', en: 'Stopped', key: 'stop:b:8', ...open },
    { kind: 'resume', skuId: 'c', en: 'Resumed', key: 'resume:c:8', ...open },
  ]);
  expect(changeOf(after, livestream(9, after.items))).toEqual([
    { kind: 'pin', skuId: null, en: 'Unpinned', key: 'pin::9', ...open },
  ]);
  expect(changeOf(after, after)).toEqual([]);
});

test('[PA-21] a sale that opens now is marked now, one by appointment when its moment comes, under one key', () => {
  const before = livestream(1, [item('a', { sale: 'not_open' }), item('b', { sale: 'not_open' })]);
  const after = livestream(2, [item('a'), item('b', { opensAtMs: nowMs + 60_000 }), item('new')]);
  expect(changeOf(before, after).map(({ key }) => key)).toEqual(['open:a:2', 'open:new:2']);
  expect(openingsDue(after, nowMs + 59_999, 15_000)).toEqual([]);
  expect(openingsDue(after, nowMs + 60_000, 15_000)).toMatchObject([
    { kind: 'open', skuId: 'b', atMs: nowMs + 60_000, key: `open:b:${nowMs + 60_000}` },
  ]);
  expect(openingsDue(after, nowMs + 75_000, 15_000)).toEqual([]);
  const past = livestream(3, [item('b', { opensAtMs: nowMs - 1_000 })]);
  expect(changeOf(before, past).map(({ key }) => key)).toEqual([`open:b:${nowMs - 1_000}`]);
});

test('[PA-21] a pool that grew is a restock, the last unit gone is sold out; a pool made empty never had any', () => {
  const level = (parts: Partial<ItemLevel>): ItemLevel => ({
    skuId: 'a',
    version: 5,
    allotted: 10,
    available: 4,
    held: 2,
    sold: 4,
    status: 'on_sale',
    ...parts,
  });
  const kinds = (before: Partial<ItemLevel>, after: Partial<ItemLevel>) =>
    markersOfLevel(level(before), level(after), nowMs).map(({ kind, text }) => `${kind} ${text.en}`);
  expect(kinds({}, { available: 0, held: 6 })).toEqual(['sold_out Sold out']);
  expect(kinds({ available: 0 }, { available: 30, allotted: 40 })).toEqual(['restock Restocked +30']);
  expect(kinds({ available: 0 }, { available: 0 })).toEqual([]);
  expect(kinds({}, { available: 0, allotted: 0 })).toEqual([]);
  expect(kinds({}, { available: 3 })).toEqual([]);
});

test('[PA-21] units that were moved out are a decision that nobody on air sees; units that came are seen in the levels', () => {
  const sizes = { quantity: 5, fromBefore: 9, fromAfter: 4, toBefore: 0, toAfter: 5 };
  const plain = { transferId: 'transfer-1', skuId: 'a', ...sizes, reason: 'r', actor: 'operator', atMs: nowMs };
  const [livestreamPool, app] = [{ kind: 'livestream' }, { kind: 'channel', channelId: 'app' }] as const;
  expect(markersOfTransfer({ ...plain, from: livestreamPool, to: app })).toEqual([
    {
      kind: 'decision',
      skuId: 'a',
      tier: null,
      internal: true,
      atMs: nowMs,
      text: { zh: '调出 5 件 → 渠道 app', en: 'Moved 5 out → app' },
    },
  ]);
  expect(markersOfTransfer({ ...plain, from: app, to: livestreamPool })).toEqual([]);
});
