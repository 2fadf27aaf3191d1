import type { Lease } from '../db/lease.ts';
import type { Clock } from '../lib/clock.ts';
import type { Aftermath } from './alert-aftermath.ts';
import type { AlertBook } from './alert-book.ts';
import type { AlertChange, AlertStore, Due, StoredAlert } from './prisma-alert-store.ts';

type Deps = {
  readonly store: AlertStore;
  readonly aftermath: Aftermath;
  readonly clock: Clock;
  readonly lease: Pick<Lease, 'isHeld'>;
  readonly bookOf: (livestreamId: string) => Promise<AlertBook>;
  readonly changed: (alert: StoredAlert) => void;
  readonly report: (error: unknown, alertId: string) => void;
};

const notes: Record<Due['kind'], string> = {
  claimed: 'taken over',
  escalated: 'not acknowledged in time',
  unacknowledged: 'no action for a while',
  unsilenced: 'silence is over',
  ended: 'livestream ended',
};

/**
 * What time asks for: the next person, the end of a silence or of a forgotten acknowledgement, messages that a dead node owed, alerts of an
 * ended livestream. The node that holds the lease runs it; each step is a conditional change, so that two would do it once (AL-9).
 */
export async function runAlertRound(deps: Deps): Promise<void> {
  for (const due of await deps.store.due(deps.clock.now())) {
    if (!deps.lease.isHeld()) return;
    try {
      await settle(deps, due);
    } catch (error) {
      deps.report(error, due.alert.alertId);
    }
  }
}

async function settle({ store, aftermath, clock, bookOf, changed }: Deps, { kind, alert }: Due): Promise<void> {
  const { alertId, livestreamId } = alert;
  const request = { alertId, livestreamId, atMs: clock.now(), actor: 'rule', note: notes[kind] };
  const [own, ...muting] = await store.change(request, changeOf(kind, alert));
  for (const other of muting) changed(other.alert);
  if (own?.outcome !== 'done') return;
  if (kind === 'ended') return changed(own.alert);
  const book = await bookOf(livestreamId);
  book.keep(own.alert);
  await (kind === 'claimed' ? aftermath.takenUp(book, own.alert) : aftermath.reminded(book, own.alert));
}

function changeOf(kind: Due['kind'], alert: StoredAlert): AlertChange {
  switch (kind) {
    case 'ended':
      return { kind: 'resolved' };
    case 'escalated':
      return { kind, step: alert.escalation };
    case 'unacknowledged':
      return { kind, forgotten: true };
    case 'claimed':
    case 'unsilenced':
      return { kind };
  }
}
