import { expect, test } from 'vitest';
import { parseRedisUrl } from './redis-target.ts';

const nobody = { username: null, password: null };
const target = (url: string) => {
  const parsed = parseRedisUrl(url);
  return parsed.kind === 'target' ? parsed.target : parsed.message;
};

test('[RD-2] one server: port, user, password, database and TLS', () => {
  const single = { shape: 'single', credentials: nobody, tls: false, db: 0 };
  expect(target('redis://127.0.0.1:6379')).toEqual({ ...single, address: { host: '127.0.0.1', port: 6379 } });
  expect(target('redis://cache/')).toEqual({ ...single, address: { host: 'cache', port: 6379 } });
  expect(target('valkey://cache')).toEqual(target('redis://cache'));
  expect(target('redis://[::1]:7000/3')).toEqual({ ...single, address: { host: '::1', port: 7000 }, db: 3 });
  expect(target('rediss://shop:p%40ss%3A%2F@redis.example:6380/2')).toEqual({
    ...single,
    address: { host: 'redis.example', port: 6380 },
    credentials: { username: 'shop', password: 'p@ss:/' },
    tls: true,
    db: 2,
  });
  expect(target('redis://:secret:with:colons@h')).toMatchObject({
    credentials: { username: null, password: 'secret:with:colons' },
  });
});

test('[RD-2] a cluster: any of its servers', () => {
  expect(target('redis+cluster://a:7000,b:7001,c')).toEqual({
    shape: 'cluster',
    seeds: [
      { host: 'a', port: 7000 },
      { host: 'b', port: 7001 },
      { host: 'c', port: 6379 },
    ],
    credentials: nobody,
    tls: false,
  });
  expect(target('rediss+cluster://:secret@a/0')).toMatchObject({ tls: true, credentials: { password: 'secret' } });
});

test('[RD-2] sentinels: their addresses, the name of the primary, and passwords of both', () => {
  expect(target('redis+sentinel://u:p@s1,s2:26380/mymaster/4?sentinel_username=su&sentinel_password=s%26p')).toEqual({
    shape: 'sentinel',
    sentinels: [
      { host: 's1', port: 26379 },
      { host: 's2', port: 26380 },
    ],
    name: 'mymaster',
    credentials: { username: 'u', password: 'p' },
    sentinelCredentials: { username: 'su', password: 's&p' },
    tls: false,
    db: 4,
  });
  expect(target('valkeys+sentinel://s1/primary')).toMatchObject({ tls: true, sentinelCredentials: nobody });
});

test.each([
  ['http://127.0.0.1:6379', /of the form redis:\/\//],
  ['redis:hunter2', /of the form/],
  ['redis://', /of the form/],
  ['redis://h:0', /port from 1 to 65535/],
  ['redis://h:99999', /port from 1 to 65535/],
  ['redis+cluster://a:7000,:7001', /a host/],
  ['redis+cluster://a:7000, b:x', /port/],
  ['redis://a:1,b:2', /redis\+cluster:\/\/ or redis\+sentinel/],
  ['redis+cluster://a/1', /database 0 only/],
  ['redis://h/name', /number of a database/],
  ['redis://h/1/2', /number of a database/],
  ['redis+sentinel://s1:26379', /name of the primary is missing/],
  ['redis+sentinel://s1/mymaster/x', /number of a database/],
  ['redis+sentinel://s1/mymaster?password=hunter2', /option “password” is not known/],
  ['redis://:hunter2@h?family=6', /option “family” is not known/],
  ['redis://:hunter2%zz@h', /hexadecimal/],
])('[RD-2] what is wrong with %s is said, without its password', (url, message) => {
  const said = target(url);
  expect(said).toMatch(message);
  expect(said).not.toContain('hunter2');
});
