import { expect, test } from 'vitest';
import { systemClock } from '../lib/clock.ts';
import type { RealtimeServer } from './handshake.ts';
import { moveClients } from './move-clients.ts';

/** Clients that go when they are told to, or never by themselves. */
function clients(count: number, { obey }: { obey: boolean }) {
  const told: number[] = [];
  const closed: number[] = [];
  const sockets = new Map(
    Array.from({ length: count }, (_, index) => {
      const socket = {
        connected: true,
        emit: (name: string, { inMs }: { inMs: number }) => {
          expect(name).toBe('server:moving');
          told.push(inMs);
          if (obey) setTimeout(() => (socket.connected = false), inMs);
        },
        conn: {
          close: () => {
            socket.connected = false;
            closed.push(index);
          },
        },
      };
      return [String(index), socket] as const;
    }),
  );
  return { io: { of: () => ({ sockets }) } as unknown as RealtimeServer, told, closed, sockets };
}

test('[CU-12] clients are told moments that are evenly spread over what their number needs', async () => {
  const { io, told, closed } = clients(400, { obey: true });
  await moveClients({ io, withinMs: 10_000, clock: { now: () => 0 } });
  expect(told).toEqual(Array.from({ length: 400 }, (_, index) => index));
  expect(closed).toEqual([]);
});

test('[CU-12] more of them than fit are spread over the time that there is', async () => {
  const { io, told } = clients(3_000, { obey: true });
  await moveClients({ io, withinMs: 500, clock: systemClock });
  expect(Math.max(...told)).toBeLessThanOrEqual(400);
});

test('[CU-12] who does not go is disconnected, and nobody is waited for', async () => {
  const { io, closed, sockets } = clients(50, { obey: false });
  await moveClients({ io, withinMs: 200, clock: systemClock });
  expect(closed).toEqual(Array.from({ length: 50 }, (_, index) => index));
  expect([...sockets.values()].some(({ connected }) => connected)).toBe(false);
  await moveClients({ ...clients(0, { obey: false }), withinMs: 60_000, clock: systemClock });
});
