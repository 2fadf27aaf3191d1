import { createHash } from 'node:crypto';
import { setTimeout as wait } from 'node:timers/promises';
import type { Socket } from 'socket.io-client';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { CurveMarker, PaceState } from '../../contract/pace.ts';
import { type OpenDatabase, openDatabase } from '../db/database.ts';
import {
  ask,
  codeOf,
  connected,
  joinOf,
  type Rig,
  type RigNode,
  refusalOf,
  startRig,
  until,
} from './realtime-test-kit.ts';

/** Overlays over real sockets: what their tokens open, what reaches which audience, and how they end. */

let database: OpenDatabase;
let rig: Rig;
let node: RigNode;
let show: string;
let other: string;
beforeAll(async () => {
  database = await openDatabase({ databaseUrl: null, dataDir: null });
  rig = await startRig(database);
  node = await rig.node({ overlayRecheckMs: 200 });
  show = await rig.livestream('show', { tea: 100 });
  other = await rig.livestream('other', { mug: 100 });
});
afterAll(async () => {
  await rig.stop();
  await database.close();
});

async function make(audience: 'anchor' | 'air', livestreamId = show) {
  const made = await rig.overlays.create(livestreamId, { audience, name: 'OBS', actor: 'operator' });
  if (made.kind !== 'created') throw new Error(made.kind);
  return made;
}

async function enter(
  audience: 'anchor' | 'air',
  livestreamId = show,
): Promise<{ socket: Socket; overlayId: string; token: string }> {
  const { token, overlay } = await make(audience, livestreamId);
  const socket = rig.connect(node, { token });
  await connected(socket);
  return { socket, overlayId: overlay.overlayId, token };
}

type Heard = { readonly event: string; readonly payload: unknown }[];
function hearing(socket: Socket): Heard {
  const heard: Heard = [];
  socket.onAny((event: string, payload: unknown) => heard.push({ event, payload }));
  return heard;
}
const names = (heard: Heard): string[] =>
  heard.map(({ event }) => event).filter((event) => !event.startsWith('stock:'));

const marker = (more: Partial<CurveMarker>): CurveMarker => ({
  atMs: 1,
  skuId: null,
  kind: 'price',
  tier: null,
  text: { zh: '调价', en: 'Price' },
  internal: false,
  ...more,
});
const pace = (livestreamId: string): PaceState => ({
  livestreamId,
  atMs: 1,
  items: [],
  cue: { skuId: null, cue: 'keep', text: { zh: '保持', en: 'Keep' }, sinceMs: 1 },
  hot: [],
  slow: [],
  next: [],
});

describe('tokens', () => {
  test('[OV-1] the database holds the hash and nothing that opens anything', async () => {
    const { token, overlay } = await make('anchor');
    expect(token).toMatch(/^ovl_[\w-]{43}$/);
    const row = await database.prisma.overlayToken.findUniqueOrThrow({ where: { id: overlay.overlayId } });
    expect(row.tokenHash).toBe(createHash('sha256').update(token).digest('hex'));
    expect(JSON.stringify(row)).not.toContain(token.slice(4));
    const stored = { id: 'x', livestreamId: show, audience: 'air', name: '', createdBy: '', createdAt: new Date() };
    await expect(database.prisma.overlayToken.create({ data: { ...stored, tokenHash: token } })).rejects.toThrow();
  });

  test('[OV-2] [I8] read-only, of its own livestream: the anchor’s screen and the one on air', async () => {
    const rows: Record<string, string> = {};
    for (const audience of ['anchor', 'air'] as const) {
      const { socket } = await enter(audience);
      const codes = [];
      for (const lane of ['viewers', 'anchor', 'operators'] as const) {
        codes.push(await codeOf(socket, 'livestream:join', joinOf(show, lane)));
      }
      codes.push(await codeOf(socket, 'livestream:join', joinOf(other)));
      const lines = [{ skuId: rig.skuOf('show', 'tea'), quantity: 1 }];
      codes.push(
        await codeOf(socket, 'order:place', { livestreamId: show, idempotencyKey: `ov2-key-${audience}`, lines }),
      );
      codes.push(await codeOf(socket, 'order:cancel', { livestreamId: show, orderId: 'o-1' }));
      rows[audience] = codes.join(' ');
    }
    expect(rows).toEqual({
      anchor: 'ok ok forbidden forbidden forbidden forbidden',
      air: 'ok forbidden forbidden forbidden forbidden forbidden',
    });
  });

  test('[OV-2] it is no cookie, and what looks like it is refused', async () => {
    const { token } = await make('anchor');
    expect(await rig.access.grantsOf({ authorization: `Bearer ${token}` })).toMatchObject([
      { role: 'anchor', livestreamId: show },
    ]);
    expect(await rig.access.grantsOf({ cookie: `stockcast_anchor_${show}=${token}` })).toEqual([]);
    expect(await rig.access.inspect(token)).toBeNull();
    const forged = [`${token}A`, token.slice(0, -1), `ovl_${'A'.repeat(43)}`, 'ovl_', 'ovl_%', token.toLowerCase()];
    for (const each of forged) expect(await refusalOf(rig.connect(node, { token: each }))).toBe('unauthorized');
  });

  test('[OV-3] a revoked token ends its connections at once and opens nothing more', async () => {
    const { socket, overlayId, token } = await enter('air');
    const bystander = await enter('air');
    expect(await codeOf(socket, 'livestream:join', joinOf(show))).toBe('ok');
    expect(await rig.overlays.revoke(other, overlayId, 'operator')).toBeNull();
    const revoked = await rig.overlays.revoke(show, overlayId, 'operator');
    node.realtime.disconnectOverlay(overlayId);
    await until(
      () => socket.connected,
      (on) => !on,
      1_000,
    );
    expect(await refusalOf(rig.connect(node, { token }))).toBe('unauthorized');
    expect(await rig.access.grantsOf({ authorization: `Bearer ${token}` })).toEqual([]);
    expect(bystander.socket.connected).toBe(true);
    const again = await rig.overlays.revoke(show, overlayId, 'operator');
    expect(again?.revokedAtMs).toBe(revoked?.revokedAtMs);
  });

  test('[OV-3] where the message of a revocation is lost, the next check ends the connection', async () => {
    const { socket, overlayId } = await enter('anchor');
    await rig.overlays.revoke(show, overlayId, 'operator');
    await until(
      () => socket.connected,
      (on) => !on,
      2_000,
    );
  });

  test('[OV-4] use is noted once a minute, and a livestream has a bounded number of valid tokens', async () => {
    const livestreamId = await rig.shop.livestream('many');
    const first = await make('air', livestreamId);
    expect(first.overlay.lastUsedAtMs).toBeNull();
    await rig.overlays.verify(first.token);
    const [used] = await rig.overlays.list(livestreamId);
    expect(used?.lastUsedAtMs).toBeGreaterThan(Date.now() - 10_000);
    await wait(5);
    await rig.overlays.verify(first.token);
    expect((await rig.overlays.list(livestreamId))[0]?.lastUsedAtMs).toBe(used?.lastUsedAtMs);
    for (let index = 1; index < 100; index += 1) await make('air', livestreamId);
    const more = { audience: 'air', name: 'one more', actor: 'operator' } as const;
    expect(await rig.overlays.create(livestreamId, more)).toEqual({ kind: 'too_many' });
    await rig.overlays.revoke(livestreamId, first.overlay.overlayId, 'operator');
    expect((await rig.overlays.create(livestreamId, more)).kind).toBe('created');
    expect(await rig.overlays.create('nowhere', more)).toEqual({ kind: 'not_found' });
  });
});

describe('audiences', () => {
  test('[OV-6] on air a frame never holds held or sold, and obeys the display policy', async () => {
    const skuId = rig.skuOf('show', 'tea');
    await rig.manage(rig.shop.catalogue.changeItem(show, skuId, { display: { kind: 'low_only', below: 10 } }, 'test'));
    const { socket } = await enter('air');
    const heard = hearing(socket);
    expect(await ask(socket, 'livestream:join', joinOf(show))).toMatchObject({ ok: true });
    const buyer = await rig.enter(node, { role: 'viewer', livestreamId: show, buyerId: 'buyer-6' });
    for (let index = 0; index < 3; index += 1) {
      const order = { livestreamId: show, idempotencyKey: `ov6-key-${index}`, lines: [{ skuId, quantity: 1 }] };
      expect(await codeOf(buyer, 'order:place', order)).toBe('ok');
      await wait(150);
    }
    const rows = heard.flatMap(({ payload }) => (payload as { rows?: unknown[][] }).rows ?? []);
    expect(rows.length).toBeGreaterThan(0);
    for (const row of rows) expect(row.slice(2)).toEqual(['10+', 2]);
  });

  test('[OV-7] an event reaches the audiences that are named, and on air nothing internal whoever sends it', async () => {
    const sockets = { operators: await rig.enter(node, { role: 'operator', livestreamId: show }), ...(await lanes()) };
    await codeOf(sockets.operators, 'livestream:join', joinOf(show, 'operators'));
    const heard = Object.fromEntries(Object.entries(sockets).map(([name, socket]) => [name, hearing(socket)]));
    const { emitTo } = node.realtime;
    const everybody = ['operators', 'anchor', 'air'] as const;
    emitTo(show, ['operators'], 'pace:state', pace(show));
    emitTo(show, everybody, 'pace:state', pace(show));
    emitTo(show, everybody, 'curve:points', { livestreamId: show, items: [{ skuId: 'tea', points: [[1, 2, 98]] }] });
    emitTo(show, everybody, 'curve:marker', { livestreamId: show, marker: marker({}) });
    emitTo(show, everybody, 'curve:marker', { livestreamId: show, marker: marker({ internal: true, kind: 'pin' }) });
    emitTo(show, everybody, 'curve:marker', { livestreamId: show, marker: marker({ kind: 'alert', tier: 'red' }) });
    emitTo(show, ['air'], 'curve:marker', { livestreamId: show, marker: marker({ kind: 'sold_out', tier: 'red' }) });
    emitTo(show, ['air'], 'server:stopping', { reason: 'internal' });
    emitTo(other, everybody, 'pace:state', pace(other));
    await until(
      () => names(heard['air'] ?? []).length,
      (count) => count >= 3,
    );
    await wait(100);
    const inner = ['pace:state', 'curve:points', 'curve:marker', 'curve:marker', 'curve:marker'];
    expect(names(heard['operators'] ?? [])).toEqual(['pace:state', ...inner]);
    expect(names(heard['anchor'] ?? [])).toEqual(inner);
    expect(names(heard['viewer'] ?? [])).toEqual([]);
    const air = (heard['air'] ?? []).filter(({ event }) => event.startsWith('curve:') || event === 'pace:state');
    expect(names(heard['air'] ?? [])).toEqual(['curve:points', 'curve:marker', 'curve:marker']);
    expect(air[0]?.payload).toEqual({ livestreamId: show, items: [{ skuId: 'tea', points: [[1, 2, 0]] }] });
    expect(air[2]?.payload).toMatchObject({ marker: { kind: 'sold_out', tier: null } });
  });

  test('[OV-7] what breaks the contract is reported and not sent', async () => {
    const { socket } = await enter('anchor');
    await codeOf(socket, 'livestream:join', joinOf(show, 'anchor'));
    const heard = hearing(socket);
    const secret = { ...pace(show), items: 'nothing' } as unknown as PaceState;
    node.realtime.emitTo(show, ['anchor'], 'pace:state', secret);
    node.realtime.emitTo(show, ['anchor'], 'pace:state', { ...pace(show), inner: 'note' } as PaceState);
    await until(
      () => names(heard).length,
      (count) => count > 0,
    );
    expect(names(heard)).toEqual(['pace:state']);
    expect(heard.find(({ event }) => event === 'pace:state')?.payload).not.toHaveProperty('inner');
    expect(node.log.join('')).toContain('breaks the contract');
  });

  test('[OV-7] who leaves a livestream hears no more of it', async () => {
    const { socket } = await enter('air');
    await codeOf(socket, 'livestream:join', joinOf(show));
    const heard = hearing(socket);
    await codeOf(socket, 'livestream:leave', { livestreamId: show });
    node.realtime.emitTo(show, ['air'], 'curve:marker', { livestreamId: show, marker: marker({}) });
    await wait(150);
    expect(names(heard)).toEqual([]);
  });

  test('[OV-9] overlays and previews do not count as viewers', async () => {
    const quiet = await rig.livestream('quiet', { cup: 3 });
    const viewer = await rig.enter(node, { role: 'viewer', livestreamId: quiet, buyerId: 'only-one' });
    await codeOf(viewer, 'livestream:join', joinOf(quiet));
    for (const audience of ['air', 'air', 'anchor'] as const) {
      const { socket } = await enter(audience, quiet);
      expect(await codeOf(socket, 'livestream:join', joinOf(quiet, audience === 'air' ? 'viewers' : 'anchor'))).toBe(
        'ok',
      );
    }
    const beats: number[] = [];
    viewer.on('stock:heartbeat', ({ viewers }: { viewers: number }) => beats.push(viewers));
    await until(
      () => beats.length,
      (count) => count >= 2,
      8_000,
    );
    expect(beats.at(-1)).toBe(1);
  });
});

async function lanes() {
  const anchor = await enter('anchor');
  const air = await enter('air');
  const viewer = await rig.enter(node, { role: 'viewer', livestreamId: show, buyerId: 'looker' });
  await codeOf(anchor.socket, 'livestream:join', joinOf(show, 'anchor'));
  await codeOf(air.socket, 'livestream:join', joinOf(show));
  await codeOf(viewer, 'livestream:join', joinOf(show));
  return { anchor: anchor.socket, air: air.socket, viewer };
}
