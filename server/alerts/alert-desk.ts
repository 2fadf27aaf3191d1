import type { Alert, AlertEvent, AlertTier, ItemPlan, ItemPlanView, ReplenishmentTask } from '../../contract/alerts.ts';

export type AlertOutcome =
  | { readonly kind: 'done'; readonly alert: Alert }
  | { readonly kind: 'not_found' | 'conflict' };

/** Alerts of all livestreams: rules, life and history. */
export type AlertDesk = {
  list(livestreamId: string, state?: 'open' | 'resolved'): Promise<readonly Alert[]>;
  find(livestreamId: string, alertId: string): Promise<{ alert: Alert; events: readonly AlertEvent[] } | null>;
  acknowledge(livestreamId: string, alertId: string, actor: string, note: string): Promise<AlertOutcome>;
  unacknowledge(livestreamId: string, alertId: string, actor: string): Promise<AlertOutcome>;
  silence(livestreamId: string, alertId: string, minutes: number, actor: string): Promise<AlertOutcome>;
  assign(livestreamId: string, alertId: string, personId: string | null, actor: string): Promise<AlertOutcome>;
  resolve(livestreamId: string, alertId: string, actor: string): Promise<AlertOutcome>;
  /** Highest tier among the item's open alerts; from memory, never asks the database. */
  openTierOf(livestreamId: string, skuId: string): AlertTier | null;
  plans(livestreamId: string): Promise<{ plannedEndAtMs: number | null; items: readonly ItemPlanView[] }>;
  putPlan(livestreamId: string, skuId: string, plan: ItemPlan, actor: string): Promise<ItemPlanView | 'not_found'>;
  /** The plan as pace and curves need it; from memory, at most a second old. */
  planOf(livestreamId: string, skuId: string): ItemPlan | null;
  plannedEndAtMs(livestreamId: string): number | null;
  tasks(livestreamId: string): Promise<readonly ReplenishmentTask[]>;
};
