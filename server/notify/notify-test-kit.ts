import { createServer, type IncomingHttpHeaders } from 'node:http';
import { createServer as createNetServer, type Socket } from 'node:net';
import type { Alert, AlertTier } from '../../contract/alerts.ts';
import type { Notice, NoticeLine } from './notice.ts';
import type { AlertMessage } from './notifier.ts';
import { createSecretSeal } from './secret-seal.ts';

/** What tests of notifications share: providers on local ports, notices, and time that moves when it is told to. */

/** Seals what tests store, as an installation's key does. */
export const testSeal = createSecretSeal([new Uint8Array(32).fill(7)]);

export type Received = { method: string; path: string; headers: IncomingHttpHeaders; body: string; bytes: Buffer };
export type Played = { status?: number; headers?: Record<string, string>; body?: string; delayMs?: number };

/** A provider on a local port: keeps what it got, and answers what the test wants (the last answer stays). */
export async function startProvider(...answers: Played[]) {
  const received: Received[] = [];
  let played = answers;
  const server = createServer((req, res) => {
    const chunks: Buffer[] = [];
    req.on('data', (chunk: Buffer) => chunks.push(chunk));
    req.on('end', () => {
      const bytes = Buffer.concat(chunks);
      const { method = '', url: path = '', headers } = req;
      received.push({ method, path, headers, body: bytes.toString('utf8'), bytes });
      const answer = (played.length > 1 ? played.shift() : played[0]) ?? {};
      const end = () => res.writeHead(answer.status ?? 200, answer.headers ?? {}).end(answer.body ?? '');
      if (answer.delayMs === undefined) end();
      else setTimeout(end, answer.delayMs);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  const port = typeof address === 'object' && address !== null ? address.port : 0;
  return {
    url: `http://127.0.0.1:${port}`,
    received,
    answer(...next: Played[]): void {
      played = next;
    },
    /** Resolves when so many requests have come; fails the test when they do not. */
    async until(count: number): Promise<void> {
      await eventually(
        () => received.length,
        (came) => came >= count,
      );
    },
    stop(): Promise<void> {
      server.closeAllConnections();
      return new Promise((resolve) => server.close(() => resolve()));
    },
  };
}
export type Provider = Awaited<ReturnType<typeof startProvider>>;

/** A mail server that keeps messages; `replies` replace its answer to a command (`MAIL`, `RCPT`, `AUTH`, or `.` for the message itself). */
export async function startMailServer(replies: Record<string, string> = {}) {
  const mails: string[] = [];
  const sockets = new Set<Socket>();
  const server = createNetServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => undefined);
    let buffered = '';
    let message: string[] | null = null;
    const say = (line: string) => socket.write(`${line}\r\n`);
    say('220 mail.test ESMTP');
    socket.on('data', (chunk) => {
      buffered += chunk.toString('utf8');
      for (let end = buffered.indexOf('\r\n'); end >= 0; end = buffered.indexOf('\r\n')) {
        const line = buffered.slice(0, end);
        buffered = buffered.slice(end + 2);
        if (message !== null && line !== '.') message.push(line.startsWith('.') ? line.slice(1) : line);
        else if (message !== null) {
          const reply = replies['.'];
          if (reply === undefined) mails.push(message.join('\r\n'));
          message = null;
          say(reply ?? '250 kept');
        } else {
          const verb = line.slice(0, 4).toUpperCase();
          if (verb === 'DATA') message = [];
          const usual = { EHLO: '250 mail.test', DATA: '354 go on', QUIT: '221 bye' }[verb] ?? '250 ok';
          say(replies[verb] ?? usual);
        }
      }
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  return {
    port: String(typeof address === 'object' && address !== null ? address.port : 0),
    mails,
    stop(): Promise<void> {
      for (const socket of sockets) socket.destroy();
      return new Promise((resolve) => server.close(() => resolve()));
    },
  };
}

export const nowMs = 1_700_000_000_000;

export function lineFor(alertId: string, tier: AlertTier = 'red', more: Partial<NoticeLine> = {}): NoticeLine {
  return {
    alertId,
    livestreamId: 'live-1',
    skuId: 'tea',
    tier,
    basis: 'consumption',
    itemTitle: { zh: '龙井', en: 'Longjing tea' },
    livestreamTitle: { zh: '双十一', en: 'Double Eleven' },
    facts: { consumed: 600, estimate: 500, percent: 120, available: 40 },
    reasons: [{ zh: '超过预估的 120%', en: 'More than 120% of the estimate' }],
    raisedAtMs: nowMs,
    ...more,
  };
}

export function noticeFor(lines: readonly NoticeLine[], more: Partial<Notice> = {}): Notice {
  return {
    noticeId: 'notice-1',
    tier: lines[0]?.tier ?? 'red',
    lines,
    more: 0,
    consoleUrl: 'https://live.example/operator/?livestream=live-1',
    acknowledgeUrl: 'https://live.example/ack?token=abc.def',
    atMs: nowMs,
    ...more,
  };
}

export function messageFor(
  alertId: string,
  tier: AlertTier = 'orange',
  more: Partial<AlertMessage> = {},
): AlertMessage {
  const alert: Alert = {
    alertId,
    livestreamId: 'live-1',
    skuId: 'tea',
    basis: 'consumption',
    tier,
    state: 'raised',
    raisedAtMs: nowMs,
    tierRaisedAtMs: nowMs,
    acknowledgedAtMs: null,
    acknowledgedBy: null,
    resolvedAtMs: null,
    silencedUntilMs: null,
    assignedTo: null,
    escalation: 0,
    muted: false,
    facts: { consumed: 500, estimate: 500, percent: 100, available: 100 },
    reasons: [],
  };
  return {
    alert,
    itemTitle: { zh: '龙井', en: 'Longjing tea' },
    livestreamTitle: { zh: '双十一', en: 'Double Eleven' },
    everyChannel: false,
    people: [],
    ...more,
  };
}

export const never = new AbortController().signal;

/** A clock that stands until it is moved, and pauses that end when it has moved far enough. */
export function manualTime(startMs = nowMs) {
  let now = startMs;
  const sleepers = new Set<{ untilMs: number; wake: () => void }>();
  return {
    clock: { now: () => now },
    /** Longest to shortest pause that is under way. */
    pauses: () => [...sleepers].map(({ untilMs }) => untilMs - now).toSorted((a, b) => b - a),
    pause: (ms: number, signal: AbortSignal): Promise<void> =>
      new Promise((resolve) => {
        const sleeper = {
          untilMs: now + ms,
          wake() {
            sleepers.delete(sleeper);
            resolve();
          },
        };
        if (signal.aborted) resolve();
        else {
          sleepers.add(sleeper);
          signal.addEventListener('abort', () => sleeper.wake(), { once: true });
        }
      }),
    advance(ms: number): void {
      now += ms;
      for (const sleeper of Array.from(sleepers)) if (sleeper.untilMs <= now) sleeper.wake();
    },
  };
}

/** Looks again until it holds; fails with what it last saw. */
export async function eventually<Value>(
  look: () => Value | Promise<Value>,
  holds: (value: Value) => boolean,
): Promise<Value> {
  for (let attempt = 0; ; attempt += 1) {
    const value = await look();
    if (holds(value)) return value;
    if (attempt === 400) throw new Error(`it never came to hold: ${JSON.stringify(value)}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

export const silentLog = {
  trace: () => undefined,
  debug: () => undefined,
  info: () => undefined,
  warn: () => undefined,
  error: () => undefined,
  fatal: () => undefined,
};
