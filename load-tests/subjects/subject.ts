import { setTimeout as wait } from 'node:timers/promises';

/**
 * A server under measurement, ours or a rival's, as a process of its own that the bench starts on one core and speaks to over Node's
 * channel between processes. What it must do is the same for all: give away units of items, and let every viewer know.
 */
export type Subject = {
  readonly port: number;
  /** Number of the newest change; changes are numbered one after the other and frames carry the number as `upTo`. */
  position(): number | Promise<number>;
  /** One unit of the item with this index goes. */
  take(item: number): void | Promise<void>;
  /** The last unit of the scarce item goes, or comes back. */
  sellOut(): void | Promise<void>;
  restock(): void | Promise<void>;
  /** Tokens for so many viewers; none where the rival knows no access control. */
  tokens?(count: number): Promise<readonly string[]>;
  /** What it counted, as `{gateReads: 1}`. */
  counters?(): Readonly<Record<string, number>>;
  stop(): Promise<void>;
};

/** `scarce`: index of the item that `sellOut` is about; the ones before it never run out. */
export type SubjectSettings = {
  readonly livestreamId: string;
  readonly items: number;
  readonly redisUrl: string | null;
  readonly databaseUrl: string | null;
  /** Of a rival that can be built in several ways, which one. */
  readonly variant: string;
};

export type DriveRequest = { readonly ratePerSecond: number; readonly durationMs: number; readonly items: number };
/** The change number `base + 1 + k` was due at `startMs + k × intervalMs`, on the clock of `process.hrtime`. */
export type Drive = {
  readonly base: number;
  readonly count: number;
  readonly startMs: number;
  readonly intervalMs: number;
};

/** CLOCK_MONOTONIC in ms: the same clock in every process of the machine. */
export const monotonicMs = (): number => Number(process.hrtime.bigint()) / 1e6;

const calls = {
  position: async (subject: Subject) => subject.position(),
  take: async (subject: Subject, item: number) => subject.take(item),
  /** Several units at the same moment. */
  burst: async (subject: Subject, items: readonly number[]) => {
    await Promise.all(items.map(async (item) => subject.take(item)));
  },
  sellOut: async (subject: Subject) => {
    const atMs = monotonicMs();
    await subject.sellOut();
    return atMs;
  },
  restock: async (subject: Subject) => subject.restock(),
  tokens: async (subject: Subject, count: number) => (await subject.tokens?.(count)) ?? [],
  counters: async (subject: Subject) => subject.counters?.() ?? {},
  drive: (subject: Subject, request: DriveRequest) => drive(subject, request),
  /** The moment just before. */
  takeAt: async (subject: Subject, item: number) => {
    const atMs = monotonicMs();
    await subject.take(item);
    return atMs;
  },
  memory: async () => {
    for (let pass = 0; pass < 3; pass += 1) {
      global.gc?.();
      await wait(20);
    }
    const { rss, heapUsed, external } = process.memoryUsage();
    return { rss, heapUsed, external };
  },
} as const;

export type Calls = { readonly [Name in keyof typeof calls]: Awaited<ReturnType<(typeof calls)[Name]>> };
export type CallName = keyof typeof calls;
type Message = { readonly id: number; readonly name: CallName; readonly argument: never };

/** Changes come from outside and do not wait for a server that is late: every one of them has its moment, kept or not. */
async function drive(subject: Subject, { ratePerSecond, durationMs, items }: DriveRequest): Promise<Drive> {
  const base = await subject.position();
  const count = Math.round((ratePerSecond * durationMs) / 1_000);
  const intervalMs = 1_000 / ratePerSecond;
  const startMs = monotonicMs();
  for (let done = 0; done < count; ) {
    const due = Math.min(count, Math.floor((monotonicMs() - startMs) / intervalMs) + 1);
    for (; done < due; done += 1) void subject.take(done % items);
    // Asleep until the next one: a clock that ticks in the server would be measured with it.
    if (done < count) await wait(Math.max(1, startMs + done * intervalMs - monotonicMs()));
  }
  return { base, count, startMs, intervalMs };
}

/** Runs a subject as the program of this process until the bench says `stop` or goes away. */
export async function runSubject(open: (settings: SubjectSettings) => Promise<Subject>): Promise<void> {
  const settings = JSON.parse(process.env['SUBJECT'] ?? '{}') as SubjectSettings;
  const subject = await open(settings);
  const stop = (): void => {
    setTimeout(() => process.exit(0), 1_000).unref();
    void subject.stop().then(() => process.exit(0));
  };
  process.on('disconnect', stop);
  process.on('message', (message: Message | 'stop') => {
    if (message === 'stop') return stop();
    const call = calls[message.name] as (subject: Subject, argument: never) => Promise<unknown>;
    call(subject, message.argument).then(
      (result) => process.send?.({ id: message.id, result }),
      (error: unknown) => process.send?.({ id: message.id, error: String(error) }),
    );
  });
  process.send?.({ ready: subject.port });
}
