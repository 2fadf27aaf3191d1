import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Role } from '../../contract/access.ts';
import { AuditAnswer, type Route, routes } from '../../contract/routes.ts';
import { describeWithDatabases } from '../../tests/services/databases.ts';
import { openTestShop } from '../livestreams/test-shop.ts';
import type { LedgerAudit } from '../orders/order-ledger.ts';
import { createPrismaLedger } from '../orders/prisma-ledger.ts';
import { MemoryStockEngine } from '../stock/memory-engine.ts';
import { bodyOf, send, sendJson, startTestServer, type TestServer } from './http-test-kit.ts';
import { managementHandlers } from './management-routes.ts';

describeWithDatabases('managing over HTTP', ({ database }) => {
  const clock = { now: () => Date.UTC(2_026, 10, 11, 12) };
  const engine = new MemoryStockEngine({ clock, settings: { pendingLeaseMs: 2_000, keyTtlMs: 600_000 } });
  let server: TestServer;
  let shop: ReturnType<typeof openTestShop>;
  /** What orders say, where a test wants them to differ from the items' counts. */
  let byOrders: Partial<LedgerAudit['items'][number]> = {};

  beforeAll(async () => {
    shop = openTestShop(database());
    const handlers = managementHandlers({
      catalogue: shop.catalogue,
      engine,
      ledger: { audit },
      clock,
      takeOver: (livestreamId, gate) => engine.putItems(livestreamId, gate.items, gate.infoRev),
    });
    server = await startTestServer({ handlers });
  });
  afterAll(() => server.stop());

  /** The ledger's own, with what orders say replaced where a test wants that. */
  async function audit(livestreamId: string): Promise<LedgerAudit | null> {
    const honest = await createPrismaLedger({ prisma: shop.prisma }).audit(livestreamId);
    if (honest === null) return null;
    const items = honest.items.map((item) => ({
      ...item,
      heldByOrders: item.held,
      soldByOrders: item.sold,
      ...byOrders,
    }));
    return { ...honest, items };
  }

  async function openGate(livestreamId: string): Promise<void> {
    const begun = await engine.begin(livestreamId);
    if (begun.kind === 'open') return;
    const { gate } = await manage(livestreamId);
    const items = gate.items.map((item) => ({ ...item, sold: 0 }));
    await engine.load(livestreamId, begun.nonce, {
      epoch: 1,
      infoRev: gate.infoRev,
      items,
      holds: [],
      counted: [],
      keys: [],
    });
  }

  /** What the gate would be given now. */
  async function manage(livestreamId: string) {
    const outcome = await shop.catalogue.start(livestreamId, 'test');
    if (outcome.kind === 'refused' || outcome.gate === null) throw new Error('the livestream has no gate');
    return { gate: outcome.gate };
  }

  async function bearer(role: Role, livestreamId: string | null = null): Promise<Record<string, string>> {
    return { authorization: `Bearer ${await server.issue({ role, livestreamId })}` };
  }
  const url = (path: string) => `${server.url}/api/v1${path}`;
  async function put(path: string, body: unknown, headers: Record<string, string>, method = 'PUT') {
    const all = { 'content-type': 'application/json', ...headers };
    return send(url(path), { method, headers: all, body: JSON.stringify(body) });
  }

  test('[LS-25][LS-29] a shop is stocked and a livestream sold over HTTP, every answer as the contract says', async () => {
    const id = shop.idOf;
    const [service, livestreamId, skuId] = [await bearer('service'), id('http'), id('http-tea')];
    const operator = await bearer('operator', livestreamId);
    const name = { zh: '名', en: 'Name' };
    const stockPath = `/warehouses/${id('w')}/stock/${skuId}`;
    const item = { skuId, unitPriceMinor: 990, currency: 'CNY', allotted: 40 };
    const base = `/livestreams/${livestreamId}`;
    const onSku = `${base}/items/${skuId}`;
    const steps: readonly [keyof typeof routes, string, unknown, Record<string, string>][] = [
      ['putProduct', '/products', { productId: id('p'), title: name }, service],
      ['putSku', '/skus', { skuId, productId: id('p') }, service],
      ['putWarehouse', '/warehouses', { warehouseId: id('w'), name }, service],
      ['setWarehouseStock', stockPath, { onHand: 60, reserved: 10, reason: 'first' }, service],
      ['putChannel', '/channels', { channelId: id('c'), name }, service],
      ['allotChannel', `/channels/${id('c')}/pools/${skuId}`, { allotted: 5, reason: 'app' }, service],
      ['sellInChannel', `/channels/${id('c')}/sales`, { saleId: 's1', skuId, quantity: 2 }, service],
      ['getSkuStock', `/skus/${skuId}/stock`, undefined, service],
      ['createLivestream', '/livestreams', { livestreamId, title: name }, service],
      ['addItem', `${base}/items`, item, operator],
      ['scheduleLivestream', `${base}/schedule`, { scheduledAtMs: clock.now() }, operator],
      ['startLivestream', `${base}/start`, undefined, operator],
      ['changeSale', `${onSku}/sale`, { action: 'open' }, operator],
      ['changeItem', onSku, { unitPriceMinor: 880 }, operator],
      ['allotItem', `${onSku}/allotment`, { allotted: 45, reason: 'more' }, operator],
      ['pinItem', `${base}/pin`, { skuId }, operator],
      ['getLivestream', base, undefined, operator],
      ['getAudit', `${base}/audit`, undefined, operator],
      ['listLivestreams', '/livestreams', undefined, {}],
      ['endLivestream', `${base}/end`, undefined, operator],
      ['getLevels', `${base}/levels`, undefined, operator],
    ];
    for (const [route, path, body, headers] of steps) {
      const { method, status, answer: schema } = routes[route] as Route;
      const json = body === undefined ? {} : { 'content-type': 'application/json' };
      const answer = await send(url(path), {
        method: method.toUpperCase(),
        headers: { ...headers, ...json },
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      });
      expect([route, answer.status, answer.status < 300 ? '' : answer.text]).toEqual([route, status, '']);
      expect([route, schema.safeParse(bodyOf(answer)).error?.issues]).toEqual([route, undefined]);
    }
    const actors = (await shop.entries(skuId)).map(({ type, actor }) => `${type} ${actor}`);
    expect(actors).toEqual([
      'RECEIVE service',
      'RESERVE service',
      'ALLOT service',
      `CHANNEL_SALE channel@${id('c')}`,
      `ALLOT operator@${livestreamId}`,
      `OPEN operator@${livestreamId}`,
      `ALLOT operator@${livestreamId}`,
      `END operator@${livestreamId}`,
    ]);
  });

  test('[LS-25] a refusal has the status of its code and says what is in the way', async () => {
    const skuId = await shop.sku('refuse', 10);
    const livestreamId = await shop.livestream('refuse', 'live');
    await shop.add(livestreamId, skuId, 5);
    const channelId = await shop.channel('refuse');
    await shop.catalogue.allotChannel(channelId, skuId, 3, 'test', 'app');
    const admin = await bearer('admin');
    const path = `/livestreams/${livestreamId}/items/${skuId}/allotment`;
    const conflict = await put(path, { allotted: 8, reason: 'more' }, admin);
    expect(conflict.status).toBe(409);
    expect(bodyOf(conflict).error).toMatchObject({
      code: 'conflict',
      action: 'fix',
      message: {
        zh: expect.stringContaining('最多可分配 7'),
        en: expect.stringContaining('at most 7 can be allotted here'),
      },
    });
    const elsewhere = path.replace(skuId, shop.idOf('none'));
    expect((await put(elsewhere, { allotted: 8, reason: 'more' }, admin)).status).toBe(404);
    expect((await send(url(`/skus/${shop.idOf('none')}/stock`), { headers: admin })).status).toBe(404);
    const sell = (saleId: string, quantity: number) =>
      sendJson(url(`/channels/${channelId}/sales`), { saleId, skuId, quantity }, admin);
    const answers = [
      await sell('s1', 4),
      await sell('s2', 3),
      await sell('s2', 3),
      await sell('s3', 1),
      await sell('s2', 1),
    ];
    expect(answers.map((answer) => bodyOf(answer).error?.code ?? bodyOf(answer))).toEqual([
      'insufficient',
      { outcome: 'sold', available: 0 },
      { outcome: 'duplicate', available: 0 },
      'sold_out',
      'conflict',
    ]);
  });

  test('[LS-26] what was committed is at the gate before the answer', async () => {
    const skuId = await shop.sku('gate', 50);
    const livestreamId = await shop.livestream('gate', 'live');
    await shop.add(livestreamId, skuId, 5);
    await openGate(livestreamId);
    const operator = await bearer('operator', livestreamId);
    const base = `/livestreams/${livestreamId}/items/${skuId}`;
    expect((await put(`${base}/allotment`, { allotted: 9, reason: 'more' }, operator)).status).toBe(200);
    expect((await engine.read(livestreamId))?.items).toMatchObject([{ skuId, allotted: 9, status: 'not_open' }]);
    await put(`${base}/sale`, { action: 'open' }, operator, 'POST');
    const reading = await engine.read(livestreamId);
    expect(reading?.items).toMatchObject([{ skuId, allotted: 9, available: 9, status: 'on_sale' }]);
    const priced = await put(base, { unitPriceMinor: 1 }, operator, 'PATCH');
    expect((await engine.read(livestreamId))?.infoRev).toBe(bodyOf(priced).livestream.infoRev);

    const other = await shop.sku('late', 5);
    const item = { skuId: other, unitPriceMinor: 1, currency: 'CNY', allotted: 2 };
    expect((await sendJson(url(`/livestreams/${livestreamId}/items`), item, operator)).status).toBe(201);
    expect((await engine.read(livestreamId))?.items).toMatchObject([{ skuId }, { skuId: other, available: 2 }]);
  });

  test('[LS-26][LS-31] what was moved is at the gate before the answer, and a repeated request answers the same', async () => {
    const [skuId, livestreamId] = [await shop.sku('moved', 50), await shop.livestream('moved', 'live')];
    await shop.add(livestreamId, skuId, 10);
    await openGate(livestreamId);
    const at = `${server.url}/api/v1/livestreams/${livestreamId}/items/${skuId}`;
    const operator = { authorization: `Bearer ${await server.issue({ role: 'operator', livestreamId })}` };
    const move = {
      transferId: 'transfer-1',
      from: { kind: 'unallotted' },
      to: { kind: 'livestream' },
      quantity: 7,
      reason: 'more',
    };
    const first = await sendJson(`${at}/transfers`, move, operator);
    expect([first.status, bodyOf(first).transfer]).toEqual([
      200,
      expect.objectContaining({ toBefore: 10, toAfter: 17, actor: `operator@${livestreamId}` }),
    ]);
    expect((await engine.read(livestreamId))?.items).toMatchObject([{ skuId, allotted: 17, available: 17 }]);
    const again = await sendJson(`${at}/transfers`, move, operator);
    expect(bodyOf(again).transfer).toEqual(bodyOf(first).transfer);
    const pools = await send(`${at}/pools`, { headers: operator });
    expect(bodyOf(pools).pools).toMatchObject({ unallotted: 33, livestream: { allotted: 17, movable: 17 } });
    const codes = [
      { ...move, quantity: 8 },
      { ...move, transferId: 'transfer-2', to: { kind: 'unallotted' } },
      { ...move, transferId: 'transfer-3', quantity: 0 },
      { ...move, transferId: 'short' },
      { ...move, transferId: 'transfer-4', from: { kind: 'channel', channelId: 'nobody' } },
    ].map(async (body) => bodyOf(await sendJson(`${at}/transfers`, body, operator)).error.code);
    expect(await Promise.all(codes)).toEqual(['conflict', 'bad_request', 'bad_request', 'bad_request', 'not_found']);
    const stranger = { authorization: `Bearer ${await server.issue({ role: 'operator', livestreamId: 'another' })}` };
    expect((await sendJson(`${at}/transfers`, move, stranger)).status).toBe(403);
  });

  test('[LS-27] levels are the gate’s, else rebuilding, else the ledger’s where no gate will come', async () => {
    const skuId = await shop.sku('levels', 50);
    const livestreamId = await shop.livestream('levels');
    await shop.add(livestreamId, skuId, 7);
    const anchor = await bearer('anchor', livestreamId);
    const levels = () => send(url(`/livestreams/${livestreamId}/levels`), { headers: anchor });
    const row = { skuId, version: 0, available: 7, held: 0, sold: 0, status: 'not_open' };
    expect(bodyOf(await levels())).toEqual({ epoch: 0, version: 0, levels: [row] });
    await shop.catalogue.start(livestreamId, 'test');
    expect((await levels()).status).toBe(503);
    expect(bodyOf(await levels()).error.code).toBe('rebuilding');
    await shop.catalogue.changeSale(livestreamId, skuId, { action: 'open', opensAtMs: clock.now() + 1 }, 'test');
    await openGate(livestreamId);
    const atGate = bodyOf(await levels());
    expect(atGate).toMatchObject({ epoch: 1, levels: [{ ...row, version: atGate.version, status: 'scheduled' }] });
    expect(Object.keys(atGate.levels[0]).toSorted()).toEqual(Object.keys(row).toSorted());
    await shop.orders(livestreamId, skuId, { held: 0, sold: 3 });
    await shop.catalogue.end(livestreamId, 'test');
    await engine.archive(livestreamId);
    await shop.catalogue.archive(livestreamId);
    expect(bodyOf(await levels()).levels).toEqual([{ ...row, available: 0, sold: 3, status: 'ended' }]);
    const unknown = await send(url(`/livestreams/${shop.idOf('none')}/levels`), { headers: await bearer('admin') });
    expect(bodyOf(unknown).error.code).toBe('route_not_found');
  });

  test('[LS-28] the drift of an audit counts each unit by which gate, ledger and orders differ', async () => {
    const skuId = await shop.sku('audit', 50);
    const livestreamId = await shop.livestream('audit', 'live');
    await shop.add(livestreamId, skuId, 20);
    const operator = await bearer('operator', livestreamId);
    const look = async () =>
      AuditAnswer.parse(bodyOf(await send(url(`/livestreams/${livestreamId}/audit`), { headers: operator })));
    expect(await look()).toMatchObject({ drift: 0, items: [{ skuId, gate: null, allotted: 20 }] });
    await openGate(livestreamId);
    expect(await look()).toMatchObject({
      drift: 0,
      epoch: 1,
      items: [{ skuId, gate: { allotted: 20, available: 20 } }],
    });
    await shop.orders(livestreamId, skuId, { held: 3, sold: 2 });
    expect((await look()).drift).toBe(5);
    byOrders = { heldByOrders: 4, soldByOrders: 0 };
    expect((await look()).drift).toBe(8);
    await engine.archive(livestreamId);
    expect((await look()).drift).toBe(3);
    byOrders = {};
    expect((await look()).drift).toBe(0);
    const unknown = await send(url(`/livestreams/${shop.idOf('none')}/audit`), { headers: await bearer('admin') });
    expect(unknown.status).toBe(404);
  });
});
