import type { Alert } from '../../contract/alerts.ts';
import type { Answer } from '../lib/http-api.ts';
import { textIn } from '../lib/languages.ts';
import type { Console } from './store.ts';

const at = ({ livestreamId, alertId }: Alert) => ({ livestreamId, alertId });

/** Puts the answer in at once, without waiting for the socket; an error is said, and the alert stays as it is. */
async function take(console: Console, work: Promise<Answer<{ alert: Alert }>>): Promise<boolean> {
  const answer = await work;
  if (answer.ok) console.putAlert(answer.value.alert);
  else {
    const { message, code } = answer.error;
    console.say(`${textIn(console.language.peek(), message)} ${console.words.peek().advice[code]}`, 'bad');
    // Somebody else may have been faster.
    void console.refreshAlerts();
  }
  return answer.ok;
}

export const acknowledge = (console: Console, alert: Alert, note: string): Promise<boolean> =>
  take(console, console.api('acknowledgeAlert', at(alert), { body: { note } }));
export const unacknowledge = (console: Console, alert: Alert): Promise<boolean> =>
  take(console, console.api('unacknowledgeAlert', at(alert)));
export const silence = (console: Console, alert: Alert, minutes: number): Promise<boolean> =>
  take(console, console.api('silenceAlert', at(alert), { body: { minutes } }));
export const assign = (console: Console, alert: Alert, personId: string | null): Promise<boolean> =>
  take(console, console.api('assignAlert', at(alert), { body: { personId } }));
export const resolve = (console: Console, alert: Alert): Promise<boolean> =>
  take(console, console.api('resolveAlert', at(alert)));
