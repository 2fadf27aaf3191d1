import type { Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { openStage, type Stage, shirt, tea } from './operator-stage.ts';

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

/** Two browsers and a server share the machine with other tests: a second is not always enough. */
const eventually = <Value>(read: () => Promise<Value>) => expect.poll(read, { timeout: 10_000 });
const row = (page: Page, skuId: string) => page.locator(`tr[data-sku="${skuId}"]`);
const cell = (page: Page, skuId: string, name: string) => row(page, skuId).locator(`.cell-${name}`);
const alerts = (page: Page) => page.locator('.queue .alert');
const plan = (estimate: number, more: object = {}) => ({
  estimate,
  confidence: 'high',
  leadTimeDays: 0,
  curveClass: 'steady',
  core: false,
  redPolicy: 'ask',
  dynamicLine: false,
  yellowPercent: 80,
  orangePercent: 100,
  redPercent: 120,
  ...more,
});

describe('entrance', () => {
  test('[CO-1] a link opens its livestream, its token leaves the address, and a reload needs no link', async () => {
    await stage.shop.livestream('enter', [tea]);
    const page = await stage.console('enter');
    expect(page.url()).not.toContain('token');
    await page.reload();
    await row(page, 'enter-1').waitFor();
  });

  test('[CO-1] without a session the page says how to get in, and takes a whole link', async () => {
    await stage.shop.livestream('gate', [tea]);
    const page = await stage.visit('/operator/?livestream=gate', {});
    expect(await page.locator('.command').textContent()).toContain('npm run access -- --role operator');
    const viewer = await stage.server.token({ role: 'viewer', livestreamId: 'gate', buyerId: 'b' });
    await page.locator('.gate input').fill(viewer);
    await page.locator('.gate .button-buy').click();
    await page.locator('.gate .notice').waitFor();
    const token = await stage.server.token({ role: 'operator', livestreamId: 'gate' });
    await page.locator('.gate input').fill(`${stage.server.url}/operator/?livestream=gate#token=${token}`);
    await page.locator('.gate .button-buy').click();
    await row(page, 'gate-1').waitFor();
  });

  test('[CO-1] an admin sees all livestreams and creates one', async () => {
    await stage.shop.livestream('listed', [tea]);
    const token = await stage.server.token({ role: 'admin' });
    const page = await stage.visit(`/operator/#token=${token}`, {});
    await page.locator('.card a[href$="livestream=listed"]').waitFor();
    const form = page.locator('form.box');
    await form.locator('input').first().fill('made-here');
    await form.getByLabel('标题（中文）').fill('新的直播');
    await form.locator('.button-buy').click();
    await page.waitForURL(/livestream=made-here/);
    await eventually(() => page.locator('.state-tag').first().textContent()).toBe('草稿');
  });
});

describe('alerts', () => {
  test('[CO-6][CO-7] an alert raised by real orders is on both consoles, and what one does the other shows', async () => {
    const [skuId = ''] = await stage.shop.livestream('alerts', [{ ...tea, allotted: 100 }]);
    await stage.shop.call('PUT', `/livestreams/alerts/plans/${skuId}`, plan(10));
    const [one, other] = await Promise.all([stage.console('alerts'), stage.console('alerts')]);
    await stage.sell('alerts', skuId, 10);
    for (const page of [one, other]) {
      await page.locator('.alert[data-tier=orange][data-state=raised]').waitFor();
      await eventually(() => page.title()).toMatch(/^\(1\) /);
      await row(page, skuId).and(page.locator('[data-tier=orange]')).waitFor();
    }
    await one.keyboard.press('n');
    await one.keyboard.press('a');
    await other.locator('.alert[data-tier=orange][data-state=acknowledged]').waitFor();
    await eventually(() => other.title()).not.toMatch(/^\(/);
    await stage.sell('alerts', skuId, 2, 'more');
    for (const page of [one, other]) {
      await page.locator('.alert[data-tier=red][data-state=raised]').waitFor();
      expect(await page.locator('[data-region=red]').textContent()).toContain('岩茶');
    }
    await one.getByRole('button', { name: '解决', exact: true }).click();
    await eventually(() => alerts(other).count()).toBe(0);
  });

  test('[CO-5] a note is written without its letters being commands, and stands in the history', async () => {
    const [skuId = ''] = await stage.shop.livestream('notes', [{ ...tea, allotted: 100 }]);
    await stage.shop.call('PUT', `/livestreams/notes/plans/${skuId}`, plan(5));
    const page = await stage.console('notes');
    await stage.sell('notes', skuId, 5);
    await page.locator('.alert[data-state=raised]').waitFor();
    await page.keyboard.press('n');
    await page.locator('.alert-more input').pressSequentially('an amen at noon');
    expect(await page.locator('.alert').getAttribute('data-state')).toBe('raised');
    await page.keyboard.press('Enter');
    await page.locator('.alert[data-state=acknowledged]').waitFor();
    await page.locator('.alert').getByRole('button', { name: '经过' }).click();
    await page.locator('dialog[open] .history', { hasText: 'an amen at noon' }).waitFor();
  });

  test('[CO-5] the keys are listed at ?, and Escape closes the list', async () => {
    await stage.shop.livestream('keys', [tea]);
    const page = await stage.console('keys');
    await page.keyboard.press('?');
    await page.locator('dialog[open] kbd').first().waitFor();
    expect(await page.locator('dialog[open] kbd').count()).toBe(6);
    await page.keyboard.press('Escape');
    await page.locator('dialog[open]').waitFor({ state: 'detached' });
  });
});

describe('stock and sale', () => {
  test('[CO-8] a stop reaches the viewer, its undo too; numbers tick with orders', async () => {
    const [skuId = ''] = await stage.shop.livestream('stop', [tea]);
    const page = await stage.console('stop');
    const viewer = await stage.visit('/viewer/?livestream=stop', {});
    await viewer.locator('[data-status=on_sale]').first().waitFor();
    await stage.shop.buy('stop', 'buyer', skuId);
    await eventually(() => cell(page, skuId, 'available').textContent()).toBe('19');
    expect(await cell(page, skuId, 'held').textContent()).toBe('1');
    await row(page, skuId).getByRole('button', { name: '停售' }).click();
    await viewer.locator('[data-status=stopped]').first().waitFor();
    await row(page, skuId).and(page.locator('[data-status=stopped]')).waitFor();
    await page.locator('.toast-undo').click();
    await viewer.locator('[data-status=on_sale]').first().waitFor();
    await row(page, skuId).getByRole('button', { name: '停售' }).waitFor();
  });

  test('[CO-8][CO-12] stock is absolute, its least is shown; a refusal is explained and keeps what was typed', async () => {
    const [skuId = ''] = await stage.shop.livestream('restock', [tea]);
    await stage.sell('restock', skuId, 3);
    const page = await stage.console('restock');
    await row(page, skuId).locator('.name-button').click();
    const form = page.locator('.panel form', { hasText: '调整库存' }).first();
    const field = form.locator('input').first();
    await eventually(() => form.locator('.hint').first().textContent()).toContain('最少 3');
    await field.fill('2');
    expect(await form.locator('.button-buy').getAttribute('aria-disabled')).toBe('true');
    await field.fill('20000');
    await form.locator('.button-buy').click();
    expect(await form.locator('.error-note').textContent()).toContain('最多可分配 10000');
    expect(await field.inputValue()).toBe('20000');
    await field.fill('60');
    await form.locator('.button-buy').click();
    await eventually(() => cell(page, skuId, 'available').textContent()).toBe('57');
    await eventually(() => field.inputValue()).toBe('');
  });

  test('[CO-9] a new price is on the viewer’s page; a fraction too fine is not sent', async () => {
    const [skuId = ''] = await stage.shop.livestream('price', [tea]);
    const page = await stage.console('price');
    const viewer = await stage.visit('/viewer/?livestream=price', {});
    await row(page, skuId).locator('.name-button').click();
    const price = page.getByLabel('价格 (CNY)');
    const save = page.locator('.panel form', { has: price }).getByRole('button', { name: '保存' });
    await price.fill('49.505');
    expect(await save.getAttribute('aria-disabled')).toBe('true');
    await price.fill('49.5');
    await save.click();
    await viewer.locator('.price', { hasText: '¥49.50' }).first().waitFor();
  });

  test('[CO-10] a plan shows its coverage line, and is not saved while its percents do not ascend', async () => {
    const [skuId = ''] = await stage.shop.livestream('plan', [{ ...tea, allotted: 110 }]);
    const page = await stage.console('plan');
    await row(page, skuId).locator('.name-button').click();
    const form = page.locator('.panel form.plan');
    const save = form.getByRole('button', { name: '保存' });
    await form.getByLabel('本场预估（件）').fill('100');
    await form.getByLabel('红', { exact: true }).fill('90');
    expect(await save.getAttribute('aria-disabled')).toBe('true');
    await form.getByLabel('红', { exact: true }).fill('130');
    await save.click();
    await form.locator('.findings', { hasText: '覆盖线 120 件' }).waitFor();
    await form.locator('.findings .tier[data-tier=red]').first().waitFor();
  });

  test('[CO-7] a decision is a marker on the curve of every console', async () => {
    const [skuId = ''] = await stage.shop.livestream('decide', [tea]);
    const [one, other] = await Promise.all([stage.console('decide'), stage.console('decide')]);
    for (const page of [one, other]) {
      await row(page, skuId).locator('.name-button').click();
      await page.locator('.panel .markers summary').first().click();
    }
    await one.locator('form.decision input').fill('再补五十件');
    await one.keyboard.press('Enter');
    for (const page of [one, other]) await page.locator('.panel .history', { hasText: '再补五十件' }).waitFor();
  });
});

describe('running the show', () => {
  test('[CO-11] an order is refunded with a reason only, and its unit is for sale again', async () => {
    const [skuId = ''] = await stage.shop.livestream('refund', [tea]);
    const orderId = await stage.shop.buy('refund', 'buyer', skuId);
    await stage.pay(orderId);
    const page = await stage.console('refund');
    await eventually(() => cell(page, skuId, 'sold').textContent()).toBe('1');
    await page.getByRole('button', { name: '订单' }).click();
    const order = page.locator(`tr[data-order="${orderId}"]`);
    await order.and(page.locator('[data-state=paid]')).waitFor();
    await order.getByRole('button', { name: '退款' }).click();
    const confirm = page.getByRole('button', { name: '确认退款' });
    expect(await confirm.getAttribute('aria-disabled')).toBe('true');
    await page.locator('form.refund input').fill('买家要求');
    await confirm.click();
    await order.and(page.locator('[data-state=refunded]')).waitFor();
    await page.getByRole('button', { name: '商品', exact: true }).first().click();
    await eventually(() => cell(page, skuId, 'available').textContent()).toBe('20');
  });

  test('[CO-11] a livestream is ended only after its id was typed', async () => {
    await stage.shop.livestream('finale', [tea, shirt]);
    const page = await stage.console('finale');
    await page.getByRole('button', { name: '直播', exact: true }).click();
    await page.getByRole('button', { name: '下播…' }).click();
    const confirm = page.getByRole('button', { name: '确认下播' });
    expect(await confirm.getAttribute('aria-disabled')).toBe('true');
    await page.locator('.ending input').fill('final');
    await page.keyboard.press('Enter');
    expect(await page.locator('.state-tag').first().textContent()).toBe('直播中');
    await page.locator('.ending input').fill('finale');
    await confirm.click();
    await eventually(() => page.locator('.state-tag').first().textContent()).toBe('已下播');
  });

  test('[CO-7] an overlay’s link is made and revoked, and an audit of a quiet sale finds no difference', async () => {
    const [skuId = ''] = await stage.shop.livestream('overlays', [tea]);
    await stage.sell('overlays', skuId, 2);
    const page = await stage.console('overlays');
    await page.getByRole('button', { name: '直播', exact: true }).click();
    await page.getByRole('button', { name: '生成链接' }).click();
    expect(await page.locator('.made-link input').inputValue()).toMatch(/\/anchor\/\?livestream=overlays.*#token=/);
    await page.getByRole('button', { name: '吊销 OBS' }).click();
    await page.locator('[data-revoked=true]').waitFor();
    await page.getByRole('button', { name: '开始对账' }).click();
    await page.locator('.audit-outcome[data-drift="0"]').waitFor();
  });
});
