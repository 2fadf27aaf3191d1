import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { connect } from 'node:net';
import { setImmediate as turn, setTimeout as wait } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { closeServer, createNodeServer, listen } from './node-server.ts';

const opened = 400;
/** Opens so many connections, says that they stand, and asks one question over each when it is told to. */
const crowd = `const net = require('node:net');
const [port, count] = process.argv.slice(1).map(Number);
let stand = 0;
let answered = 0;
const sockets = Array.from({ length: count }, () => net.connect(port, '127.0.0.1', () => (stand += 1) === count && process.send('stand')));
process.once('message', () => {
  for (const socket of sockets) {
    socket.once('data', () => (answered += 1) === count && process.send('answered'));
    socket.write('GET /name HTTP/1.1\\r\\nhost: here\\r\\nconnection: close\\r\\n\\r\\n');
  }
});`;

/** The event loop stands still, as it does for a busy node; whoever connects waits in the kernel. */
function standStill(ms: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);
}

test('[HT-28] a crowd that came while the node was busy is let in many at a time, is answered, and nobody listens after a stop', async () => {
  const server = createNodeServer((req, res) => void res.end(req.url));
  const port = await listen(server, 0, '127.0.0.1');
  let accepted = 0;
  server.on('connection', () => void (accepted += 1));
  const child = spawn(process.execPath, ['-e', crowd, String(port), String(opened)], {
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
  });
  try {
    // It starts, and its connections stand, while nothing turns here; more than one such time on a busy machine.
    const perTurn: number[] = [];
    while (accepted < opened) {
      standStill(500);
      for (let turns = 0; turns < 100; turns += 1) {
        const before = accepted;
        await turn();
        perTurn.push(accepted - before);
      }
    }
    expect(Math.max(...perTurn)).toBe(32);
    child.send('ask');
    expect(await nextOf(child, 'answered')).toBe('answered');
    await closeServer(server, 1_000);
    const [error] = (await once(connect(port, '127.0.0.1'), 'error')) as [NodeJS.ErrnoException];
    expect(error.code).toBe('ECONNREFUSED');
  } finally {
    child.kill();
    await closeServer(server, 0);
  }
});

test('[HT-23][HT-28] a stop waits for requests that came over any of its listeners', async () => {
  const waiting: (() => void)[] = [];
  const server = createNodeServer(
    (_, res) => void waiting.push(() => res.setHeader('connection', 'close').end('done')),
  );
  const port = await listen(server, 0, '127.0.0.1');
  const answers = Array.from({ length: 40 }, () => fetch(`http://127.0.0.1:${port}/`).then((answer) => answer.text()));
  while (waiting.length < 40) await wait(5);
  let isClosed = false;
  const closing = closeServer(server, 30_000).then(() => void (isClosed = true));
  for (const answer of waiting.slice(1)) answer();
  expect(await Promise.all(answers.slice(1))).toEqual(Array.from({ length: 39 }, () => 'done'));
  expect(isClosed).toBe(false);
  waiting[0]?.();
  await Promise.all([closing, ...answers]);
  expect(isClosed).toBe(true);
});

async function nextOf(child: ReturnType<typeof spawn>, wanted: string): Promise<string> {
  for (;;) {
    const [message] = (await once(child, 'message')) as [string];
    if (message === wanted) return message;
  }
}
