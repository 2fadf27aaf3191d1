import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { WebSocket } from 'ws';
import { PROTOCOL_VERSION } from '../../contract/protocol-version.ts';
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

/** Who may come in and what they may join, over real sockets. */

let database: OpenDatabase;
let rig: Rig;
let node: RigNode;
let show: string;
let other: string;
beforeAll(async () => {
  database = await openDatabase({ databaseUrl: null, dataDir: null });
  rig = await startRig(database);
  node = await rig.node();
  show = await rig.livestream('show', { tea: 100 });
  other = await rig.livestream('other', { mug: 100 });
});
afterAll(async () => {
  await rig.stop();
  await database.close();
});

describe('coming in', () => {
  test('[RT-1] without any grant a socket is refused, with the error of the wire', async () => {
    const socket = rig.connect(node, {});
    const error = await connected(socket).then(
      () => null,
      (refused: Error & { data?: unknown }) => refused.data,
    );
    expect(error).toMatchObject({ code: 'unauthorized', action: 'fix', message: { en: expect.any(String) } });
  });

  test('[RT-1] a session cookie is enough for a page of our own', async () => {
    const token = await rig.token({ role: 'viewer', livestreamId: show, buyerId: 'cookie-buyer' });
    const verified = await rig.access.inspect(token);
    if (verified === null) throw new Error('the token is not valid');
    const cookie = rig.access.sessionCookie(verified, token).split(';')[0] ?? '';
    const socket = rig.connect(node, {}, { extraHeaders: { cookie } });
    await connected(socket);
    expect(await ask(socket, 'livestream:join', joinOf(show))).toMatchObject({ ok: true, buyerId: 'cookie-buyer' });
  });

  test('[RT-2] [I8] forged, cut, foreign and outlandish tokens are refused, also beside a good cookie', async () => {
    const good = await rig.token({ role: 'viewer', livestreamId: show, buyerId: 'b' });
    const verified = await rig.access.inspect(good);
    if (verified === null) throw new Error('the token is not valid');
    const cookie = rig.access.sessionCookie(verified, good).split(';')[0] ?? '';
    const [head, body, signature] = good.split('.');
    const claims = JSON.parse(Buffer.from(body ?? '', 'base64url').toString()) as object;
    const promoted = Buffer.from(JSON.stringify({ ...claims, role: 'admin', ls: null })).toString('base64url');
    const unsigned = Buffer.from(JSON.stringify({ alg: 'none', typ: 'JWT' })).toString('base64url');
    const tokens: unknown[] = [
      `${head}.${promoted}.${signature}`,
      `${unsigned}.${promoted}.`,
      good.slice(0, -3),
      'x'.repeat(5_000),
      '',
      { role: 'admin' },
      42,
      [good],
    ];
    for (const token of tokens) {
      const socket = rig.connect(node, { token }, { extraHeaders: { cookie } });
      expect(await refusalOf(socket), JSON.stringify(token)).toBe('unauthorized');
    }
    expect(node.log).toEqual([]);
  });

  test('[RT-3] pages of strangers are turned away; an allowed origin needs a token, cookies do not count for it', async () => {
    const allowed = await rig.node({ allowedOrigins: ['https://shop.example'] });
    const token = await rig.token({ role: 'viewer', livestreamId: show });
    const from = (origin: string, auth: object, more: object = {}) =>
      refusalOf(rig.connect(allowed, auth, { extraHeaders: { origin, ...more } }));
    expect(await from('https://evil.example', { token })).not.toBe('connected');
    expect(await from(allowed.url, { token })).toBe('connected');
    expect(await from('https://shop.example', { token })).toBe('connected');
    const verified = await rig.access.inspect(token);
    const cookie = verified === null ? '' : (rig.access.sessionCookie(verified, token).split(';')[0] ?? '');
    expect(await from('https://shop.example', {}, { cookie })).toBe('unauthorized');
    expect(await from(allowed.url, {}, { cookie })).toBe('connected');
  });

  test('[RT-4] sockets per address are limited, by what the trusted proxy saw; a place is free again after a disconnect', async () => {
    const narrow = await rig.node({ socketsPerIpMax: 2, trustProxy: 1 });
    const token = await rig.token({ role: 'viewer', livestreamId: show });
    const from = (address: string) =>
      rig.connect(narrow, { token }, { extraHeaders: { 'x-forwarded-for': `10.9.9.9, ${address}` } });
    const [one, two] = [from('10.0.0.1'), from('10.0.0.1')];
    await Promise.all([connected(one), connected(two)]);
    expect(await refusalOf(from('10.0.0.1'))).toBe('rate_limited');
    expect(await refusalOf(from('10.0.0.2'))).toBe('connected');
    one.disconnect();
    await until(
      () => narrow.realtime.sockets,
      (sockets) => sockets <= 2,
    );
    expect(await refusalOf(from('10.0.0.1'))).toBe('connected');
  });

  test('[RT-4] handshakes per address are limited: all of its sockets at once, then so many again in 15 s; the refusal says when', async () => {
    const narrow = await rig.node({ socketsPerIpMax: 3, trustProxy: 1 });
    const token = await rig.token({ role: 'viewer', livestreamId: show });
    const from = (address: string) =>
      rig.connect(narrow, { token }, { extraHeaders: { 'x-forwarded-for': address }, reconnection: false });
    const refusals: unknown[] = [];
    for (let count = 0; count < 40 && !refusals.includes('rate_limited'); count += 1) {
      const socket = from('10.1.0.1');
      refusals.push(await refusalOf(socket));
      socket.disconnect();
      await until(
        () => narrow.realtime.sockets,
        (sockets) => sockets === 0,
      );
    }
    expect(refusals.filter((one) => one === 'connected').length).toBeGreaterThanOrEqual(10);
    expect(refusals.at(-1)).toBe('rate_limited');
    expect(await refusalOf(from('10.1.0.2'))).toBe('connected');
  });

  test('[RT-4] a second handshake on one connection is refused', async () => {
    const token = await rig.token({ role: 'viewer', livestreamId: show });
    const raw = new WebSocket(`${node.url.replace('http', 'ws')}/socket.io/?EIO=4&transport=websocket`);
    const heard: string[] = [];
    raw.on('message', (data: Buffer) => heard.push(data.toString()));
    await until(
      () => heard,
      (packets) => packets.length > 0,
    );
    // Both before either is answered.
    raw.send(`40${JSON.stringify({ token })}`);
    raw.send(`40${JSON.stringify({ token })}`);
    const packets = await until(
      () => heard.filter((packet) => /^4[04]/.test(packet)),
      ({ length }) => length >= 2,
    );
    expect(packets.filter((packet) => packet.startsWith('40'))).toHaveLength(1);
    expect(packets.filter((packet) => packet.includes('"code":"conflict"'))).toHaveLength(1);
    // And once it is in, another one ends the connection.
    const closed = new Promise((resolve) => raw.once('close', resolve));
    raw.send(`40${JSON.stringify({ token })}`);
    await closed;
  });
});

describe('staying', () => {
  test('[RT-19] long polling is served unless the setting says websocket alone', async () => {
    const token = await rig.token({ role: 'viewer', livestreamId: show });
    await connected(rig.connect(node, { token }, { transports: ['polling'] }));
    const strict = await rig.node({ transports: ['websocket'] });
    await expect(connected(rig.connect(strict, { token }, { transports: ['polling'] }))).rejects.toThrow();
    await connected(rig.connect(strict, { token }));
    await strict.stop();
  });

  test('[RT-19] who is asked for a sign of life at the beginning of 30 s of silence still answers in time', async () => {
    const url = `${node.url.replace('http', 'ws')}/socket.io/?EIO=4&transport=websocket`;
    const client = new WebSocket(url);
    const opened = await new Promise<string>((resolve) => {
      client.once('message', (data) => resolve((data as Buffer).toString()));
    });
    client.terminate();
    const { pingInterval, pingTimeout } = JSON.parse(opened.slice(1)) as { pingInterval: number; pingTimeout: number };
    expect(pingTimeout).toBeGreaterThan(30_000 + 10_000);
    // And a connection whose other end is gone without a word does not stay for ever.
    expect(pingInterval + pingTimeout).toBeLessThanOrEqual(70_000);
  });
});

describe('joining', () => {
  test('[RT-5] [I8] who may join which lane of which livestream', async () => {
    const grants = {
      viewer: { role: 'viewer', livestreamId: show, buyerId: 'b1' },
      anchor: { role: 'anchor', livestreamId: show },
      operator: { role: 'operator', livestreamId: show },
      admin: { role: 'admin' },
      service: { role: 'service' },
      elsewhere: { role: 'operator', livestreamId: other },
    } as const;
    const rows: Record<string, string> = {};
    for (const [name, grant] of Object.entries(grants)) {
      const socket = await rig.enter(node, grant);
      const codes = [];
      for (const lane of ['viewers', 'anchor', 'operators'] as const) {
        codes.push(await codeOf(socket, 'livestream:join', joinOf(show, lane)));
      }
      rows[name] = codes.join(' ');
    }
    expect(rows).toEqual({
      viewer: 'ok forbidden forbidden',
      anchor: 'ok ok forbidden',
      operator: 'ok ok ok',
      admin: 'ok ok ok',
      service: 'ok forbidden forbidden',
      elsewhere: 'forbidden forbidden forbidden',
    });
  });

  test('[RT-5] the protocol version and the livestream must be right; the snapshot comes before the answer', async () => {
    const admin = await rig.enter(node, { role: 'admin' });
    expect(await codeOf(admin, 'livestream:join', { ...joinOf(show), protocolVersion: PROTOCOL_VERSION + 1 })).toBe(
      'protocol_mismatch',
    );
    expect(await codeOf(admin, 'livestream:join', joinOf('nothing-here'))).toBe('route_not_found');
    const order: string[] = [];
    admin.onAny((event: string) => order.push(event));
    const answer = await ask(admin, 'livestream:join', joinOf(show, 'operators'));
    order.push('answer');
    expect(order).toEqual(['stock:snapshot', 'answer']);
    expect(answer).toMatchObject({
      ok: true,
      livestream: { livestreamId: show, items: [{ index: 0 }] },
      buyerId: null,
    });
  });

  test('[RT-6] at most four livestreams, one lane of each; joining again or leaving ends the former membership', async () => {
    const admin = await rig.enter(node, { role: 'admin' });
    const ids = [show, other];
    for (const name of ['third', 'fourth', 'fifth']) ids.push(await rig.livestream(name, { cup: 5 }));
    for (const id of ids.slice(0, 4)) {
      expect(await codeOf(admin, 'livestream:join', joinOf(id))).toBe('ok');
      // Joins cost four events each.
      await new Promise((resolve) => setTimeout(resolve, 210));
    }
    expect(await codeOf(admin, 'livestream:join', joinOf(ids[4] ?? ''))).toBe('conflict');
    expect(await codeOf(admin, 'livestream:leave', { livestreamId: show })).toBe('ok');
    expect(await codeOf(admin, 'livestream:join', joinOf(ids[4] ?? ''))).toBe('ok');

    const frames: { livestreamId: string; rows: unknown[][] }[] = [];
    admin.on('stock:levels', (frame: { livestreamId: string; rows: unknown[][] }) => frames.push(frame));
    expect(await codeOf(admin, 'livestream:join', joinOf(other, 'operators'))).toBe('ok');
    const buyer = await rig.enter(node, { role: 'viewer', livestreamId: other, buyerId: 'b2' });
    const order = { idempotencyKey: 'rt6-key-1', lines: [{ skuId: rig.skuOf('other', 'mug'), quantity: 1 }] };
    expect(await codeOf(buyer, 'order:place', { livestreamId: other, ...order })).toBe('ok');
    const watcher = await rig.enter(node, { role: 'viewer', livestreamId: show, buyerId: 'b3' });
    const tea = { idempotencyKey: 'rt6-key-2', lines: [{ skuId: rig.skuOf('show', 'tea'), quantity: 1 }] };
    expect(await codeOf(watcher, 'order:place', { livestreamId: show, ...tea })).toBe('ok');
    await until(
      () => frames.length,
      (count) => count > 0,
    );
    await new Promise((resolve) => setTimeout(resolve, 150));
    // One lane only, and nothing of the livestream that was left.
    expect(
      frames.every(({ livestreamId, rows }) => livestreamId === other && rows.every((row) => row.length === 6)),
    ).toBe(true);
  });

  test('[RT-6] two joins of one livestream at the same moment make one member', async () => {
    const viewer = await rig.enter(node, { role: 'viewer', livestreamId: show, buyerId: 'b4' });
    const codes = await Promise.all([1, 2].map(() => codeOf(viewer, 'livestream:join', joinOf(show))));
    expect(codes.sort()).toEqual(['conflict', 'ok']);
  });

  test('[RT-7] viewers without an identity join only where the livestream allows them', async () => {
    const livestreamId = rig.shop.idOf('members');
    const title = { zh: '会员场', en: 'Members' };
    await rig.manage(
      rig.shop.catalogue.create({ livestreamId, title, holdTtlMs: 60_000, anonymousViewers: false }, 'test'),
    );
    const nameless = await rig.enter(node, { role: 'viewer', livestreamId });
    expect(await codeOf(nameless, 'livestream:join', joinOf(livestreamId))).toBe('forbidden');
    const member = await rig.enter(node, { role: 'viewer', livestreamId, buyerId: 'member' });
    expect(await codeOf(member, 'livestream:join', joinOf(livestreamId))).toBe('ok');
    const guest = await rig.enter(node, { role: 'viewer', livestreamId: show });
    expect(await codeOf(guest, 'livestream:join', joinOf(show))).toBe('ok');
  });
});
