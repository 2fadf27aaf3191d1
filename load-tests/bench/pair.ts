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

type Kind = typeof ours | Rival;
type SideOptions = Omit<FloodOptions, 'speaks' | 'tokens'> & { readonly settings?: Partial<SubjectSettings> };

/** Servers with their viewers, all of them closed at the end. */
async function withSides<Kinds extends readonly Kind[], Result>(
  kinds: Kinds,
  { settings = {}, ...options }: SideOptions,
  measure: (sides: { readonly [Index in keyof Kinds]: Side }) => Promise<Result>,
): Promise<Result> {
  const subjects = await SubjectProcess.startAll(...kinds.map(({ file }) => [file, settings] as const));
  const sides: Side[] = [];
  try {
    for (const [index, subject] of subjects.entries()) {
      const speaks = kinds[index]?.speaks ?? 'ours';
      sides.push({ subject, flood: await openViewers(subject, { speaks, ...options }) });
    }
    return await measure(sides as { readonly [Index in keyof Kinds]: Side });
  } finally {
    for (const { flood } of sides) await flood.close();
    for (const subject of subjects) await subject.stop();
  }
}

/** Both servers run all the time, each with its viewers connected; only one of them has something to say at a time. */
export const withPair = <Result>(
  rival: Rival,
  options: SideOptions,
  measure: (own: Side, other: Side) => Promise<Result>,
): Promise<Result> => withSides([ours, rival] as const, options, ([own, other]) => measure(own, other));

export const withOurs = <Result>(options: SideOptions, measure: (own: Side) => Promise<Result>): Promise<Result> =>
  withSides([ours] as const, options, ([own]) => measure(own));

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
export async function warmUp({ quick }: Bench, sides: readonly Side[], ratePerSecond: number): Promise<void> {
  for (const side of sides) await drive(side, { ratePerSecond, durationMs: quick ? 500 : 2_000, items: 1 });
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
