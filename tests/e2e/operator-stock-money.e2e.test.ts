import type { Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { openStage, type Stage, tea } from './operator-stage.ts';

/** Units between pools, orders that are searched for, and money that goes back, on the console of a whole server. */

let stage: Stage;
beforeAll(async () => {
  stage = await openStage();
});
afterAll(async () => {
  await stage?.close();
});
afterEach(async () => {
  expect(await stage.clear()).toEqual([]);
});

const eventually = <Value>(read: () => Promise<Value>) => expect.poll(read, { timeout: 20_000 });
const cell = (page: Page, skuId: string, name: string) =>
  page.locator(`tr[data-sku="${skuId}"]`).locator(`.cell-${name}`);
const orderRow = (page: Page, orderId: string) => page.locator(`tr[data-order="${orderId}"]`);
type Stock = { stock: { unallotted: number; sellable: number; channels: { channelId: string; allotted: number }[] } };

test('[CO-16] units are moved from the app’s pool to the show and back; viewers see them, and the changes are listed', async () => {
  const [skuId = ''] = await stage.shop.livestream('pools', [tea]);
  await stage.shop.call('POST', '/channels', { channelId: 'app', name: { zh: '商城 App', en: 'Shop app' } });
  await stage.shop.call('PUT', `/channels/app/pools/${skuId}`, { allotted: 30, reason: 'launch' });
  await stage.sell('pools', skuId, 2);
  const page = await stage.console('pools');
  const viewer = await stage.visit('/viewer/?livestream=pools', {});
  await page.locator(`tr[data-sku="${skuId}"] .name-button`).click();
  const form = page.locator('form.move');
  await form.getByLabel('从').selectOption({ label: '商城 App' });
  expect(await form.getByLabel('到', { exact: true }).inputValue()).toBe('livestream');
  await eventually(() => form.locator('.hint').textContent()).toContain('最多可调出 30 件');
  await form.getByLabel('件数').fill('31');
  const submit = form.getByRole('button', { name: '调拨' });
  expect(await submit.getAttribute('aria-disabled')).toBe('true');
  await form.getByLabel('件数').fill('12');
  await form.getByLabel('原因').fill('直播间卖得快');
  await submit.click();
  await eventually(() => cell(page, skuId, 'available').textContent()).toBe('30');
  await eventually(() => viewer.locator('.left').first().getAttribute('data-units')).toBe('30');
  await eventually(() => form.getByLabel('件数').inputValue()).toBe('');

  await form.getByLabel('从').selectOption({ label: '本直播间' });
  expect(await form.getByLabel('到', { exact: true }).inputValue()).toBe('channel:app');
  await form.getByLabel('到', { exact: true }).selectOption({ label: '未分配库存' });
  await eventually(() => form.locator('.hint').textContent()).toContain('最多可调出 30 件');
  await form.getByLabel('件数').fill('5');
  await submit.click();
  await eventually(() => cell(page, skuId, 'available').textContent()).toBe('25');
  await form.locator('summary').click();
  await form.locator('.history', { hasText: '商城 App → 本直播间' }).waitFor();
  await form.locator('.history', { hasText: '直播间卖得快' }).waitFor();
  await form.locator('.history', { hasText: '本直播间 → 未分配库存' }).waitFor();
  const { stock } = await stage.shop.call<Stock>('GET', `/skus/${skuId}/stock`);
  expect(stock).toMatchObject({ sellable: 10_000, unallotted: 9_955, channels: [{ channelId: 'app', allotted: 18 }] });
  // Both are markers on the curve.
  await page.locator('.panel .markers summary').first().click();
  await page.locator('.panel .history', { hasText: '补货 +12' }).waitFor();
  await page.locator('.panel .history', { hasText: '调出 5 件 → 未分配库存' }).waitFor();
});

test('[CO-16][CO-12] a move that somebody was faster with is explained, and what was typed stays', async () => {
  const [skuId = ''] = await stage.shop.livestream('raced', [tea]);
  const page = await stage.console('raced');
  await page.locator(`tr[data-sku="${skuId}"] .name-button`).click();
  const form = page.locator('form.move');
  await eventually(() => form.locator('.hint').textContent()).toContain('9,980');
  await stage.shop.call('PUT', `/warehouses/e2e/stock/${skuId}`, { onHand: 25, reason: 'count' });
  await form.getByLabel('件数').fill('100');
  await form.getByRole('button', { name: '调拨' }).click();
  await form.locator('.error-note', { hasText: '最多可调出 5 件' }).waitFor();
  expect(await form.getByLabel('件数').inputValue()).toBe('100');
  await eventually(() => form.locator('.hint').textContent()).toContain('最多可调出 5 件');
});

test('[CO-17] an order is found by its id or the beginning of it, by its buyer and by its state', async () => {
  const [skuId = ''] = await stage.shop.livestream('search', [tea]);
  await stage.sell('search', skuId, 4);
  const orderId = await stage.shop.buy('search', 'wanted', skuId);
  await stage.pay(orderId);
  const page = await stage.console('search');
  await page.getByRole('button', { name: '订单' }).click();
  const rows = page.locator('tr[data-order]');
  await eventually(() => rows.count()).toBe(5);
  const search = page.getByRole('button', { name: '查询' });
  const byId = page.getByLabel('订单号');
  for (const text of [orderId, orderId.slice(0, -1)]) {
    await byId.fill(text);
    await search.click();
    await eventually(() => rows.count()).toBe(1);
    expect(await rows.first().getAttribute('data-order')).toBe(orderId);
  }
  await byId.fill('不是编号');
  expect(await search.getAttribute('aria-disabled')).toBe('true');
  await byId.fill('no-such-order');
  await search.click();
  await eventually(() => rows.count()).toBe(0);
  await byId.fill('');
  await page.getByLabel('买家编号').fill('wanted');
  await search.click();
  await eventually(() => rows.count()).toBe(1);
  await page.getByLabel('买家编号').fill('');
  await page.locator('.sheet').getByLabel('状态').selectOption({ label: '待支付' });
  await eventually(() => rows.count()).toBe(4);
});

test('[CO-18][RF-7] a refund goes to the provider and is told as returned; a second payment goes back alone', async () => {
  const [skuId = ''] = await stage.shop.livestream('money', [tea]);
  const [once, twice] = [await stage.shop.buy('money', 'once', skuId), await stage.shop.buy('money', 'twice', skuId)];
  await stage.pay(once);
  await stage.pay(twice);
  await stage.pay(twice, 'again');
  const page = await stage.console('money');
  await page.getByRole('button', { name: '订单' }).click();
  const due = page.locator('section.due').locator(`tr[data-order="${twice}"]`);
  await due.locator('[data-payment]', { hasText: '重复付款' }).waitFor();
  await due.getByRole('button', { name: '退回 ¥99.00' }).click();
  await page.locator('form.refund input').fill('重复付款');
  await page.getByRole('button', { name: '确认退款' }).click();
  await page.locator('.due-none').waitFor();
  await orderRow(page, twice).and(page.locator('[data-state=paid]')).waitFor();

  await orderRow(page, once).getByRole('button', { name: '退款' }).click();
  await page.locator('form.refund input').fill('买家要求');
  await page.getByRole('button', { name: '确认退款' }).click();
  await orderRow(page, once).and(page.locator('[data-state=refunded]')).waitFor();
  await page.locator('.refunds summary').click();
  await eventually(() => page.locator('.refunds tr[data-state=completed]').count()).toBe(2);
});
