import type { Exchange, Intent } from '../history.ts';

/** Something that must never happen, with the smallest piece of history that shows it. */
export type Violation = {
  /** Which check found it. */
  readonly check: string;
  /** What it breaks, as I1 or V1. */
  readonly rule: string;
  readonly text: string;
  readonly evidence: readonly string[];
};

/** Moments in evidence are told from here on, so that they are short and can be compared with the faults. */
let originMs = 0;

/** Called once when the torture begins. */
export const tellMomentsFrom = (atMs: number): void => {
  originMs = atMs;
};

export const momentText = (atMs: number): string =>
  Number.isFinite(atMs) ? `${((atMs - originMs) / 1_000).toFixed(3)}s` : 'never';

export function exchangeText({ node, invokedAtMs, returnedAtMs, outcome }: Exchange<object>): string {
  const { kind, ...rest } = outcome;
  const told = kind === 'unanswered' ? `no answer (${outcome.reason})` : `${kind} ${JSON.stringify(rest)}`;
  return `${momentText(invokedAtMs)}–${momentText(returnedAtMs)} ${node}: ${told.slice(0, 400)}`;
}

export function intentLines(intent: Intent): string[] {
  const lines = intent.lines.map(({ skuId, quantity }) => `${quantity} × ${skuId}`).join(', ');
  return [
    `${intent.livestreamId} ${intent.buyerId} ${intent.key}: ${lines}`,
    ...intent.exchanges.map((one) => `  ${exchangeText(one)}`),
  ];
}
