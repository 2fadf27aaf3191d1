import type { Alert, AlertEvent, AlertTier, ItemPlan, ItemPlanView, ReplenishmentTask } from '../../contract/alerts.ts';
import type { Text } from '../../contract/primitives.ts';

export type AlertOutcome =
  | { readonly kind: 'done'; readonly alert: Alert }
  | { readonly kind: 'not_found' | 'conflict' };

/** One entry of the record: an operator's change, or a move of the coverage line with its reasons. */
export type PlanChange = {
  readonly atMs: number;
  readonly actor: string;
  readonly plan: ItemPlan;
  readonly reasons: readonly Text[];
};

/** What pace and curves need of a livestream's plans and alerts. */
export type AlertPicture = {
  planOf(livestreamId: string, skuId: string): ItemPlan | null;
  plannedEndAtMs(livestreamId: string): number | null;
  /** Highest tier among the item's open alerts. */
  openTierOf(livestreamId: string, skuId: string): AlertTier | null;
};

/**
 * Alerts of all livestreams: rules, life and history. As an `AlertPicture` it answers from memory, at most a second old, on the node that
 * evaluates; other nodes know nothing of it by themselves and read it with `pictureOf`.
 */
export type AlertDesk = AlertPicture & {
  list(livestreamId: string, state?: 'open' | 'resolved'): Promise<readonly Alert[]>;
  find(livestreamId: string, alertId: string): Promise<{ alert: Alert; events: readonly AlertEvent[] } | null>;
  acknowledge(livestreamId: string, alertId: string, actor: string, note: string): Promise<AlertOutcome>;
  unacknowledge(livestreamId: string, alertId: string, actor: string): Promise<AlertOutcome>;
  silence(livestreamId: string, alertId: string, minutes: number, actor: string): Promise<AlertOutcome>;
  /** `no_person`: nobody of this id is known. The person is told. */
  assign(
    livestreamId: string,
    alertId: string,
    personId: string | null,
    actor: string,
  ): Promise<AlertOutcome | { readonly kind: 'no_person' }>;
  resolve(livestreamId: string, alertId: string, actor: string): Promise<AlertOutcome>;
  plans(livestreamId: string): Promise<{ plannedEndAtMs: number | null; items: readonly ItemPlanView[] }>;
  /** On any node; as it is in the database now. */
  pictureOf(livestreamId: string): Promise<AlertPicture>;
  /** Takes effect at once on the node that evaluates, else within a second. `conflict`: the livestream has ended. */
  putPlan(
    livestreamId: string,
    skuId: string,
    plan: ItemPlan,
    actor: string,
  ): Promise<ItemPlanView | 'not_found' | 'conflict'>;
  /** False: no such livestream. */
  putPlannedEnd(livestreamId: string, plannedEndAtMs: number | null, actor: string): Promise<boolean>;
  /** Newest first. */
  planHistory(livestreamId: string, skuId: string): Promise<readonly PlanChange[]>;
  tasks(livestreamId: string): Promise<readonly ReplenishmentTask[]>;
  closeTask(
    livestreamId: string,
    taskId: string,
    close: { readonly state: 'done' | 'dropped'; readonly note: string; readonly actor: string },
  ): Promise<ReplenishmentTask | 'not_found' | 'conflict'>;
};
