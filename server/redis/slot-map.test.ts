import { expect, test } from 'vitest';
import { slotCount, slotOf } from './hash-slot.ts';
import { parseRedirect, parseSlots, SlotMap } from './slot-map.ts';

const [a, b] = [
  { host: '10.0.0.1', port: 7000 },
  { host: '10.0.0.2', port: 7001 },
];

test('[RD-4] a key is in the slot that Redis computes, and keys of one tag in one slot', () => {
  // From the specification of Redis Cluster, and from CLUSTER KEYSLOT of a server.
  expect(slotOf('123456789')).toBe(0x31c3);
  expect(slotOf('foo')).toBe(12_182);
  expect(slotOf('{user1000}.following')).toBe(slotOf('user1000'));
  expect(slotOf('foo{}{bar}')).toBe(8_363);
  expect(slotOf('foo{{bar}}zap')).toBe(slotOf('{bar'));
  expect(slotOf('foo{bar}{zap}')).toBe(slotOf('bar'));
  expect(slotOf('')).toBe(0);
  expect(slotOf('sc:{直播}:meta')).toBe(slotOf('直播'));
});

test('[RD-4] the map says who serves a slot, and a redirection about one slot is newer than it', () => {
  const map = new SlotMap();
  expect([map.isComplete, map.ownerOf(5)]).toEqual([false, null]);
  map.replace(
    parseSlots(
      [
        [0, 99, ['10.0.0.1', 7000, 'id', []], ['10.0.0.3', 7002]],
        [100, slotCount - 1, ['', 7001]],
      ],
      b,
    ),
  );
  expect([map.ownerOf(0), map.ownerOf(99), map.ownerOf(100)]).toEqual([a, a, b]);
  expect([map.isComplete, [...map.owners().keys()]]).toEqual([true, ['10.0.0.1:7000', '10.0.0.2:7001']]);
  map.assign(99, b);
  expect([map.ownerOf(98), map.ownerOf(99)]).toEqual([a, b]);
  map.replace(parseSlots([[0, 99, [null, 7000]]], a));
  expect([map.ownerOf(99), map.ownerOf(100), map.isComplete]).toEqual([a, null, false]);
});

test('[RD-4] a reply that is no map of slots is not taken for one', () => {
  for (const wrong of [null, 'OK', [[0, 99999, ['h', 1]]], [[0, 5]], [[5, 'x', ['h', 1]]]]) {
    expect(() => parseSlots(wrong, a)).toThrow();
  }
});

test('[RD-4] errors that say that a command belongs elsewhere are told from all others', () => {
  expect(parseRedirect('MOVED 3999 127.0.0.1:6381', a)).toEqual({
    kind: 'moved',
    slot: 3_999,
    owner: { host: '127.0.0.1', port: 6381 },
  });
  expect(parseRedirect('ASK 1 ::1:6381', a)).toEqual({ kind: 'ask', slot: 1, owner: { host: '::1', port: 6381 } });
  // The server does not know its own host: the one that was asked.
  expect(parseRedirect('MOVED 5 :7001', a)).toMatchObject({ owner: { host: '10.0.0.1', port: 7001 } });
  expect(parseRedirect('TRYAGAIN Multiple keys request during rehashing of slot', a)).toEqual({ kind: 'again' });
  for (const other of ['NOSCRIPT No matching script.', 'CLUSTERDOWN Hash slot not served', 'Command timed out', 'OOM'])
    expect(parseRedirect(other, a)).toBeNull();
});
