import * as z from 'zod/mini';
import { StockSnapshot } from '../../contract/events.ts';
import { type ItemStatus, itemStatuses, type Lane, StockHeartbeat, StockLevels } from '../../contract/levels.ts';
import { PROTOCOL_VERSION } from '../../contract/protocol-version.ts';
import { delay } from './limiter.ts';
import type { Random } from './random.ts';
import { RawSocket } from './raw-socket.ts';

/** What a client shows of one item. `available`, `held` and `sold` only on the lanes of anchor and operators. */
export type ShownRow = {
  readonly index: number;
  readonly version: number;
  readonly shown: number | string;
  readonly status: ItemStatus;
  readonly held?: number;
  readonly sold?: number;
};

type Frame = { readonly epoch: number; readonly upTo?: number | undefined; readonly rows: readonly WireRow[] };
type WireRow = z.infer<typeof StockLevels>['rows'][number];

/**
 * The levels of one livestream as a client holds them: order is (epoch, version) (V1), a row replaces only an older one, and frames
 * without `upTo` do not advance the point from which the client resumes (V3). Written from the rules alone, apart from the pages'
 * client, so that the audit at the end compares two independent readings of the protocol.
 */
export class LevelBook {
  epoch = -1;
  upTo = -1;
  readonly rows = new Map<number, ShownRow>();
  /** Messages that a correct server never sends, at most 20. */
  readonly violations: string[] = [];
  /** Rows of frames that were older than what this client had: only a frame that a critical one has overtaken may bring them. */
  older = 0;
  readonly #onRow: (row: ShownRow, before: ShownRow | undefined) => void;

  constructor(onRow: (row: ShownRow, before: ShownRow | undefined) => void = () => {}) {
    this.#onRow = onRow;
  }

  /** Returns false when the client has to ask for a snapshot. */
  frame(frame: Frame): boolean {
    if (frame.epoch < this.epoch) return true;
    if (frame.epoch > this.epoch) return false;
    this.#merge(frame, true);
    return true;
  }

  snapshot(snapshot: Frame & { readonly complete: boolean }): void {
    if (snapshot.epoch < this.epoch) {
      this.#violation(`a snapshot of epoch ${snapshot.epoch} after epoch ${this.epoch} (V1)`);
      return;
    }
    if (snapshot.epoch > this.epoch) {
      if (!snapshot.complete) this.#violation(`a partial snapshot in the new epoch ${snapshot.epoch}`);
      this.epoch = snapshot.epoch;
      this.upTo = -1;
      // Versions of another epoch say nothing here, so every row of this one is newer.
      for (const [index, row] of this.rows) this.rows.set(index, { ...row, version: -1 });
    }
    // One picture may be shared by all who ask in one moment, and so be a little older than a frame that came meanwhile.
    this.#merge(snapshot, false);
  }

  /** Behind what the server says everybody should have. */
  behind(heartbeat: { readonly epoch: number; readonly upTo: number }): boolean {
    return heartbeat.epoch > this.epoch || (heartbeat.epoch === this.epoch && heartbeat.upTo > this.upTo);
  }

  #merge({ upTo, rows }: Frame, inOrder: boolean): void {
    for (const wireRow of rows) {
      const row = rowOf(wireRow);
      const known = this.rows.get(row.index);
      if (known !== undefined && row.version < known.version) {
        if (inOrder) this.older += 1;
        continue;
      }
      if (known !== undefined && row.version === known.version) {
        if (row.shown !== known.shown)
          this.#violation(
            `item ${row.index} has two values in version ${row.version}: ${known.shown}, ${row.shown} (V1)`,
          );
        continue;
      }
      this.rows.set(row.index, row);
      this.#onRow(row, known);
    }
    if (upTo !== undefined) this.upTo = Math.max(this.upTo, upTo);
  }

  #violation(text: string): void {
    if (this.violations.length < 20) this.violations.push(text);
  }
}

function rowOf(row: WireRow): ShownRow {
  if (row.length === 4)
    return { index: row[0], version: row[1], shown: row[2], status: itemStatuses[row[3]] ?? 'ended' };
  const [index, version, shown, held, sold, status] = row;
  return { index, version, shown, held, sold, status: itemStatuses[status] ?? 'ended' };
}

export type ViewerOptions = {
  readonly url: string;
  readonly token: string;
  readonly livestreamId: string;
  readonly lane: Lane;
  readonly random: Random;
  /** Milliseconds of a monotonic clock, as `performance.now`. */
  readonly now: () => number;
  /** Check every payload against the contract's schema; a room of hundreds of viewers lets one of them do it. */
  readonly strict: boolean;
  /** Hears of every row that this client takes. */
  readonly onRow?: (row: ShownRow, epoch: number) => void;
};

/** Frames between two acknowledgements of the frame number; also once a second while frames come. */
const ackEveryFrames = 8;

/** A client that watches a livestream until it is stopped, and reconnects for ever. */
export class Viewer {
  readonly book: LevelBook;
  frames = 0;
  resyncs = 0;
  reconnects = 0;
  /** First and last moment at which this client saw an item sold out, by item index. */
  readonly soldOutAtMs = new Map<number, { first: number; last: number }>();
  readonly #options: ViewerOptions;
  #socket: RawSocket | null = null;
  #lastFrame = -1;
  #ackedFrame = -1;
  #stopped = false;
  #resyncing = false;
  readonly #timer: NodeJS.Timeout;

  private constructor(options: ViewerOptions) {
    this.#options = options;
    this.book = new LevelBook((row, before) => {
      options.onRow?.(row, this.book.epoch);
      if (row.status !== 'sold_out' || before?.status === 'sold_out') return;
      const atMs = options.now();
      this.soldOutAtMs.set(row.index, { first: this.soldOutAtMs.get(row.index)?.first ?? atMs, last: atMs });
    });
    this.#timer = setInterval(() => this.#acknowledge(), 1_000);
  }

  /** Resolves when the first snapshot is there; rejects if the server does not let this client in. */
  static async watch(options: ViewerOptions): Promise<Viewer> {
    const viewer = new Viewer(options);
    try {
      await viewer.#join();
    } catch (error) {
      viewer.stop();
      throw error;
    }
    return viewer;
  }

  get connected(): boolean {
    return this.#socket?.open === true;
  }

  stop(): void {
    this.#stopped = true;
    clearInterval(this.#timer);
    this.#socket?.close();
  }

  async #join(): Promise<void> {
    const { url, token, livestreamId, lane } = this.#options;
    const socket = await RawSocket.connect({ url, token });
    this.#socket = socket;
    // Frame numbers are the connection's own.
    this.#lastFrame = -1;
    this.#ackedFrame = -1;
    socket.on('stock:snapshot', (payload) => this.#take(StockSnapshot, payload, (one) => this.#snapshot(one)));
    socket.on('stock:levels', (payload) => this.#take(StockLevels, payload, (one) => this.#levels(one)));
    socket.on('stock:heartbeat', (payload) => this.#take(StockHeartbeat, payload, (one) => this.#heartbeat(one)));
    socket.onClose(() => void this.#reconnect());
    const { epoch, upTo } = this.book;
    const answer = await socket.ask('livestream:join', {
      livestreamId,
      protocolVersion: PROTOCOL_VERSION,
      lane,
      ...(upTo < 0 ? {} : { resume: { epoch, upTo } }),
    });
    if (!okOf(answer)) throw new Error(`livestream:join was refused: ${JSON.stringify(answer).slice(0, 300)}`);
  }

  async #reconnect(): Promise<void> {
    for (let attempt = 0; !this.#stopped; attempt += 1) {
      await delay(Math.min(5_000, 100 * 2 ** attempt) * (0.5 + this.#options.random()));
      if (this.#stopped) return;
      try {
        await this.#join();
        this.reconnects += 1;
        return;
      } catch {
        // Not back yet: the next attempt waits longer.
        this.#socket?.close();
      }
    }
  }

  #take<Schema extends z.ZodMiniType>(schema: Schema, payload: unknown, use: (value: z.output<Schema>) => void): void {
    if (!this.#options.strict) return use(payload as z.output<Schema>);
    const parsed = schema.safeParse(payload);
    if (parsed.success) return use(parsed.data);
    this.book.violations.push(`a payload breaks the contract: ${z.prettifyError(parsed.error).slice(0, 300)}`);
  }

  #snapshot(snapshot: StockSnapshot): void {
    this.#resyncing = false;
    this.#lastFrame = snapshot.frame;
    this.book.snapshot(snapshot);
  }

  #levels(levels: StockLevels): void {
    this.frames += 1;
    this.#lastFrame = levels.frame;
    if (this.frames % ackEveryFrames === 0) this.#acknowledge();
    if (!this.book.frame(levels)) void this.#resync(0);
  }

  #heartbeat(heartbeat: StockHeartbeat): void {
    // A frame may be on its way: look again after a moment that differs between clients.
    if (this.book.behind(heartbeat)) void this.#resync(100 + 200 * this.#options.random(), heartbeat);
  }

  async #resync(afterMs: number, heartbeat?: StockHeartbeat): Promise<void> {
    if (this.#resyncing) return;
    this.#resyncing = true;
    await delay(afterMs);
    if (this.#stopped || (heartbeat !== undefined && !this.book.behind(heartbeat))) {
      this.#resyncing = false;
      return;
    }
    this.resyncs += 1;
    const { epoch, upTo } = this.book;
    try {
      await this.#socket?.ask('stock:resync', {
        livestreamId: this.#options.livestreamId,
        ...(upTo < 0 ? {} : { resume: { epoch, upTo } }),
      });
    } catch {
      // The socket went away; the reconnect brings a snapshot.
    } finally {
      this.#resyncing = false;
    }
  }

  #acknowledge(): void {
    if (this.#lastFrame <= this.#ackedFrame) return;
    this.#ackedFrame = this.#lastFrame;
    this.#socket?.emit('stock:ack', { livestreamId: this.#options.livestreamId, frame: this.#lastFrame });
  }
}

/** Whether an acknowledgement is `{ok: true, …}`. */
export const okOf = (answer: unknown): boolean =>
  typeof answer === 'object' && answer !== null && 'ok' in answer && answer.ok === true;
