import type { Person } from '../../../contract/alerts.ts';

/**
 * AL-20: who is told at a step of the escalation. The person to whom the alert is assigned, then the others in their on-call order, one
 * a step; then all of them at once over every channel they have. Without anybody on call the enabled channels take their place
 * (`people` empty). `everyChannel`: core items and red do not wait for a channel to fail.
 */
export function recipientsAt(
  step: number,
  who: { readonly onCall: readonly Person[]; readonly assignee: Person | null; readonly everyChannel: boolean },
): { readonly people: readonly Person[]; readonly everyChannel: boolean } {
  const { onCall, assignee, everyChannel } = who;
  const others = onCall.filter(({ personId }) => personId !== assignee?.personId);
  const order = assignee === null ? others : [assignee, ...others];
  const person = order[step];
  if (person !== undefined) return { people: [person], everyChannel };
  return { people: order, everyChannel: everyChannel || step > 0 };
}
