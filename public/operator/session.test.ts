import { expect, test } from 'vitest';
import { type ErrorCode, wireError } from '../../contract/errors.ts';
import type { OperatorApi } from './operator-api.ts';
import { fillPath } from './operator-api.ts';
import { enter, remember, remembered, tokenIn } from './session.ts';

function memory(content: string | null = null) {
  let kept = content;
  return {
    getItem: () => kept,
    setItem: (_: string, value: string) => {
      kept = value;
    },
  };
}

type Answers = { readonly session?: object | ErrorCode; readonly alerts?: ErrorCode };

/** The two routes that the entrance asks, and what was asked. */
function fakeApi({ session, alerts }: Answers) {
  const asked: string[] = [];
  const refused = (code: ErrorCode) => ({ ok: false, error: wireError(code) });
  const api = async (name: string, params: Record<string, string>) => {
    asked.push(`${name} ${Object.values(params).join(' ')}`.trim());
    if (name === 'openSession') return typeof session === 'string' ? refused(session) : { ok: true, value: session };
    return alerts === undefined ? { ok: true, value: { alerts: [] } } : refused(alerts);
  };
  return { api: api as unknown as OperatorApi, asked };
}

function address(search = '', hash = '') {
  const urls: string[] = [];
  const history = { replaceState: (_: unknown, __: string, url: string) => void urls.push(url) };
  return { location: { hash, search, pathname: '/operator/' }, history, urls };
}

const operator = { role: 'operator', livestreamId: 'demo', buyerId: null };

test('[CO-1] the token of a link is exchanged, leaves the address, and opens its livestream', async () => {
  const [place, storage] = [address('?livestream=demo', '#token=abc'), memory()];
  const { api, asked } = fakeApi({ session: operator });
  expect(await enter({ address: place, api, storage })).toEqual({ kind: 'open', livestreamId: 'demo' });
  expect(place.urls).toEqual(['/operator/?livestream=demo']);
  expect(asked).toEqual(['openSession', 'listAlerts demo']);
  expect(remembered(storage)).toEqual({ admin: false, recent: ['demo'] });
});

test('[CO-1] a link without a livestream in its address opens that of its token, a later visit the last one', async () => {
  const storage = memory();
  const { api } = fakeApi({ session: operator });
  expect(await enter({ address: address('', '#token=abc'), api, storage })).toEqual({
    kind: 'open',
    livestreamId: 'demo',
  });
  expect(await enter({ address: address(), api, storage })).toEqual({ kind: 'open', livestreamId: 'demo' });
});

test('[CO-1] an admin chooses, and opens what the address names', async () => {
  const storage = memory();
  const { api } = fakeApi({ session: { role: 'admin', livestreamId: null, buyerId: null } });
  expect(await enter({ address: address('', '#token=abc'), api, storage })).toEqual({ kind: 'choose' });
  expect(await enter({ address: address('?livestream=other'), api, storage })).toEqual({
    kind: 'open',
    livestreamId: 'other',
  });
  expect(await enter({ address: address(), api, storage })).toEqual({ kind: 'choose' });
});

test('[CO-1] without a session, with an expired link, a viewer’s link or another livestream’s, the page says how to get in', async () => {
  const because = async (answers: Answers, search: string, hash = '') => {
    const entry = await enter({ address: address(search, hash), api: fakeApi(answers).api, storage: memory() });
    return entry.kind === 'sign_in' ? entry.because : entry.kind;
  };
  expect(await because({}, '')).toBe('no_session');
  expect(await because({ alerts: 'unauthorized' }, '?livestream=demo')).toBe('no_session');
  expect(await because({ session: 'unauthorized' }, '', '#token=old')).toBe('expired');
  expect(await because({ session: { ...operator, role: 'viewer' } }, '', '#token=abc')).toBe('not_operator');
  expect(await because({ session: operator, alerts: 'forbidden' }, '?livestream=b', '#token=abc')).toBe('not_here');
});

test('[CO-1] a server that is away is no reason to sign in', async () => {
  const { api } = fakeApi({ alerts: 'unavailable' });
  const entry = await enter({ address: address('?livestream=demo'), api, storage: memory() });
  expect(entry.kind).toBe('unreachable');
  const { api: away } = fakeApi({ session: 'unavailable' });
  expect((await enter({ address: address('', '#token=abc'), api: away, storage: memory() })).kind).toBe('unreachable');
});

test('[CO-1] a token may be pasted alone or with its whole link', () => {
  expect(tokenIn(' abc.def ')).toBe('abc.def');
  expect(tokenIn('https://live.example/operator/?livestream=demo#token=abc.def')).toBe('abc.def');
});

test('[CO-1] what the browser remembers is short and survives nonsense', () => {
  expect(remembered(memory('{not json'))).toEqual({ admin: false, recent: [] });
  expect(remembered(memory('{"admin":"yes","recent":[1,"a"]}'))).toEqual({ admin: false, recent: ['a'] });
  const storage = memory();
  for (const at of Array.from({ length: 12 }, (_, index) => index)) remember(storage, { livestreamId: `l${at}` });
  remember(storage, { livestreamId: 'l9' });
  expect(remembered(storage).recent).toEqual(['l9', 'l11', 'l10', 'l8', 'l7', 'l6', 'l5', 'l4']);
  remember(null, { livestreamId: 'x' });
});

test('[CO-9] ids in paths are encoded', () => {
  expect(fillPath('/livestreams/:livestreamId/orders/:orderId', { livestreamId: 'a/b', orderId: 'o?1' })).toBe(
    '/livestreams/a%2Fb/orders/o%3F1',
  );
});
