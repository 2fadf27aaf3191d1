import { Pool } from 'pg';
import { Counter, Gauge, type Registry } from 'prom-client';
import { Prisma } from '../../generated/prisma/client.ts';
import type { Log } from '../lib/log.ts';
import type { OpenDatabase } from './database.ts';

/** Work that one node does at a time. `desk`: alerts and pace, which share one copy of the levels; `deliveries`: messages of dead nodes. */
export const leaseNames = ['desk', 'deliveries', 'drift'] as const;
export type LeaseName = (typeof leaseNames)[number];

/** What a lease is held for. Called one after the other, never at once; what rejects is reported and changes nothing. */
export type LeaseWork = {
  /** Begins anew: whatever another node did meanwhile is in the database. */
  begin(): Promise<void>;
  end(): Promise<void>;
  /** False: this node cannot do it now (it does not reach the gate, say). Another node may then have the lease. */
  able?(): boolean;
};

/**
 * The right to do some work, for a short time that is prolonged as long as the node lives. Time is PostgreSQL's: nodes' clocks do not
 * matter. What the holder does must be safe all the same if two do it (I7): a lease saves work, it does not decide anything.
 */
export type Lease = {
  /**
   * False from the moment at which another node may have it, by this process's monotonic clock and without asking anybody: a process that
   * was stopped for a while learns it from the first call. Ask it before each act.
   */
  isHeld(): boolean;
  /** For the WHERE of a statement: true in the database only while nobody else has taken it over since. */
  fence(): Prisma.Sql;
  /** Once. */
  assign(work: LeaseWork): void;
};

export type Leases = Readonly<Record<LeaseName, Lease>> & {
  /** Resolves after the first attempt, with the work begun of what was free. */
  start(): Promise<void>;
  /** Idempotent. Ends the work and gives the leases away. Another node has them with its next look, at most `renewMs` later. */
  stop(): Promise<void>;
};

export type LeaseDeps = {
  readonly database: Pick<OpenDatabase, 'kind' | 'connection'>;
  /** Names this process until it ends, in the table and in metrics. */
  readonly holder: string;
  readonly log: Pick<Log, 'info' | 'warn'>;
  readonly registry: Registry;
  /** After the death of a holder another node has the lease within this time and a moment; with the work's own beginning ≤ 5 s. */
  readonly ttlMs?: number;
  readonly renewMs?: number;
};

/** Clocks of two machines run alike to within much less than this part of a lease, and a timer is late by less. */
const marginMs = 100;
const retryMs = 250;
/** Whoever could not do the work lets others try for so long. */
const unableMs = 5_000;

export function createLeases(deps: LeaseDeps): Leases {
  // A second process on the embedded database is refused: there is nobody to share with.
  return deps.database.kind === 'pglite' ? soleLeases(deps) : new SharedLeases(deps);
}

type Answer = { readonly name: LeaseName; readonly holder: string; readonly token: string; readonly left_ms: number };

class HeldLease implements Lease {
  readonly name: LeaseName;
  readonly #warn: (error: unknown) => void;
  #work: LeaseWork | null = null;
  #untilMs = Number.NEGATIVE_INFINITY;
  #token: string | null = null;
  #turn: Promise<void> = Promise.resolve();
  /** Until then it is left to others. */
  restsUntilMs = Number.NEGATIVE_INFINITY;

  constructor(name: LeaseName, warn: (error: unknown) => void) {
    this.name = name;
    this.#warn = warn;
  }

  get isAble(): boolean {
    return this.#work?.able?.() ?? true;
  }

  /** Of the tenure that has been begun and not ended, even if its time is over. */
  get token(): string | null {
    return this.#token;
  }

  isHeld(): boolean {
    return performance.now() < this.#untilMs;
  }

  fence(): Prisma.Sql {
    const token = this.isHeld() ? this.#token : null;
    if (token === null) return Prisma.sql`FALSE`;
    return Prisma.sql`EXISTS (SELECT 1 FROM leases WHERE name = ${this.name} AND token = ${token}::text::bigint)`;
  }

  assign(work: LeaseWork): void {
    this.#work = work;
  }

  /** True: a new tenure. One that had lapsed here is a new one, even if the database did not see it lapse. */
  keep(token: string, untilMs: number): boolean {
    const unbroken = token === this.#token && this.isHeld();
    if (!unbroken) this.lose();
    this.#untilMs = untilMs;
    this.#token = token;
    if (!unbroken) this.#then(async () => await this.#work?.begin());
    return !unbroken;
  }

  lose(): void {
    this.#untilMs = Number.NEGATIVE_INFINITY;
    if (this.#token === null) return;
    this.#token = null;
    this.#then(async () => await this.#work?.end());
  }

  /** Resolves when what was begun or ended so far is. */
  async settled(): Promise<void> {
    await this.#turn;
  }

  #then(step: () => Promise<void>): void {
    this.#turn = this.#turn.then(step).catch(this.#warn);
  }
}

class SharedLeases implements Leases {
  readonly desk: HeldLease;
  readonly deliveries: HeldLease;
  readonly drift: HeldLease;
  readonly #deps: LeaseDeps;
  readonly #all: readonly HeldLease[];
  readonly #pool: Pool;
  readonly #metrics: ReturnType<typeof leaseMetrics>;
  #timer: NodeJS.Timeout | undefined;
  #looking: Promise<void> | undefined;
  #stopped = false;
  #stopping: Promise<void> | undefined;
  #failures = 0;

  constructor(deps: LeaseDeps) {
    this.#deps = deps;
    const warn = (error: unknown) => deps.log.warn({ err: error }, 'the work of a lease could not be begun or ended');
    this.desk = new HeldLease('desk', warn);
    this.deliveries = new HeldLease('deliveries', warn);
    this.drift = new HeldLease('drift', warn);
    this.#all = [this.desk, this.deliveries, this.drift];
    this.#metrics = leaseMetrics(deps.registry, (name) => this[name].isHeld());
    // A connection of its own: a lease must not wait behind orders, and not longer than it lasts.
    this.#pool = new Pool({
      ...deps.database.connection,
      application_name: 'stockcast lease',
      max: 1,
      connectionTimeoutMillis: 1_000,
      statement_timeout: 1_000,
      query_timeout: 1_000,
    });
    this.#pool.on('error', () => undefined);
  }

  async start(): Promise<void> {
    await this.#look();
    await Promise.all(this.#all.map((lease) => lease.settled()));
  }

  stop(): Promise<void> {
    this.#stopping ??= this.#stop();
    return this.#stopping;
  }

  async #stop(): Promise<void> {
    this.#stopped = true;
    clearTimeout(this.#timer);
    await this.#looking;
    for (const lease of this.#all) lease.lose();
    await Promise.all(this.#all.map((lease) => lease.settled()));
    try {
      await this.#giveUp(this.#all);
    } catch (error) {
      this.#deps.log.warn({ err: error }, 'leases could not be given away; they run out');
    }
    await this.#pool.end();
  }

  #look(): Promise<void> {
    this.#looking = this.#lookOnce().finally(() => {
      this.#looking = undefined;
    });
    return this.#looking;
  }

  async #lookOnce(): Promise<void> {
    let pauseMs = retryMs;
    try {
      pauseMs = await this.#take();
    } catch (error) {
      this.#failures += 1;
      // The first time, and once a minute as long as it lasts.
      if (this.#failures % 240 === 1) this.#deps.log.warn({ err: error }, 'leases could not be prolonged');
    }
    if (this.#stopped) return;
    this.#timer = setTimeout(() => void this.#look(), pauseMs);
    this.#timer.unref();
  }

  /** One statement for all of them; returns when to look again. */
  async #take(): Promise<number> {
    const { holder, ttlMs = 3_000, renewMs = 750 } = this.#deps;
    const unable = this.#all.filter((lease) => lease.token !== null && !lease.isAble);
    if (unable.length > 0) await this.#leaveToOthers(unable);
    const wanted = this.#all.filter(({ restsUntilMs }) => restsUntilMs <= performance.now());
    // Before the question leaves: the database counts from later on, so that it is never over there before it is over here.
    const askedAtMs = performance.now();
    const { rows } = await this.#pool.query<Answer>('SELECT * FROM stockcast_take_leases($1, $2, $3)', [
      wanted.map(({ name }) => name),
      holder,
      ttlMs,
    ]);
    this.#failures = 0;
    if (this.#stopped) return renewMs;
    let pauseMs = renewMs;
    for (const answer of rows) {
      this.#metrics.holds(answer.name, answer.holder);
      if (answer.holder === holder) this.#keep(answer, askedAtMs + ttlMs - marginMs);
      else {
        this[answer.name].lose();
        pauseMs = Math.min(pauseMs, Math.max(10, answer.left_ms + 10));
      }
    }
    return pauseMs;
  }

  #keep({ name, token }: Answer, untilMs: number): void {
    if (!this[name].keep(token, untilMs)) return;
    this.#metrics.taken.inc({ lease: name });
    this.#deps.log.info({ lease: name, token, holder: this.#deps.holder }, 'this node has the lease');
  }

  async #leaveToOthers(unable: readonly HeldLease[]): Promise<void> {
    for (const lease of unable) {
      lease.restsUntilMs = performance.now() + unableMs;
      lease.lose();
    }
    this.#deps.log.warn({ leases: unable.map(({ name }) => name) }, 'this node cannot do the work of its leases now');
    await this.#giveUp(unable);
  }

  async #giveUp(leases: readonly HeldLease[]): Promise<void> {
    const { holder } = this.#deps;
    await this.#pool.query(
      "UPDATE leases SET expires_at = clock_timestamp() - interval '1 millisecond' WHERE name = ANY ($1) AND holder = $2 AND expires_at > clock_timestamp()",
      [leases.map(({ name }) => name), holder],
    );
  }
}

/** Of the only process: held from start to stop. */
function soleLeases({ registry, holder }: LeaseDeps): Leases {
  const works: LeaseWork[] = [];
  let running = false;
  const lease: Lease = {
    isHeld: () => running,
    fence: () => (running ? Prisma.sql`TRUE` : Prisma.sql`FALSE`),
    assign: (work) => void works.push(work),
  };
  const metrics = leaseMetrics(registry, () => running);
  return {
    desk: lease,
    deliveries: lease,
    drift: lease,
    async start() {
      running = true;
      for (const name of leaseNames) metrics.holds(name, holder);
      for (const work of works) await work.begin();
    },
    async stop() {
      if (!running) return;
      running = false;
      for (const work of works.toReversed()) await work.end();
    },
  };
}

/** LE-6: who holds what, as the database said last. */
function leaseMetrics(registry: Registry, isHeld: (name: LeaseName) => boolean) {
  const registers = [registry];
  const holders = new Map<LeaseName, string>();
  const holderOf = new Gauge({
    name: 'stockcast_lease_holder',
    help: 'Work that one node does at a time: 1 for the node that does it, as this node last heard',
    labelNames: ['lease', 'holder'] as const,
    registers,
  });
  const held = new Gauge({
    name: 'stockcast_lease_held',
    help: 'Work that one node does at a time: 1 if this node does it now',
    labelNames: ['lease'] as const,
    registers,
    collect() {
      for (const name of leaseNames) held.set({ lease: name }, isHeld(name) ? 1 : 0);
    },
  });
  return {
    taken: new Counter({
      name: 'stockcast_lease_taken_total',
      help: 'Work that one node does at a time: how often this node began it',
      labelNames: ['lease'] as const,
      registers,
    }),
    holds(lease: LeaseName, holder: string): void {
      const before = holders.get(lease);
      if (before === holder) return;
      if (before !== undefined) holderOf.remove({ lease, holder: before });
      holders.set(lease, holder);
      holderOf.set({ lease, holder }, 1);
    },
  };
}
