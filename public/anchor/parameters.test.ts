import { expect, test } from 'vitest';
import { parseParameters } from './parameters.ts';

test('[OV-11] an address says everything, its token in the fragment', () => {
  const search = '?livestream=demo&layout=bar&theme=light&sku=100-1&lang=en&audience=air&minutes=10&corner=top-right';
  expect(parseParameters({ search, hash: '#token=ovl_abc' })).toEqual({
    livestreamId: 'demo',
    layout: 'bar',
    theme: 'light',
    corner: 'top-right',
    skuId: '100-1',
    language: 'en',
    audience: 'air',
    minutes: 10,
    token: 'ovl_abc',
  });
});

test('[OV-11] what is missing or cannot be becomes its default; a token in the query is none', () => {
  const defaults = {
    livestreamId: null,
    layout: 'curve',
    theme: 'dark',
    corner: 'bottom-left',
    skuId: null,
    language: 'zh',
    audience: 'anchor',
    minutes: 30,
    token: null,
  };
  expect(parseParameters({ search: '', hash: '' })).toEqual(defaults);
  const nonsense =
    '?livestream=<b>&layout=huge&theme=pink&sku=a/b&lang=xx&audience=all&minutes=x&corner=middle&token=ovl_x';
  expect(parseParameters({ search: nonsense, hash: '#other=1' })).toEqual(defaults);
  expect(parseParameters({ search: '?minutes=-5', hash: '' }).minutes).toBe(0);
  expect(parseParameters({ search: '?minutes=99999', hash: '' }).minutes).toBe(1_440);
});
