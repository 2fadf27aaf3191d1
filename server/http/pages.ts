import { existsSync } from 'node:fs';
import { join, sep } from 'node:path';
import compression from 'compression';
import express, { type RequestHandler, type Response, type Router } from 'express';
import helmet from 'helmet';
import { corsHeaders } from './api-answer.ts';

/** A browser's Host header, safe to be put into a header of ours. */
const hostPattern = /^[a-z0-9.-]+(:\d{1,5})?$|^\[[0-9a-f:]+\](:\d{1,5})?$/i;

/** Headers of pages: scripts, styles and sockets from this server only; a shop's own pages may embed ours, nobody else. */
export function pageHeaders(options: {
  readonly publicUrl: string | null;
  readonly allowedOrigins: readonly string[];
}): RequestHandler {
  const secure = options.publicUrl?.startsWith('https:') ?? false;
  return helmet({
    contentSecurityPolicy: {
      useDefaults: false,
      directives: {
        defaultSrc: ["'self'"],
        scriptSrc: ["'self'"],
        styleSrc: ["'self'"],
        imgSrc: ["'self'", 'data:', 'https:'],
        fontSrc: ["'self'"],
        // 'self' covers sockets in today's browsers; older ones want the scheme spelt out.
        connectSrc: ["'self'", (req) => socketSources(req.headers.host)],
        objectSrc: ["'none'"],
        baseUri: ["'none'"],
        formAction: ["'self'"],
        frameAncestors: ["'self'", ...options.allowedOrigins],
        ...(secure ? { upgradeInsecureRequests: [] } : {}),
      },
    },
    // Same-origin requests keep their Origin, other sites learn nothing.
    referrerPolicy: { policy: 'same-origin' },
    // Over plain http (a phone in the same network) browsers ignore these with a warning each.
    strictTransportSecurity: secure ? { maxAge: 31_536_000 } : false,
    crossOriginOpenerPolicy: secure,
    originAgentCluster: secure,
    // frame-ancestors decides; the older header cannot name the shop's origins.
    frameguard: options.allowedOrigins.length === 0 ? { action: 'sameorigin' } : false,
    crossOriginResourcePolicy: { policy: options.allowedOrigins.length === 0 ? 'same-origin' : 'cross-origin' },
  });
}

/** For pages whose address carries a token: not even this server hears where a request came from. */
export const noReferrer: RequestHandler = (_req, res, next) => {
  res.setHeader('Referrer-Policy', 'no-referrer');
  next();
};

function socketSources(host: string | undefined): string {
  return host !== undefined && hostPattern.test(host) ? `ws://${host} wss://${host}` : "'self'";
}

/** The built pages and the demo's pictures. Files whose name carries a hash never change; pages are asked for anew each time. */
export function pageRoutes(
  folders: { readonly pages: string; readonly demoAssets: string },
  allowedOrigins: readonly string[],
): Router {
  const router = express.Router();
  const isBuilt = existsSync(join(folders.pages, 'index.html'));
  router.use(compression({ threshold: 1_024 }));
  router.use('/assets/demo', express.static(folders.demoAssets, { maxAge: '1h', index: false, fallthrough: true }));
  router.use('/client', forOtherPages(allowedOrigins));
  router.use(express.static(folders.pages, { setHeaders: cacheHeaders }));
  router.use((req, res, next) => {
    if (req.method !== 'GET' || !req.accepts('html')) {
      next();
      return;
    }
    res
      .status(404)
      .type('html')
      .send(isBuilt ? notFoundPage('') : notFoundPage(notBuilt));
  });
  return router;
}

/** The client library: a module script of another origin is fetched with CORS. */
function forOtherPages(allowedOrigins: readonly string[]): RequestHandler {
  return (req, res, next) => {
    res.set(corsHeaders(req.headers.origin, allowedOrigins));
    next();
  };
}

const hashedName = /-[\w-]{8,}\.\w+$/;

function cacheHeaders(res: Response, path: string): void {
  const hashed = path.includes(`${sep}assets${sep}`) && hashedName.test(path);
  const policy = hashed
    ? 'public, max-age=31536000, immutable'
    : path.endsWith('.html') || path.includes(`${sep}client${sep}`)
      ? 'no-cache'
      : 'public, max-age=3600';
  res.setHeader('Cache-Control', policy);
}

/** Only an engineer can meet this one. */
const notBuilt =
  '<p><small>页面尚未构建：<code>npm run build</code>. <span lang="en">The pages are not built yet: <code>npm run build</code>.</span></small></p>\n';

const notFoundPage = (note: string): string => `<!doctype html>
<html lang="zh-CN">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>没有这个页面 · No such page</title>
<link rel="stylesheet" href="/docs/style.css">
<main>
<h1>没有这个页面 <small lang="en">No such page</small></h1>
<p><a href="/">返回首页 <span lang="en">Back to the entrance</span></a></p>
${note}</main>
</html>
`;
