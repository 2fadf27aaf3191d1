import type { ItemInfo } from '../../contract/livestreams.ts';
import { textIn } from '../lib/languages.ts';
import type { Console } from './store.ts';

export type SaleAction = 'open' | 'stop' | 'resume';

/** What one click does to the sale of an item; null: nothing can be done any more. */
export function saleActionOf({ sale }: Pick<ItemInfo, 'sale'>): SaleAction | null {
  const actions: Record<ItemInfo['sale'], SaleAction | null> = {
    not_open: 'open',
    open: 'stop',
    stopped: 'resume',
    ended: null,
  };
  return actions[sale];
}

/** Stopping takes effect at once, because seconds count, and can be undone in the message that says so. */
export async function changeSale(console: Console, skuId: string, action: SaleAction): Promise<boolean> {
  const { api, livestreamId } = console;
  const answer = await api('changeSale', { livestreamId, skuId }, { body: { action } });
  const words = console.words.peek();
  if (!answer.ok) {
    const { message, code } = answer.error;
    console.say(`${textIn(console.language.peek(), message)} ${words.advice[code]}`, 'bad');
    return false;
  }
  const said = { open: words.sale.opened, stop: words.sale.stopped, resume: words.sale.resumed }[action];
  const undo = action === 'stop' ? () => void changeSale(console, skuId, 'resume') : undefined;
  console.say(said(console.nameOf(skuId)), 'good', undo);
  return true;
}

/** Puts the item in front of viewers, or takes it away from there. */
export async function pin(console: Console, skuId: string | null): Promise<void> {
  const answer = await console.api('pinItem', { livestreamId: console.livestreamId }, { body: { skuId } });
  if (answer.ok) return;
  const { message, code } = answer.error;
  console.say(`${textIn(console.language.peek(), message)} ${console.words.peek().advice[code]}`, 'bad');
}
