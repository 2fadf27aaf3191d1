import { API_PREFIX } from '../../../contract/routes.ts';
import { type SendRequest, Unanswered } from '../../lib/api-client.ts';
import { delay } from '../../lib/limiter.ts';
import { signedHeaders } from '../../lib/payment.ts';
import type { Show } from '../show.ts';
import { between, choose, type World } from './world.ts';

type Attempt = { readonly what: string; readonly request: SendRequest };

/** Somebody who tries what their token does not permit, whatever is broken at the moment (I8). */
export async function probe(world: World): Promise<void> {
  const { random, over, history, now } = world;
  while (!over.aborted) {
    await delay(between(random, 150, 500), over);
    const [mine, other] = [choose(random, world.shows), choose(random, world.shows)];
    if (mine === other) continue;
    const { what, request } = choose(random, attempts(world, mine, other));
    const door = choose(random, world.doors);
    const atMs = now();
    try {
      const { status, text } = await door.api.send(request);
      history.probes.push({ what, node: door.name, atMs, status, text: text.slice(0, 300) });
    } catch (error) {
      if (!(error instanceof Unanswered)) throw error;
      history.probes.push({ what, node: door.name, atMs, status: null, text: error.message });
    }
  }
}

function attempts({ random, now }: World, mine: Show, other: Show): Attempt[] {
  const viewer = choose(random, mine.buyers).token;
  const item = choose(random, other.items).skuId;
  const order = { idempotencyKey: `probe-${Math.floor(random() * 1e9)}`, lines: [{ skuId: item, quantity: 1 }] };
  const paid = JSON.stringify({
    type: 'payment.succeeded',
    timestamp: new Date(now()).toISOString(),
    data: { paymentId: 'probe', orderId: 'probe', amountMinor: 1, currency: 'CNY' },
  });
  const forged = signedHeaders('whsec_bm90IHRoZSBzZWNyZXQgb2YgdGhpcyBzaG9w', { id: 'probe', atMs: now(), body: paid });
  return [
    { what: 'a viewer lists all orders', request: { method: 'GET', path: `${paths(mine)}/orders`, token: viewer } },
    { what: 'a viewer reads the audit', request: { method: 'GET', path: `${paths(mine)}/audit`, token: viewer } },
    { what: 'a viewer reads full levels', request: { method: 'GET', path: `${paths(mine)}/levels`, token: viewer } },
    {
      what: 'a viewer allots',
      request: json('PUT', `${paths(mine)}/items/${choose(random, mine.items).skuId}/allotment`, viewer, {
        allotted: 999_999,
        reason: 'probe',
      }),
    },
    { what: 'a buyer orders in another livestream', request: json('POST', `${paths(other)}/orders`, viewer, order) },
    {
      what: 'an operator reads another audit',
      request: { method: 'GET', path: `${paths(other)}/audit`, token: mine.operatorToken },
    },
    {
      what: "an operator stops another's sale",
      request: json('POST', `${paths(other)}/items/${item}/sale`, mine.operatorToken, { action: 'stop' }),
    },
    { what: 'nobody orders', request: json('POST', `${paths(other)}/orders`, undefined, order) },
    {
      what: 'a forged token orders',
      request: json('POST', `${paths(other)}/orders`, `${viewer.slice(0, -4)}AAAA`, order),
    },
    {
      what: 'a forged callback pays',
      request: { method: 'POST', path: `${API_PREFIX}/payments/callback`, body: paid, headers: forged },
    },
  ];
}

const paths = ({ livestreamId }: Show): string => `${API_PREFIX}/livestreams/${livestreamId}`;

const json = (method: string, path: string, token: string | undefined, body: object): SendRequest => ({
  method,
  path,
  token,
  body: JSON.stringify(body),
});
