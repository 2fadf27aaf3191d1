import type { Alert, Delivery, Person } from '../../contract/alerts.ts';
import type { Text } from '../../contract/primitives.ts';

/** One alert for one set of people. */
export type AlertMessage = {
  readonly alert: Alert;
  readonly itemTitle: Text;
  readonly livestreamTitle: Text;
  /** Core items and red use all channels of a person at once, others the first that works. */
  readonly everyChannel: boolean;
  /** People to reach now; empty: every enabled channel whose `minTier` the alert reaches. */
  readonly people: readonly Person[];
};

/** Sends alerts to people, outside this program. In-app messages are events to the operators' lane and not its business. */
export type Notifier = {
  /** Queues the message and returns; never rejects. A full queue folds messages of one channel into a digest, it drops none. */
  notify(message: AlertMessage): void;
  /** On call for a livestream, first first; from memory, at most some seconds old. */
  onCall(livestreamId: string): Promise<readonly Person[]>;
  deliveriesOf(alertId: string): Promise<readonly Delivery[]>;
  stop(): Promise<void>;
};
