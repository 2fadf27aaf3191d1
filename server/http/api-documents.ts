import { createHash } from 'node:crypto';
import compression from 'compression';
import express, { type RequestHandler, type Router } from 'express';
import { asyncApiDocument } from './documents/asyncapi.ts';
import { eventsPage } from './documents/events-page.ts';
import { styleSheet } from './documents/html.ts';
import { indexPage } from './documents/index-page.ts';
import { openApiDocument } from './documents/openapi.ts';
import { restPage } from './documents/rest-page.ts';

/**
 * The documents of the API: `json` below the API's prefix, `pages` below `/docs`. All texts come from the contract, so they cannot tell
 * of another API than the one that answers; each is made once, at its first request, and kept.
 */
export function apiDocuments(options: { readonly publicUrl: string | null }): {
  readonly json: Router;
  readonly pages: Router;
} {
  const { publicUrl } = options;
  const origin = publicUrl ?? 'http://localhost:3000';
  const json = express.Router();
  json.get(
    '/openapi.json',
    serve('application/json', () => JSON.stringify(openApiDocument(publicUrl))),
  );
  json.get(
    '/asyncapi.json',
    serve('application/json', () => JSON.stringify(asyncApiDocument(publicUrl))),
  );

  const pages = express.Router();
  pages.use(compression({ threshold: 1_024 }));
  pages.get('/', serve('text/html', indexPage));
  pages.get(
    '/rest',
    serve('text/html', () => restPage(openApiDocument(publicUrl), origin)),
  );
  pages.get(
    '/events',
    serve('text/html', () => eventsPage(asyncApiDocument(publicUrl), origin)),
  );
  pages.get(
    '/style.css',
    serve('text/css', () => styleSheet),
  );
  return { json, pages };
}

function serve(type: string, make: () => string): RequestHandler {
  let made: { readonly text: string; readonly etag: string } | undefined;
  return (_req, res) => {
    if (made === undefined) {
      const text = make();
      made = { text, etag: `"${createHash('sha256').update(text).digest('base64url').slice(0, 22)}"` };
    }
    res.set({ 'cache-control': 'no-cache', etag: made.etag, 'content-type': `${type}; charset=utf-8` });
    res.send(made.text);
  };
}
