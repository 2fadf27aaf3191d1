import { readFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { percentilesOf } from '../lib/latency.ts';
import { monotonicMs } from '../subjects/subject.ts';
import { WireSocket } from './wire-socket.ts';

/**
 * The same crowd of viewers as `flood.c`, with the same arguments, commands and answers, for machines without a C compiler. It costs a
 * multiple of CPU per frame: with thousands of viewers it is the bottleneck before the server is, and the bench says that it was used.
 */
class Viewer {
  readonly index: number;
  upTo = 0;
  epoch = 0;
  frame = 0;
  ackedFrame = 0;
  unacked = 0;
  unackedSinceMs = 0;
  snapshotAtMs = 0;
  markedAtMs = 0;
  ready = false;
  stalled = false;
  socket: WireSocket | null = null;

  constructor(index: number) {
    this.index = index;
  }
}

const settings = Object.fromEntries(
  process.argv.slice(2).map((word) => [word.slice(0, word.indexOf('=')), word.slice(word.indexOf('=') + 1)]),
);
const numberOf = (name: string, fallback = 0): number => Number(settings[name] ?? fallback);
const textOf = (name: string): string => settings[name] ?? '';
const tokens = textOf('tokens') === '' ? [] : readFileSync(textOf('tokens'), 'utf8').trimEnd().split('\n');
const speaksSocketIo = textOf('mode') !== 'ws';
const viewers = Array.from({ length: numberOf('count', 1) }, (_, index) => new Viewer(index));
const totals = { closed: 0, failed: 0, retries: 0, bytesBefore: 0, frames: 0, levels: 0, acks: 0 };
const state = {
  storming: false,
  opening: 0,
  next: viewers.length,
  samples: [] as [number, number][],
  coverBase: 0,
  mark: '',
};
let covers: { count: number; firstMs: number; lastMs: number }[] = [];

const bytes = (): number => viewers.reduce((sum, { socket }) => sum + (socket?.bytes ?? 0), 0) - totals.bytesBefore;
const readyCount = (): number => viewers.filter(({ ready }) => ready).length;

function filled(text: string, viewer: Viewer): string {
  return text
    .replaceAll('%T', tokens[viewer.index % Math.max(1, tokens.length)] ?? '')
    .replaceAll('%U', String(viewer.upTo))
    .replaceAll('%E', String(viewer.epoch))
    .replaceAll('%F', String(viewer.frame));
}

function open(viewer: Viewer): void {
  viewer.snapshotAtMs = 0;
  viewer.unacked = 0;
  state.opening += 1;
  viewer.socket = new WireSocket({
    port: numberOf('port'),
    path: textOf('path'),
    onText: (text, atMs) => take(viewer, text, atMs),
    onOpen: () => {
      if (!speaksSocketIo) becomeReady(viewer);
    },
    onClose: () => lost(viewer),
  });
}

function becomeReady(viewer: Viewer): void {
  viewer.ready = true;
  state.opening -= 1;
}

function lost(viewer: Viewer): void {
  if (viewer.ready) totals.closed += 1;
  else {
    state.opening -= 1;
    totals.retries += 1;
    setTimeout(() => open(viewer), 100);
  }
  viewer.ready = false;
}

function take(viewer: Viewer, text: string, atMs: number): void {
  if (speaksSocketIo && text === '2') return viewer.socket?.send('3');
  if (!viewer.ready && speaksSocketIo && !text.startsWith('42')) return greet(viewer, text);
  totals.frames += 1;
  if (text.startsWith('42["stock:levels"')) takeLevels(viewer, text, atMs);
  else if (text.startsWith('42["stock:snapshot"')) {
    viewer.epoch = numberIn(text, '"epoch":', viewer.epoch);
    viewer.upTo = numberIn(text, '"upTo":', viewer.upTo);
    viewer.frame = numberIn(text, '"frame":', viewer.frame);
    viewer.ackedFrame = viewer.frame;
    if (viewer.snapshotAtMs === 0) viewer.snapshotAtMs = atMs;
  }
}

function greet(viewer: Viewer, text: string): void {
  if (text.startsWith('0')) viewer.socket?.send(filled(textOf('hello'), viewer));
  else if (text.startsWith('44')) refused(text);
  else if (text.startsWith('40')) {
    const join = state.storming && textOf('rejoin') !== '' ? textOf('rejoin') : textOf('join');
    if (join === '') becomeReady(viewer);
    else viewer.socket?.send(filled(join, viewer));
  } else if (text.startsWith('430')) {
    if (text.includes('"ok":false')) refused(text);
    becomeReady(viewer);
  }
}

function refused(text: string): void {
  totals.failed += 1;
  process.stderr.write(`flood: refused: ${text.slice(0, 200)}\n`);
}

function takeLevels(viewer: Viewer, text: string, atMs: number): void {
  totals.levels += 1;
  const ackEvery = numberOf('ackEvery');
  if (ackEvery > 0) {
    viewer.frame = numberIn(text, '"frame":', viewer.frame);
    if (viewer.unacked === 0) viewer.unackedSinceMs = atMs;
    viewer.unacked += 1;
    if (viewer.unacked >= ackEvery) acknowledge(viewer);
  }
  if (state.mark !== '' && viewer.markedAtMs === 0 && text.includes(state.mark)) viewer.markedAtMs = atMs;
  const upTo = numberIn(text, '"upTo":', -1);
  if (upTo < 0) return;
  const sampleEvery = numberOf('sampleEvery');
  if (sampleEvery > 0 && viewer.index % sampleEvery === 0) state.samples.push([upTo, atMs]);
  for (let one = viewer.upTo + 1; one <= upTo; one += 1) {
    const cover = covers[one - state.coverBase - 1];
    if (cover === undefined) continue;
    if (cover.count === 0) cover.firstMs = atMs;
    cover.count += 1;
    cover.lastMs = atMs;
  }
  viewer.upTo = Math.max(viewer.upTo, upTo);
}

function numberIn(text: string, name: string, fallback: number): number {
  const at = text.indexOf(name);
  return at < 0 ? fallback : Number.parseInt(text.slice(at + name.length, at + name.length + 20), 10);
}

function acknowledge(viewer: Viewer): void {
  viewer.unacked = 0;
  if (viewer.frame <= viewer.ackedFrame) return;
  viewer.ackedFrame = viewer.frame;
  totals.acks += 1;
  viewer.socket?.send(filled(textOf('ackText'), viewer));
}

async function everybodyIsIn(parallel: number, withSnapshot: boolean): Promise<object> {
  const startMs = monotonicMs();
  for (;;) {
    while (state.next < viewers.length && state.opening < parallel) {
      const viewer = viewers[state.next];
      state.next += 1;
      if (viewer !== undefined) open(viewer);
    }
    const done = viewers.every(({ ready, snapshotAtMs }) => ready && (!withSnapshot || snapshotAtMs > 0));
    const ms = monotonicMs() - startMs;
    if (done || ms > 60_000) {
      return { ready: readyCount(), failed: totals.failed, retries: totals.retries, ms, timedOut: !done };
    }
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
}

/** To `port` after a pause between the two, as clients with a back-off do; all at once and to the same port when it is 0. */
async function storm(port: number, fromMs: number, toMs: number): Promise<object> {
  totals.retries = 0;
  state.storming = true;
  for (const viewer of viewers) {
    totals.bytesBefore -= viewer.socket?.bytes ?? 0;
    viewer.socket?.destroy();
    viewer.ready = false;
    viewer.snapshotAtMs = 0;
  }
  const startMs = monotonicMs();
  if (port > 0) settings['port'] = String(port);
  if (toMs > 0) for (const viewer of viewers) setTimeout(() => open(viewer), fromMs + Math.random() * (toMs - fromMs));
  state.next = toMs > 0 ? viewers.length : 0;
  const answer = await everybodyIsIn(viewers.length, true);
  state.storming = false;
  const back = viewers.filter(({ snapshotAtMs }) => snapshotAtMs > 0);
  return { ...answer, recoveryMs: spread(back.map(({ snapshotAtMs }) => snapshotAtMs - startMs)) };
}

function spread(values: readonly number[]): object {
  const { count, ...percentiles } = percentilesOf(values);
  return { n: count, ...percentiles };
}

function reset(): object {
  totals.bytesBefore += bytes();
  Object.assign(totals, { frames: 0, levels: 0, acks: 0 });
  state.samples = [];
  for (const viewer of viewers) viewer.markedAtMs = 0;
  return { ok: true };
}

function cover(base: number, count: number): object {
  state.coverBase = base >= 0 ? base : Math.max(...viewers.map(({ upTo }) => upTo));
  covers = Array.from({ length: count }, () => ({ count: 0, firstMs: 0, lastMs: 0 }));
  for (const viewer of viewers) viewer.upTo = Math.max(viewer.upTo, state.coverBase);
  return { base: state.coverBase };
}

function setStalled(from: number, count: number, stalled: boolean): object {
  for (const viewer of viewers.slice(from, from + count)) {
    viewer.stalled = stalled;
    if (stalled) viewer.socket?.pause();
    else viewer.socket?.resume();
  }
  return { ok: true };
}

function stats(): object {
  const { user, system } = process.cpuUsage();
  const { closed, frames, levels, acks } = totals;
  const cpuMs = (user + system) / 1_000;
  return { ready: readyCount(), closed, bytes: bytes(), frames, levels, acks, lostWrites: 0, cpuMs };
}

const commands: Readonly<Record<string, (a: number, b: number, text: string, c: number) => object | Promise<object>>> =
  {
    open: () => {
      state.next = 0;
      return everybodyIsIn(numberOf('parallel', 200), false);
    },
    storm: (port, fromMs, _text, toMs) => storm(port, fromMs, toMs),
    reset,
    mark: (_a, _b, text) => {
      state.mark = text;
      for (const viewer of viewers) viewer.markedAtMs = 0;
      return { ok: true };
    },
    cover,
    stats,
    samples: () => ({ samples: state.samples }),
    coverage: () => ({
      coverage: covers.flatMap(({ count, firstMs, lastMs }, index) =>
        count === 0 ? [] : [[state.coverBase + 1 + index, count, firstMs, lastMs]],
      ),
    }),
    marks: () => ({
      of: viewers.length,
      markedAtMs: spread(viewers.flatMap(({ markedAtMs }) => (markedAtMs > 0 ? [markedAtMs] : []))),
    }),
    stall: (from, count) => setStalled(from, count, true),
    unstall: (from, count) => setStalled(from, count, false),
    quit: () => process.exit(0),
  };

setInterval(() => {
  const nowMs = monotonicMs();
  const withinMs = numberOf('ackWithinMs', 1_000);
  for (const viewer of viewers) {
    if (viewer.ready && !viewer.stalled && viewer.unacked > 0 && nowMs - viewer.unackedSinceMs >= withinMs) {
      acknowledge(viewer);
    }
  }
}, 50);

const answer = async (line: string): Promise<void> => {
  const [name = '', a = '0', b = '0', c = '0'] = line.split(' ');
  const command = commands[name];
  const answered =
    command === undefined
      ? { error: 'no such command' }
      : await command(Number(a), Number(b), line.slice(name.length + 1), Number(c));
  process.stdout.write(`${JSON.stringify(answered)}\n`);
};
const lines = createInterface({ input: process.stdin });
lines.on('line', (line) => void answer(line));
lines.on('close', () => process.exit(0));
