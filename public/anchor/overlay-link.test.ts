import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { type ErrorCode, wireError } from '../../contract/errors.ts';
import type { ClientState } from '../lib/client-state.ts';
import type { StockSocket } from '../lib/stock-socket.ts';
import { keepConnected, type LinkEvents } from './overlay-link.ts';
import type { Problem } from './words.ts';

const livestream = {
  livestreamId: 'demo',
  title: { zh: '演示', en: 'Demo' },
  state: 'live',
  scheduledAtMs: null,
  startedAtMs: 0,
  endedAtMs: null,
  holdTtlMs: 600_000,
  pinnedSkuId: null,
  infoRev: 1,
  items: [],
};

/** A server's answers to joins, by lane; and what was asked of it. */
function serverThat(answer: (lane: string) => ErrorCode | 'ok') {
  const joins: string[] = [];
  const tokens: (string | undefined)[] = [];
  const pushes: ((name: string, payload: object) => void)[] = [];
  const openSocket = ({ token }: { token?: string }): StockSocket => {
    const listeners = new Map<string, (payload?: unknown) => void>();
    tokens.push(token);
    pushes.push((name, payload) => listeners.get(name)?.(payload));
    const socket = {
      connected: true,
      active: true,
      on: (name: string, listener: () => void) => listeners.set(name, listener),
      emit: () => {},
      timeout: () => ({
        emitWithAck: async (_: string, { lane }: { lane: string }) => {
          joins.push(lane);
          const code = answer(lane);
          return code === 'ok' ? { ok: true, livestream, buyerId: null } : { ok: false, error: wireError(code) };
        },
      }),
      connect: () => listeners.get('connect')?.(),
      disconnect: () => {},
    };
    setTimeout(() => listeners.get('connect')?.(), 0);
    return socket as unknown as StockSocket;
  };
  return { joins, tokens, pushes, openSocket };
}

function follow(answer: (lane: string) => ErrorCode | 'ok', audience: 'anchor' | 'air' = 'anchor') {
  const server = serverThat(answer);
  const problems: (Problem | null)[] = [];
  const audiences: string[] = [];
  const states: ClientState['connection']['kind'][] = [];
  const heard: string[] = [];
  const reload = vi.fn<() => void>();
  const events: LinkEvents = {
    client: (_, served) => audiences.push(served),
    state: ({ connection }) => states.push(connection.kind),
    problem: (problem) => problems.push(problem),
    'pace:state': () => heard.push('pace:state'),
    'curve:points': () => heard.push('curve:points'),
    'curve:marker': () => heard.push('curve:marker'),
  };
  const { openSocket } = server;
  const stop = keepConnected({
    livestreamId: 'demo',
    audience,
    token: 'ovl_t',
    events,
    reload,
    random: () => 0,
    openSocket,
  });
  return { ...server, problems, audiences, states, heard, reload, stop };
}

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

test('[OV-15] a token for on air that is used as the anchor’s shows what viewers see', async () => {
  const link = follow((lane) => (lane === 'anchor' ? 'forbidden' : 'ok'));
  await vi.advanceTimersByTimeAsync(100);
  expect(link.joins).toEqual(['anchor', 'viewers']);
  expect(link.audiences).toEqual(['anchor', 'air']);
  expect(link.tokens).toEqual(['ovl_t', 'ovl_t']);
  expect(link.problems.filter((each) => each !== null)).toEqual([]);
  link.stop();
});

test('[OV-15] a refused token is said and tried again every minute, until it is accepted', async () => {
  let code: ErrorCode | 'ok' = 'unauthorized';
  const link = follow(() => code);
  await vi.advanceTimersByTimeAsync(100);
  expect(link.problems).toEqual(['not_permitted']);
  await vi.advanceTimersByTimeAsync(120_500);
  expect(link.joins).toHaveLength(3);
  code = 'ok';
  await vi.advanceTimersByTimeAsync(60_500);
  expect(link.problems.at(-1)).toBeNull();
  expect(link.states.at(-1)).toBe('live');
  link.stop();
  await vi.advanceTimersByTimeAsync(600_000);
  expect(link.joins).toHaveLength(4);
});

test('[OV-15] forbidden in both lanes is the end of guessing, not an endless loop', async () => {
  const link = follow(() => 'forbidden');
  await vi.advanceTimersByTimeAsync(1_000);
  expect(link.joins).toEqual(['anchor', 'viewers']);
  expect(link.problems).toEqual(['not_permitted']);
  link.stop();
});

test('[OV-15] an upgraded server makes the page reload, a livestream that is not there is said', async () => {
  const upgraded = follow(() => 'protocol_mismatch');
  await vi.advanceTimersByTimeAsync(100);
  expect(upgraded.problems).toEqual(['reloading']);
  await vi.advanceTimersByTimeAsync(30_000);
  expect(upgraded.reload).toHaveBeenCalledOnce();
  upgraded.stop();
  const unknown = follow(() => 'route_not_found');
  await vi.advanceTimersByTimeAsync(100);
  expect(unknown.problems).toEqual(['unknown_livestream']);
  unknown.stop();
});

test('[OV-14] what the socket brings beside levels arrives, also after the client was made anew', async () => {
  const link = follow((lane) => (lane === 'anchor' ? 'forbidden' : 'ok'));
  await vi.advanceTimersByTimeAsync(100);
  for (const name of ['pace:state', 'curve:points', 'curve:marker']) link.pushes.at(-1)?.(name, {});
  expect(link.heard).toEqual(['pace:state', 'curve:points', 'curve:marker']);
  link.stop();
});
