import type { Logger } from 'pino';
import type { Alert, AlertEvent, AlertTier, Person } from '../../contract/alerts.ts';
import type { Text } from '../../contract/primitives.ts';
import type { Clock } from '../lib/clock.ts';
import type { Notifier } from '../notify/notifier.ts';
import type { CurveMarkers } from '../pace/curve-markers.ts';
import type { AlertBook } from './alert-book.ts';
import type { AlertStore, StoredAlert } from './prisma-alert-store.ts';
import { recipientsAt } from './rules/recipients.ts';
import { highest } from './rules/tiers.ts';
import type { StopSale } from './stop-sale.ts';

export type AftermathDeps = {
  readonly store: AlertStore;
  readonly notifier: Pick<Notifier, 'notify' | 'onCall'>;
  readonly markers: CurveMarkers;
  /** `alert:state` to the operators of every node. */
  readonly emit: (alert: Alert) => void;
  readonly stopSale: StopSale;
  /** People who are not on call, for assignments. */
  readonly personOf: (personId: string) => Promise<Person | null>;
  readonly clock: Clock;
  readonly log: Logger;
};

export type Aftermath = ReturnType<typeof createAftermath>;

type Done = Omit<AlertEvent, 'atMs'>;

/**
 * What follows a raise or an escalation: the event to the operators first, then stop of the sale, messages and marker side by side. The
 * lease that the database gave is ended when all is under way; if this node dies before, another one does it again (AL-14): a message
 * may come twice, and never not at all.
 */
export function createAftermath(deps: AftermathDeps) {
  const { store, notifier, clock, log } = deps;

  async function stopIfAsked(book: AlertBook, alert: StoredAlert): Promise<Done[]> {
    if (alert.basis !== 'consumption' || alert.tier !== 'red' || book.picture(alert.skuId).plan.redPolicy !== 'stop')
      return [];
    const refusal = await deps.stopSale(alert.livestreamId, alert.skuId, summaryOf(alert).zh);
    if (refusal === null) return [{ kind: 'response', actor: 'rule', note: stoppedNote }];
    return [{ kind: 'response', actor: 'rule', note: `sale not stopped: ${refusal.message.en}` }];
  }

  async function tell(book: AlertBook, alert: StoredAlert, only: Person | null): Promise<Done[]> {
    if (only === null && (alert.muted || alert.silencedUntilMs !== null)) return [];
    const onCall = await notifier.onCall(alert.livestreamId);
    const assignee = alert.assignedTo === null ? null : await personOf(alert.assignedTo, onCall);
    const everyChannel = alert.tier === 'red' || book.picture(alert.skuId).plan.core;
    const to =
      only === null
        ? recipientsAt(alert.escalation, { onCall, assignee, everyChannel })
        : { people: [only], everyChannel };
    notifier.notify({
      alert: wireAlert(alert),
      itemTitle: book.item(alert.skuId)?.title ?? { zh: alert.skuId, en: alert.skuId },
      livestreamTitle: book.info?.title ?? { zh: alert.livestreamId, en: alert.livestreamId },
      ...to,
    });
    const names = to.people.map(({ name }) => name).join(', ');
    return [{ kind: 'notified', actor: 'rule', note: names === '' ? 'every enabled channel' : names }];
  }

  async function personOf(personId: string, onCall: readonly Person[]): Promise<Person | null> {
    return onCall.find((person) => person.personId === personId) ?? (await deps.personOf(personId));
  }

  async function finish(book: AlertBook, alert: StoredAlert, stops: boolean): Promise<void> {
    // Past its time it is another node's, and this process was stopped for a while (AL-14).
    if (alert.dueAtMs === null || alert.dueAtMs <= clock.now()) return;
    const [stopped, told] = await Promise.all([stops ? stopIfAsked(book, alert) : [], tell(book, alert, null)]);
    await store.finish(alert, clock.now(), [...stopped, ...told]);
  }

  return {
    personOf: async (livestreamId: string, personId: string) => personOf(personId, await notifier.onCall(livestreamId)),

    /** Never rejects: what fails is done again when its lease is over. */
    async raised(book: AlertBook, alert: StoredAlert, won: readonly AlertTier[]): Promise<void> {
      deps.emit(wireAlert(alert));
      try {
        const marker = {
          atMs: clock.now(),
          skuId: alert.skuId,
          kind: 'alert' as const,
          tier: highest(won),
          text: summaryOf(alert),
          internal: true,
        };
        await Promise.all([finish(book, alert, won.includes('red')), deps.markers.add(alert.livestreamId, marker)]);
      } catch (error) {
        log.warn({ err: error, alertId: alert.alertId }, 'what an alert asks for could not be done; it is tried again');
      }
    },

    /** After an escalation or the end of an acknowledgement or a silence. */
    async reminded(book: AlertBook, alert: StoredAlert): Promise<void> {
      deps.emit(wireAlert(alert));
      await finish(book, alert, false);
    },

    /** A lease is over: whoever had it died or failed on the way. */
    async takenUp(book: AlertBook, alert: StoredAlert): Promise<void> {
      deps.emit(wireAlert(alert));
      const events = await store.events(alert.alertId);
      const stopped = events.some(({ atMs, note }) => atMs >= alert.tierRaisedAtMs && note === stoppedNote);
      await finish(book, alert, !stopped);
    },

    /** A message to one person, beside the escalation. */
    async assigned(book: AlertBook, alert: StoredAlert, person: Person): Promise<void> {
      if (alert.state !== 'resolved') await tell(book, alert, person);
    },
  };
}

const stoppedNote = 'sale stopped';

/** As it travels: what the desk keeps beside it stays here. */
export function wireAlert({ dueAtMs: _due, ...alert }: StoredAlert): Alert {
  return alert;
}

const summaryOf = ({ reasons, skuId }: Alert): Text => reasons[0] ?? { zh: skuId, en: skuId };
