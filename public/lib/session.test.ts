import { describe, expect, test, vi } from 'vitest';
import { wireError } from '../../contract/errors.ts';
import type { Answer, HttpApi, Session } from './http-api.ts';
import { ensureSession, takeToken } from './session.ts';

const unauthorized = { ok: false, error: wireError('unauthorized') } as const;
const guest: Session = { role: 'viewer', livestreamId: 'demo', buyerId: 'anon-1' };

/** A server as far as sessions go; `asked` collects what was posted. */
function server(answers: { mine: Answer<readonly []>; session?: Answer<Session>; watch?: boolean }) {
  const asked: unknown[] = [];
  const never = () => Promise.reject(new Error('not asked for here'));
  const api: HttpApi = {
    openSession(body) {
      asked.push(body);
      return Promise.resolve(answers.session ?? unauthorized);
    },
    myOrders: () => Promise.resolve(answers.mine),
    livestream: () =>
      answers.watch === true ? Promise.resolve({ ok: true, value: {} as never }) : Promise.resolve(unauthorized),
    listLivestreams: never,
    placeOrder: never,
    cancelOrder: never,
  };
  return { api, asked };
}

describe('session', () => {
  test('[VW-9] the token leaves the address, the rest stays', () => {
    const urls: string[] = [];
    const history = { replaceState: (_data: unknown, _unused: string, url: string) => void urls.push(url) };
    const at = (hash: string) => ({ location: { hash, pathname: '/viewer/', search: '?livestream=demo' }, history });
    expect(takeToken(at('#token=abc.def&lang=en'))).toBe('abc.def');
    expect(takeToken(at('#token=x'))).toBe('x');
    expect(takeToken(at('#top'))).toBeNull();
    expect(urls).toEqual(['/viewer/?livestream=demo#lang=en', '/viewer/?livestream=demo']);
  });

  test('[VW-9] a cookie that may order is kept', async () => {
    const { api, asked } = server({ mine: { ok: true, value: [] } });
    expect(await ensureSession(api, 'demo', true)).toEqual({ kind: 'ready', orders: [] });
    expect(asked).toEqual([]);
  });

  test('[VW-9] without a usable cookie an anonymous session is asked for', async () => {
    const { api, asked } = server({ mine: unauthorized, session: { ok: true, value: guest } });
    expect((await ensureSession(api, 'demo', true)).kind).toBe('ready');
    expect(asked).toEqual([{ livestreamId: 'demo', anonymous: true }]);
  });

  test('[VW-9] a first visit asks for nothing but its session', async () => {
    const { api, asked } = server({ mine: unauthorized, session: { ok: true, value: guest } });
    const looked = vi.spyOn(api, 'myOrders');
    expect((await ensureSession(api, 'demo', false)).kind).toBe('ready');
    expect(asked).toHaveLength(1);
    expect(looked).not.toHaveBeenCalled();
  });

  test('[VW-9] a livestream for identified buyers can be watched with a link, or says that one is needed', async () => {
    const session = { ok: false, error: wireError('forbidden') } as const;
    expect(await ensureSession(server({ mine: unauthorized, session, watch: true }).api, 'demo', true)).toEqual({
      kind: 'watch_only',
    });
    expect(await ensureSession(server({ mine: unauthorized, session }).api, 'demo', true)).toMatchObject({
      kind: 'refused',
      error: { code: 'forbidden' },
    });
  });

  test('[VW-9] a server that is away does not cost the buyer the session', async () => {
    const { api, asked } = server({ mine: { ok: false, error: wireError('unavailable') } });
    expect((await ensureSession(api, 'demo', true)).kind).toBe('unreachable');
    expect(asked).toEqual([]);
  });
});
