import { spawn } from 'node:child_process';
import { createServer, type Server, type Socket } from 'node:net';

/** Connections that are accepted in one turn of the event loop, at most; each listener asks the kernel once for every one that comes. */
const listenersInAll = 32;
const copiedWithinMs = 10_000;

/** Sends the handle that it is given back, again and again. It never listens itself, so no connection can end up with it. */
const copier = `process.on('message', ({ copies }, handle) => {
  let left = copies;
  const sent = () => (left -= 1) === 0 && process.disconnect();
  for (let at = 0; at < copies; at += 1) process.send('copy', handle, { keepOpen: true }, sent);
});`;

/**
 * More listeners for the address of `server`, which listens. libuv accepts one connection of a listener in each turn of the event loop
 * (https://github.com/libuv/libuv/pull/3696), however many wait: a node that is busy turns some 30 times a second, and a thousand viewers of
 * another node that died would wait half a minute to be let in. A process gets another descriptor of its own listener only from another
 * process, so one is started for a moment. Resolves with fewer listeners, or none, where that does not work.
 */
export async function openFurtherListeners(
  server: Server,
  backlog: number,
  accept: (socket: Socket) => void,
): Promise<Server[]> {
  const handles = await copiesOf(Reflect.get(server, '_handle'), listenersInAll - 1);
  return Promise.all(
    handles.map((handle) => {
      // As node:http has its own: an answer may follow the end of the request, and small answers leave at once.
      const further = createServer({ allowHalfOpen: true, noDelay: true }, accept);
      return new Promise<Server>((resolve, reject) => {
        // Each of them sets it for all: they share one line.
        further.once('error', reject).listen(handle, backlog, () => resolve(further));
      });
    }),
  );
}

function copiesOf(handle: unknown, copies: number): Promise<object[]> {
  const child = spawn(process.execPath, ['-e', copier], { stdio: ['ignore', 'ignore', 'ignore', 'ipc'], env: {} });
  return new Promise((resolve) => {
    const got: object[] = [];
    const late = setTimeout(() => child.kill('SIGKILL'), copiedWithinMs);
    const end = () => {
      clearTimeout(late);
      resolve(got);
    };
    child.on('message', (_, copy) => {
      if (typeof copy === 'object') got.push(copy);
    });
    child.once('disconnect', end).once('error', end);
    // A listener that node:cluster passes on has no handle that could be sent.
    try {
      child.send({ copies }, handle as Server);
    } catch {
      child.kill('SIGKILL');
    }
  });
}
