import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { SmallMap } from './small-map.ts';

test('[RT-20] a small map does what a Map does, with one entry, none, or many', () => {
  const key = fc.constantFrom('a', 'b', '__proto__', 'constructor');
  const step = fc.oneof(
    fc.record({ what: fc.constant('set' as const), key, value: fc.integer({ min: 0, max: 3 }) }),
    fc.record({ what: fc.constantFrom('get', 'has', 'delete', 'clear', 'list'), key }),
  );
  fc.assert(
    fc.property(fc.array(step, { maxLength: 30 }), (steps) => {
      const [small, real] = [new SmallMap<string, number>(), new Map<string, number>()];
      const both = (ask: (map: Map<string, number>) => unknown): void => expect(ask(small)).toEqual(ask(real));
      for (const one of steps) {
        if (one.what === 'set') both((map) => [...map.set(one.key, one.value)]);
        else if (one.what === 'get') both((map) => map.get(one.key));
        else if (one.what === 'has') both((map) => map.has(one.key));
        else if (one.what === 'delete') both((map) => map.delete(one.key));
        else if (one.what === 'clear') both((map) => map.clear());
        both(({ size }) => size);
        both((map) => [...map.entries()]);
        both((map) => [[...map.keys()], [...map.values()]]);
        both((map) => {
          const seen: unknown[] = [];
          map.forEach((value, of) => void seen.push([of, value]));
          return seen;
        });
      }
    }),
  );
});

test('[RT-20] an entry may be deleted while the values are gone through, as when a client disconnects all its sockets', () => {
  const small = new SmallMap([['a', 1]]);
  for (const value of small.values()) {
    expect(small.delete('a')).toBe(true);
    expect(value).toBe(1);
  }
  expect(small.size).toBe(0);
});
