import type { Logger } from 'pino';
import { type WireError, wireError } from '../../contract/errors.ts';
import { clientEvents } from '../../contract/events.ts';
import { knownError } from '../http/api-answer.ts';
import { parseWith } from '../http/request.ts';
import type { Clock } from '../lib/clock.ts';
import type { ClientEventHandlers, ClientEventName } from './client-event-handlers.ts';
import type { ClientSession } from './client-session.ts';
import { JoinedAnswer } from './packets.ts';

/** What an event costs of the socket's rate: a join makes the server write a snapshot. */
const costs: Readonly<Partial<Record<ClientEventName, number>>> = { 'livestream:join': 4, 'stock:resync': 4 };

type Acknowledge = (answer: object) => void;

/**
 * The one way from an event to its handler: rate, schema, handler, exactly one acknowledgement. Nothing that a client sends throws
 * further than here. Returns a listener for `socket.onAny`.
 */
export function dispatcher(parts: { handlers: ClientEventHandlers; clock: Clock; log: Logger }) {
  const { handlers, clock, log } = parts;

  const answer = async (session: ClientSession, name: ClientEventName, input: unknown): Promise<object> => {
    const payload = parseWith(clientEvents[name].payload, input);
    // The table pairs each payload with its handler; the compiler cannot follow the name through both.
    const handler = handlers[name] as (session: ClientSession, payload: unknown) => Promise<object>;
    return handler(session, payload);
  };

  return async (session: ClientSession, event: unknown, args: readonly unknown[]): Promise<void> => {
    const acknowledge = acknowledgementOf(args);
    const input = acknowledge !== null && args.length === 1 ? undefined : args[0];
    const nowMs = clock.now();
    if (!isClientEvent(event)) {
      if (!session.admits('event', 1, nowMs)) refuseForRate(session, acknowledge, nowMs);
      else
        acknowledge?.(refusal(wireError('bad_request', { issues: [{ path: '', message: 'there is no such event' }] })));
      return;
    }
    if (!session.admits(event === 'order:place' ? 'order' : 'event', costs[event] ?? 1, nowMs)) {
      refuseForRate(session, acknowledge, nowMs);
      return;
    }
    session.inFlight += 1;
    try {
      // Not inside the optional call: that would not even run the handler for a client that wants no answer.
      const answered = await answer(session, event, input);
      acknowledge?.(answered instanceof JoinedAnswer ? answered : { ok: true, ...answered });
    } catch (thrown) {
      const known = knownError(thrown);
      if (known === null) log.error({ err: thrown, event }, 'an event of a socket failed');
      acknowledge?.(refusal(known ?? wireError('internal')));
    } finally {
      session.inFlight -= 1;
    }
  };
}

const isClientEvent = (event: unknown): event is ClientEventName =>
  typeof event === 'string' && Object.hasOwn(clientEvents, event);

const refusal = (error: WireError): object => ({ ok: false, error });

/** A callback comes last; a client that wants no answer sends none. */
function acknowledgementOf(args: readonly unknown[]): Acknowledge | null {
  const last = args.at(-1);
  return typeof last === 'function' ? (last as Acknowledge) : null;
}

function refuseForRate(session: ClientSession, acknowledge: Acknowledge | null, nowMs: number): void {
  acknowledge?.(refusal(wireError('rate_limited')));
  if (session.strike(nowMs)) session.socket.disconnect(true);
}
