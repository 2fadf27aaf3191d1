import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { runSubject } from '../subjects/subject.ts';
import { Counter } from './counter.ts';

type Publisher = { subscribe(topic: string): boolean };
type App = {
  ws(pattern: string, behaviour: object): App;
  listen(host: string, port: number, done: (socket: object | false) => void): App;
  publish(topic: string, message: string, isBinary: boolean, compress: boolean): boolean;
};
type MicroWebSockets = {
  App(): App;
  us_socket_local_port(socket: object): number;
  us_listen_socket_close(socket: object): void;
};

/**
 * uWebSockets' own publish, in C++. The package carries its native part for some versions of Node only and falls back to JavaScript
 * with a mere warning; so the native part is loaded by name here, and a benchmark without it ends instead of measuring something else.
 */
await runSubject(async ({ livestreamId, items }) => {
  const counter = new Counter(livestreamId, items);
  const file = `uws_${process.platform}_${process.arch}_${process.versions.modules}.node`;
  const require = createRequire(import.meta.url);
  const folder = require.resolve('@trufflesuite/uws-js-unofficial').replace(/src\/uws\.js$/, 'binaries/');
  if (!existsSync(`${folder}${file}`)) throw new Error(`uWebSockets has no native part for this Node (${file})`);
  const uws = require(`${folder}${file}`) as MicroWebSockets;
  const app = uws.App();
  app.ws('/*', {
    compression: 0,
    idleTimeout: 0,
    maxBackpressure: 64 * 1_024 * 1_024,
    open: (socket: Publisher) => socket.subscribe(livestreamId),
  });
  const tell = (payload: object): void =>
    void app.publish(livestreamId, `42${JSON.stringify(['stock:levels', payload])}`, false, false);
  const socket = await new Promise<object>((resolve, reject) => {
    app.listen('127.0.0.1', 0, (listening) =>
      listening === false ? reject(new Error('uWebSockets cannot listen')) : resolve(listening),
    );
  });
  return {
    port: uws.us_socket_local_port(socket),
    position: () => counter.position,
    take: (item) => tell(counter.take(item)),
    sellOut: () => tell(counter.scarce(0)),
    restock: () => tell(counter.scarce(1)),
    stop: async () => uws.us_listen_socket_close(socket),
  };
});
