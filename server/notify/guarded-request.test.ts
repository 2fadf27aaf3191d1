import { afterAll, beforeAll, expect, test } from 'vitest';
import { isPublicAddress } from './address-filter.ts';
import { createGuardedRequest } from './guarded-request.ts';
import { type Provider, startProvider } from './notify-test-kit.ts';

let inside: Provider;
beforeAll(async () => {
  inside = await startProvider({ body: 'a secret of the inside' });
});
afterAll(() => inside.stop());

const post = { method: 'POST', headers: {}, body: '{}' } as const;

test.each([
  '127.0.0.1',
  '127.255.0.1',
  '0.0.0.0',
  '10.1.2.3',
  '100.64.0.1',
  '169.254.169.254',
  '172.16.0.1',
  '172.31.255.255',
  '192.168.1.1',
  '198.18.0.1',
  '224.0.0.1',
  '255.255.255.255',
  '::',
  '::1',
  'fe80::1',
  'fe80::1%eth0',
  'fc00::1',
  'fd00:ec2::254',
  'ff02::1',
  '::ffff:127.0.0.1',
  '::ffff:10.0.0.1',
  '::127.0.0.1',
  '64:ff9b::7f00:1',
  '2002:7f00:1::',
  '2001:0:1::',
  '2001:db8::1',
  'localhost',
  '',
])('[NO-20] %s is not an address of the internet', (address) => {
  expect(isPublicAddress(address)).toBe(false);
});

test.each(['1.1.1.1', '8.8.8.8', '172.32.0.1', '203.119.128.1', '2606:4700::1111', '2400:3200::1'])(
  '[NO-20] %s is an address of the internet',
  (address) => {
    expect(isPublicAddress(address)).toBe(true);
  },
);

test.each([
  'http://example.com/',
  'ftp://example.com/',
  'file:///etc/passwd',
  'not a url',
  'https://user:password@example.com/',
  'https://127.0.0.1/',
  'https://2130706433/',
  'https://0x7f.1/',
  'https://0177.0.0.1/',
  'https://[::1]/',
  'https://[::ffff:127.0.0.1]/',
  'https://10.0.0.8/',
  'https://169.254.169.254/latest/meta-data/',
])('[NO-20] %s is refused by its text', (url) => {
  expect(createGuardedRequest({ privateHosts: [] }).objectionTo(url)).not.toBeNull();
});

test('[NO-20] a name that leads inside is refused, also when only one of its addresses does, and nothing is sent', async () => {
  const before = inside.received.length;
  const port = new URL(inside.url).port;
  for (const addresses of [
    [{ address: '127.0.0.1', family: 4 }],
    [
      { address: '93.184.215.14', family: 4 },
      { address: '10.0.0.1', family: 4 },
    ],
    [{ address: '::1', family: 6 }],
    [{ address: '169.254.169.254', family: 4 }],
  ]) {
    const request = createGuardedRequest({ privateHosts: [], resolveAll: async () => addresses });
    const outcome = await request.send(`https://hooks.attacker.example:${port}/`, post);
    expect(outcome).toMatchObject({ kind: 'forbidden', reason: expect.stringContaining('leads to') });
    expect(await request.resolve('mail.attacker.example')).toBeNull();
  }
  expect(inside.received).toHaveLength(before);
});

test('[NO-20] the connection goes to the address that was checked: the name is resolved once', async () => {
  let asked = 0;
  const request = createGuardedRequest({
    privateHosts: ['rebinding.example'],
    resolveAll: async () => {
      asked += 1;
      return [{ address: '127.0.0.1', family: 4 }];
    },
  });
  const url = `http://rebinding.example:${new URL(inside.url).port}/`;
  expect(await request.send(url, post)).toMatchObject({ kind: 'answered', status: 200 });
  expect(asked).toBe(1);
  expect(inside.received.at(-1)?.headers.host).toContain('rebinding.example');
});

test('[NO-20] a redirect is an answer and is not followed', async () => {
  const outside = await startProvider({ status: 302, headers: { location: `${inside.url}/secret` } });
  const before = inside.received.length;
  const request = createGuardedRequest({ privateHosts: ['127.0.0.1'] });
  expect(await request.send(`${outside.url}/hook`, post)).toMatchObject({ kind: 'answered', status: 302 });
  expect(inside.received).toHaveLength(before);
  await outside.stop();
});

test('[NO-20] hosts that the installation names are let through, others on the same machine are not', async () => {
  const named = createGuardedRequest({ privateHosts: ['127.0.0.1'] });
  expect(await named.send(inside.url, post)).toMatchObject({ kind: 'answered', status: 200 });
  const port = new URL(inside.url).port;
  expect(await named.send(`http://localhost:${port}/`, post)).toMatchObject({ kind: 'forbidden' });
  expect(await named.send(`http://127.0.0.2:${port}/`, post)).toMatchObject({ kind: 'forbidden' });
});

test('[NO-21] nobody waits for ever, and nobody reads without end', async () => {
  const slow = await startProvider({ delayMs: 5_000 });
  const endless = await startProvider({ body: 'x'.repeat(200_000) });
  const request = createGuardedRequest({ privateHosts: ['127.0.0.1'] });
  const late = await request.send(slow.url, { ...post, timeoutMs: 150 });
  expect(late).toEqual({ kind: 'unreachable', reason: 'no answer within 150 ms' });
  expect(await request.send(endless.url, post)).toMatchObject({
    kind: 'unreachable',
    reason: expect.stringContaining('65536'),
  });
  await Promise.all([slow.stop(), endless.stop()]);
  expect(await request.send(slow.url, post)).toMatchObject({
    kind: 'unreachable',
    reason: expect.stringContaining('ECONNREFUSED'),
  });
});
