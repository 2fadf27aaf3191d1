import { percentilesOf } from '../lib/latency.ts';
import { delay } from '../lib/limiter.ts';
import type { Drive, DriveRequest, SubjectSettings } from '../subjects/subject.ts';
import { cpuBetween, SubjectProcess } from './child-process.ts';
import type { Bench } from './figure.ts';
import { type Flood, type FloodOptions, openViewers } from './flood.ts';

export type Side = { readonly subject: SubjectProcess; readonly flood: Flood };

export const ours = { file: 'ours/fanout-node.ts', speaks: 'ours' } as const;
export const rivals = {
  socketIo: { file: 'rivals/socket-io.ts', speaks: 'socket-io', name: 'Socket.IO io.to(room).emit' },
  uws: { file: 'rivals/uws.ts', speaks: 'ws', name: 'uWebSockets publish' },
  snapshots: {
    file: 'rivals/snapshot-per-client.ts',
    speaks: 'socket-io',
    name: 'Socket.IO, a snapshot read per client',
  },
  wsLoop: { file: 'rivals/ws-loop.ts', speaks: 'ws', name: 'ws, one send per socket' },
} as const;
export type Rival = (typeof rivals)[keyof typeof rivals];

type SideOptions = Omit<FloodOptions, 'speaks' | 'tokens'> & { readonly settings?: Partial<SubjectSettings> };

async function openSide(
  file: string,
  speaks: FloodOptions['speaks'],
  { settings = {}, ...options }: SideOptions,
): Promise<Side> {
  const subject = await SubjectProcess.start(file, settings);
  try {
    return { subject, flood: await openViewers(subject, { speaks, ...options }) };
  } catch (error) {
    await subject.stop();
    throw error;
  }
}

async function closeSide({ subject, flood }: Side): Promise<void> {
  await flood.close();
  await subject.stop();
}

/** Both servers run all the time, each with its viewers connected; only one of them has something to say at a time. */
export async function withPair<Result>(
  rival: Rival,
  options: SideOptions,
  measure: (own: Side, other: Side) => Promise<Result>,
): Promise<Result> {
  const own = await openSide(ours.file, ours.speaks, options);
  try {
    const other = await openSide(rival.file, rival.speaks, options);
    try {
      return await measure(own, other);
    } finally {
      await closeSide(other);
    }
  } finally {
    await closeSide(own);
  }
}

export async function withOurs<Result>(options: SideOptions, measure: (own: Side) => Promise<Result>): Promise<Result> {
  const own = await openSide(ours.file, ours.speaks, options);
  try {
    return await measure(own);
  } finally {
    await closeSide(own);
  }
}

/** A, B, A, B, …: what disturbs the machine disturbs both. */
export async function interleaved<Own, Other>(
  bench: Bench,
  own: () => Promise<Own>,
  other: () => Promise<Other>,
): Promise<{ ours: Own[]; rival: Other[] }> {
  const rounds: { ours: Own[]; rival: Other[] } = { ours: [], rival: [] };
  for (let round = 0; round < bench.rounds; round += 1) {
    rounds.ours.push(await own());
    rounds.rival.push(await other());
  }
  return rounds;
}

export type Load = {
  /** Of the server between the first change and the last frame, in seconds. */
  readonly cpu: { readonly user: number; readonly system: number; readonly total: number };
  readonly changes: number;
  readonly frames: number;
  readonly bytes: number;
  /** Age of the newest value in each sampled frame when it arrived: time since that change was due, in ms. */
  readonly ages: readonly number[];
  readonly acks: number;
};

/** A cold server compiles its code while it is measured: both get some changes before the first round. */
export async function warmUp(sides: readonly Side[], ratePerSecond: number): Promise<void> {
  for (const side of sides) await drive(side, { ratePerSecond, durationMs: 2_000, items: 1 });
}

/** Lets changes come at a fixed rate and waits until every viewer has everything. */
export async function drive({ subject, flood }: Side, request: DriveRequest): Promise<Load> {
  await delay(300);
  await flood.ask('reset');
  const before = subject.cpu();
  const driven = await subject.call('drive', request);
  const { frames, bytes, acks } = await flood.untilQuiet(250);
  const cpu = cpuBetween(before, subject.cpu());
  const { samples } = await flood.ask('samples');
  return { cpu, changes: driven.count, frames, bytes, acks, ages: agesOf(samples, driven) };
}

export function agesOf(samples: readonly (readonly [number, number])[], driven: Drive): number[] {
  const { base, count, startMs, intervalMs } = driven;
  return samples.flatMap(([upTo, atMs]) => {
    const index = upTo - base - 1;
    return index < 0 || index >= count ? [] : [atMs - startMs - index * intervalMs];
  });
}

export const agePercentiles = ({ ages }: Load) => percentilesOf(ages);
