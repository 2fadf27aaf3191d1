import type { Clock } from '../lib/clock.ts';
import type { Metrics } from '../metrics/metrics.ts';
import type { GateFollower } from './gate-follower.ts';
import type { LedgerOrder, OrderLedger } from './order-ledger.ts';

const batchMax = 500;

type Deps = {
  readonly ledger: Pick<OrderLedger, 'expireDue'>;
  readonly follower: Pick<GateFollower, 'release'>;
  readonly onOrderChanged: (order: LedgerOrder) => void;
  readonly metrics: Pick<Metrics, 'holdExpiryLagSeconds'>;
  readonly clock: Clock;
};

/**
 * One round of A1: orders due by PostgreSQL's clock expire in the ledger, then their units are free at the gate. Runs on every node, at
 * least every 250 ms; SKIP LOCKED keeps nodes out of each other's way, so each order expires exactly once (I6).
 */
export async function sweepExpired({ ledger, follower, onOrderChanged, metrics, clock }: Deps): Promise<void> {
  for (;;) {
    const transitions = await ledger.expireDue(batchMax);
    await Promise.all(
      transitions.map(async ({ rid, livestreamId, order }) => {
        await follower.release(livestreamId, { rid, unbind: false });
        metrics.holdExpiryLagSeconds.observe(Math.max(0, clock.now() - order.expiresAtMs) / 1_000);
        onOrderChanged(order);
      }),
    );
    if (transitions.length < batchMax) return;
  }
}
