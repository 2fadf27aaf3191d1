import { afterEach, describe, expect, test } from 'vitest';
import { errorCodes } from '../../contract/errors.ts';
import { clientEvents, serverEvents } from '../../contract/events.ts';
import { API_PREFIX, type Route, routes } from '../../contract/routes.ts';
import { asyncApiDocument } from './documents/asyncapi.ts';
import { escape } from './documents/html.ts';
import { codesOf, openApiDocument } from './documents/openapi.ts';
import { bodyOf, send, startTestServer, type TestServer } from './http-test-kit.ts';

/** Every `$ref` in a document, wherever it stands. */
function referencesIn(value: unknown): string[] {
  if (typeof value !== 'object' || value === null) return [];
  return Object.entries(value).flatMap(([key, inner]) =>
    key === '$ref' && typeof inner === 'string' ? [inner] : referencesIn(inner),
  );
}

function resolve(document: unknown, reference: string): unknown {
  const steps = reference.replace(/^#\//, '').split('/');
  let at: unknown = document;
  for (const step of steps)
    at = typeof at === 'object' && at !== null ? (at as Record<string, unknown>)[step] : undefined;
  return at;
}

const all = Object.entries(routes) as [string, Route][];

describe('OpenAPI', () => {
  const document = openApiDocument(null);
  const operations = document.paths as Record<string, Record<string, Operation>>;
  type Operation = {
    operationId: string;
    summary: string;
    security: Record<string, unknown>[];
    parameters: { name: string; in: string }[];
    requestBody?: unknown;
    responses: Record<string, { 'x-codes'?: string[]; content: Record<string, { schema: unknown }> }>;
  };

  test('[PR-7] every route is in the document once, with its parameters, body, answer, errors and access', () => {
    expect(Object.values(operations).flatMap(Object.keys)).toHaveLength(all.length);
    for (const [name, route] of all) {
      const operation = operations[route.path.replaceAll(/:(\w+)/g, '{$1}')]?.[route.method];
      expect(operation?.operationId).toBe(name);
      if (operation === undefined) continue;
      expect(operation.summary).toBe(`${route.summary.zh} · ${route.summary.en}`);
      const inPath = [...route.path.matchAll(/:(\w+)/g)].map(([, parameter]) => parameter);
      expect(operation.parameters.filter((each) => each.in === 'path').map((each) => each.name)).toEqual(inPath);
      expect(operation.requestBody === undefined).toBe(route.body === undefined);
      expect(operation.responses[route.status]?.content['application/json']?.schema).toBeDefined();
      const documented = Object.values(operation.responses).flatMap((response) => response['x-codes'] ?? []);
      expect(documented.toSorted()).toEqual([...codesOf(name, route)].toSorted());
      expect(operation.security.length === 0).toBe(route.access === 'open');
    }
  });

  test('[PR-7] every code of the contract is documented somewhere, or belongs to the socket or to the edges', () => {
    const documented = new Set(all.flatMap(([name, route]) => codesOf(name, route)));
    const elsewhere = errorCodes.filter((code) => !documented.has(code));
    expect(elsewhere).toEqual(['protocol_mismatch']);
  });

  test('[PR-7] all references resolve, and no schema is the empty one', () => {
    const references = referencesIn(document);
    expect(references.length).toBeGreaterThan(40);
    for (const reference of references) expect(resolve(document, reference), reference).toBeDefined();
    expect(JSON.stringify(document)).not.toContain('$defs');
    for (const [name, schema] of Object.entries(document.components.schemas)) {
      expect(Object.keys(schema), name).not.toHaveLength(0);
    }
  });

  test('[PR-7] a client may leave out what has a default, and is promised it in answers', () => {
    const create = operations['/livestreams']?.['post']?.requestBody as {
      content: {
        'application/json': { schema: { required: string[]; properties: { holdTtlMs: { default: number } } } };
      };
    };
    expect(create.content['application/json'].schema.required).toEqual(['livestreamId', 'title']);
    expect(create.content['application/json'].schema.properties.holdTtlMs.default).toBe(600_000);
  });
});

describe('AsyncAPI', () => {
  const document = asyncApiDocument('https://live.shop.example');

  test('[PR-8] every event is in the document, with its payload, and a reply where it is acknowledged', () => {
    const sent = Object.values(document.components.messages).map((message) => message['name']);
    const expected = [...Object.keys(serverEvents), ...Object.keys(clientEvents)];
    for (const event of expected) expect(sent).toContain(event);
    expect(Object.keys(document.operations)).toHaveLength(expected.length);
    for (const event of Object.keys(clientEvents)) {
      const operation = document.operations[`receive_${event.replace(':', '_')}`];
      expect(operation).toMatchObject({ action: 'receive', reply: { messages: [expect.anything()] } });
    }
    expect(document.servers.socket).toMatchObject({ host: 'live.shop.example', protocol: 'wss' });
  });

  test('[PR-8] all references resolve', () => {
    const references = referencesIn(document);
    expect(references.length).toBeGreaterThan(30);
    for (const reference of references) expect(resolve(document, reference), reference).toBeDefined();
  });
});

describe('over HTTP', () => {
  let server: TestServer;
  afterEach(() => server.stop());

  test('[PR-9] both documents and the pages are served to anybody, and asked for again only when they changed', async () => {
    server = await startTestServer();
    expect(bodyOf(await send(`${server.url}${API_PREFIX}/openapi.json`)).openapi).toBe('3.1.0');
    expect(bodyOf(await send(`${server.url}${API_PREFIX}/asyncapi.json`)).asyncapi).toBe('3.0.0');
    for (const path of ['/docs', '/docs/rest', '/docs/events', '/docs/style.css', `${API_PREFIX}/openapi.json`]) {
      const first = await send(`${server.url}${path}`);
      expect([path, first.status]).toEqual([path, 200]);
      const etag = String(first.headers['etag']);
      const again = await send(`${server.url}${path}`, { headers: { 'if-none-match': etag } });
      expect([path, again.status, again.text]).toEqual([path, 304, '']);
    }
  });

  test('[PR-9] the pages name every route, event and code, in Chinese with English beside it, and load nothing from elsewhere', async () => {
    server = await startTestServer();
    const rest = (await send(`${server.url}/docs/rest`)).text;
    for (const [name, route] of all) {
      expect(rest).toContain(`<section id="${name}">`);
      expect(rest).toContain(escape(route.summary.zh));
      expect(rest).toContain(escape(route.summary.en));
    }
    for (const code of errorCodes) expect(rest).toContain(`id="error-${code}"`);
    const events = (await send(`${server.url}/docs/events`)).text;
    for (const event of [...Object.keys(serverEvents), ...Object.keys(clientEvents)]) {
      expect(events).toContain(`<code>${event}</code>`);
    }
    const index = (await send(`${server.url}/docs/`)).text;
    for (const page of [rest, events, index]) {
      expect(page).toContain('<html lang="zh-CN">');
      expect(/<script|<link[^>]+https?:|src="https?:|style="|>undefined|\[object/.exec(page)?.[0]).toBeUndefined();
      const targets = [...page.matchAll(/href="#([^"]+)"/g)].map(([, target]) => target);
      expect(targets.filter((target) => !page.includes(`id="${target}"`))).toEqual([]);
    }
  });
});
