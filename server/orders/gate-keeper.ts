import type { Metrics } from '../metrics/metrics.ts';
import type { StockEngine } from '../stock/stock-engine.ts';
import type { OrderLedger } from './order-ledger.ts';

/** `open`: the gate decides again · `away`: gate or ledger cannot be reached, try later · `gone`: no such livestream, or archived. */
export type KeepOutcome = 'open' | 'away' | 'gone';

export type RebuildReason = 'missing' | 'fenced' | 'epoch' | 'drift';

type Deps = {
  readonly engine: Pick<StockEngine, 'begin' | 'load'>;
  readonly ledger: Pick<OrderLedger, 'fenceAndRead' | 'revisions'>;
  /** Whether the livestream's gate ought to exist: not draft, not archived. */
  readonly ought: (livestreamId: string) => Promise<boolean>;
  readonly metrics: Pick<Metrics, 'rebuilds'>;
  readonly keyTtlMs: number;
  readonly report: {
    readonly rebuilt: (event: { livestreamId: string; reason: RebuildReason; epoch: number; tookMs: number }) => void;
    readonly failed: (event: { livestreamId: string; reason: RebuildReason; error: unknown }) => void;
  };
  readonly clock: { now(): number };
};

/** Two nodes that rebuild at once supersede each other at most this often before one has loaded. */
const attemptsMax = 4;

/**
 * Rebuilds gates from the ledger (B1–B4), single-flight per livestream on this node; several nodes at once are safe. Never rejects:
 * what fails is reported, and asked for again by the next order or by the tail.
 */
export class GateKeeper {
  readonly #deps: Deps;
  readonly #underWay = new Map<string, Promise<KeepOutcome>>();

  constructor(deps: Deps) {
    this.#deps = deps;
  }

  /** Makes sure that the gate is open, with an epoch greater than `afterEpoch` where given (a fenced append names its own). */
  ensureOpen(livestreamId: string, reason: RebuildReason, afterEpoch = -1): Promise<KeepOutcome> {
    const known = this.#underWay.get(livestreamId);
    if (known !== undefined) return known;
    const rebuild = this.#ensureOpen(livestreamId, reason, afterEpoch)
      .catch((error: unknown): KeepOutcome => {
        this.#deps.report.failed({ livestreamId, reason, error });
        return 'away';
      })
      .finally(() => this.#underWay.delete(livestreamId));
    this.#underWay.set(livestreamId, rebuild);
    return rebuild;
  }

  async #ensureOpen(livestreamId: string, reason: RebuildReason, afterEpoch: number): Promise<KeepOutcome> {
    const { engine, ledger, clock, metrics, report } = this.#deps;
    if (!(await this.#deps.ought(livestreamId))) return 'gone';
    const startedAtMs = clock.now();
    let force = reason === 'drift';
    for (let attempt = 0; attempt < attemptsMax; attempt += 1) {
      const begun = await engine.begin(livestreamId, { force });
      if (begun.kind === 'open') {
        if (begun.epoch > afterEpoch && (await this.#isCurrent(livestreamId, begun.epoch))) return 'open';
        // The ledger's history has moved on without this gate (stale promotion, restored copy): it must not decide any longer.
        force = true;
        continue;
      }
      force = false;
      const snapshot = await ledger.fenceAndRead(livestreamId, this.#deps.keyTtlMs);
      if (snapshot === null) return 'gone';
      const loaded = await engine.load(livestreamId, begun.nonce, snapshot);
      if (loaded === 'loaded') {
        metrics.rebuilds.inc({ reason });
        report.rebuilt({ livestreamId, reason, epoch: snapshot.epoch, tookMs: clock.now() - startedAtMs });
        return 'open';
      }
    }
    return 'away';
  }

  async #isCurrent(livestreamId: string, epoch: number): Promise<boolean> {
    const revisions = await this.#deps.ledger.revisions(livestreamId);
    return revisions !== null && revisions.epoch === epoch;
  }
}
