/** How one attempt ended, in terms of what to do next. */
export type SendOutcome =
  | { readonly kind: 'sent' }
  /** Again later, with growing pauses. */
  | { readonly kind: 'retry'; readonly reason: string }
  /** The provider says when: nothing goes to this channel before. */
  | { readonly kind: 'throttled'; readonly forMs: number; readonly reason: string }
  /** Repeating would not help: a person has to change something. */
  | { readonly kind: 'refused'; readonly reason: string };

export const sent: SendOutcome = { kind: 'sent' };
export const retry = (reason: string): SendOutcome => ({ kind: 'retry', reason });
export const refused = (reason: string): SendOutcome => ({ kind: 'refused', reason });
export const throttled = (forMs: number, reason: string): SendOutcome => ({ kind: 'throttled', forMs, reason });
