import type { ErrorAction, ErrorCode } from '../../contract/errors.ts';
import type { Order, OrderState, PaymentOutcome } from '../../contract/orders.ts';

/**
 * What clients did and what they were told, with the moments of asking and hearing by the clients' own clock. Nothing in here was read
 * from inside the product. A request without an answer may or may not have had its effect.
 */
export type Exchange<Answer> = {
  readonly node: string;
  readonly invokedAtMs: number;
  /** Of the answer, or of the moment in which the client stopped waiting. */
  readonly returnedAtMs: number;
  readonly outcome:
    | ({ readonly kind: 'done' } & Answer)
    | {
        readonly kind: 'refused';
        readonly code: ErrorCode;
        readonly action: ErrorAction;
        readonly skuId: string | null;
      }
    | { readonly kind: 'unanswered'; readonly reason: string };
};

/** One order that a buyer wants, under one idempotency key, however often it was sent and to which nodes. */
export type Intent = {
  readonly livestreamId: string;
  readonly key: string;
  readonly buyerId: string;
  readonly deviceId: string | null;
  readonly lines: readonly { readonly skuId: string; readonly quantity: number }[];
  readonly exchanges: Exchange<{ readonly answer: 'accepted' | 'duplicate'; readonly order: Order }>[];
};

/** One cancellation or refund, repeated until it was answered for good. */
export type Ending = {
  readonly kind: 'cancel' | 'refund';
  readonly livestreamId: string;
  readonly orderId: string;
  readonly exchanges: Exchange<{ readonly state: OrderState }>[];
};

export type Payment = {
  readonly livestreamId: string;
  readonly orderId: string;
  readonly paymentId: string;
  readonly amountMinor: number;
  readonly exchanges: Exchange<{ readonly outcome: PaymentOutcome['outcome'] }>[];
};

/** An absolute number of units that an operator gave to the livestream. */
export type Allotment = {
  readonly livestreamId: string;
  readonly skuId: string;
  readonly allotted: number;
  readonly exchanges: Exchange<object>[];
};

/** What the gate and the ledger said of one item in one answer of the audit route. */
export type Reading = {
  readonly livestreamId: string;
  readonly skuId: string;
  readonly node: string;
  readonly invokedAtMs: number;
  readonly returnedAtMs: number;
  readonly epoch: number;
  readonly allotted: number;
  readonly gate: {
    readonly allotted: number;
    readonly held: number;
    readonly sold: number;
    readonly available: number;
  } | null;
  readonly ledger: {
    readonly held: number;
    readonly sold: number;
    readonly heldByOrders: number;
    readonly soldByOrders: number;
  };
};

/** An attempt to do what the token does not permit. */
export type Probe = {
  readonly what: string;
  readonly node: string;
  readonly atMs: number;
  readonly status: number | null;
  readonly text: string;
};

/** From the moment in which something was broken to the moment in which it was whole again. */
export type FaultWindow = { readonly kind: string; readonly beganAtMs: number; healedAtMs: number };

export class History {
  readonly intents: Intent[] = [];
  readonly endings: Ending[] = [];
  readonly payments: Payment[] = [];
  readonly allotments: Allotment[] = [];
  readonly readings: Reading[] = [];
  readonly probes: Probe[] = [];
  readonly faults: FaultWindow[] = [];
}

type Answered<Answer> = Exchange<Answer> & { readonly outcome: { readonly kind: 'done' } & Answer };

export const isDone = <Answer>(exchange: Exchange<Answer>): exchange is Answered<Answer> =>
  exchange.outcome.kind === 'done';

/** Nobody knows whether it took effect: no answer came, or one that says: ask again. */
export const isOpen = <Answer>({ outcome }: Exchange<Answer>): boolean =>
  outcome.kind === 'unanswered' || (outcome.kind === 'refused' && outcome.action === 'retry');

/** The first answer that says it was done. */
export const doneOf = <Answer>(exchanges: readonly Exchange<Answer>[]): Answered<Answer> | undefined =>
  exchanges.find(isDone);

export const firstInvokeOf = (exchanges: readonly Exchange<unknown>[]): number =>
  exchanges[0]?.invokedAtMs ?? Number.POSITIVE_INFINITY;

export const lastReturnOf = (exchanges: readonly Exchange<unknown>[]): number => exchanges.at(-1)?.returnedAtMs ?? 0;

export function groupBy<Value>(values: readonly Value[], nameOf: (value: Value) => string): Map<string, Value[]> {
  const groups = new Map<string, Value[]>();
  for (const value of values) {
    const name = nameOf(value);
    const group = groups.get(name);
    if (group === undefined) groups.set(name, [value]);
    else group.push(value);
  }
  return groups;
}
