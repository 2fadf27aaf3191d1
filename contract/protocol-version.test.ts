import { createHash } from 'node:crypto';
import { expect, test } from 'vitest';
import * as z from 'zod/mini';
import { errorCodes, errorTable, refusalCodes, WireError } from './errors.ts';
import { clientEvents, serverEvents } from './events.ts';
import { itemStatuses } from './levels.ts';
import { PROTOCOL_VERSION } from './protocol-version.ts';
import { API_PREFIX, type Route, routes } from './routes.ts';

/**
 * The wire as it is in this version. When this test fails, the wire has changed: raise PROTOCOL_VERSION where a client of the version
 * before would misunderstand (a field removed or of another meaning, a narrower input), and write the new pair here.
 */
const pinned = { version: 2, fingerprint: '39eeb7dd72fac46e52c3345f1e4778dc' };

const shape = (schema: z.ZodMiniType, io: 'input' | 'output'): unknown => z.toJSONSchema(schema, { io });

/** Everything that two sides of the wire have to agree on, and nothing that only people read. */
function wire(): unknown {
  const rest = (Object.entries(routes) as [string, Route][]).map(([name, route]) => ({
    name,
    method: route.method,
    path: API_PREFIX + route.path,
    access: route.access,
    status: route.status,
    body: route.body && shape(route.body, 'input'),
    query: route.query && shape(route.query, 'input'),
    answer: shape(route.answer, 'output'),
    errors: route.errors,
  }));
  const fromServer = Object.entries(serverEvents).map(([name, schema]) => ({ name, payload: shape(schema, 'output') }));
  const fromClient = Object.entries(clientEvents).map(([name, { payload, answer }]) => ({
    name,
    payload: shape(payload, 'input'),
    answer: shape(answer, 'output'),
  }));
  const errors = errorCodes.map((code) => [code, errorTable[code].status, errorTable[code].action]);
  return { rest, fromServer, fromClient, errors, refusalCodes, itemStatuses, error: shape(WireError, 'output') };
}

test('[PR-1] the wire is the one of this protocol version', () => {
  const fingerprint = createHash('sha256').update(JSON.stringify(wire())).digest('hex').slice(0, 32);
  expect({ version: PROTOCOL_VERSION, fingerprint }).toEqual(pinned);
});
