import { createHash } from 'node:crypto';
import express, { type Request, type Response, type Router } from 'express';
import type { Log } from '../lib/log.ts';
import type { AcknowledgeClaims, AcknowledgeTokens } from '../notify/acknowledge-token.ts';
import type { UsedLinks } from '../notify/used-links.ts';

export type AcknowledgeLinkDeps = {
  readonly tokens: AcknowledgeTokens;
  readonly used: UsedLinks;
  /** As the alert desk does it; `conflict`: there is nothing left to acknowledge. */
  readonly acknowledge: (
    livestreamId: string,
    alertId: string,
    actor: string,
  ) => Promise<{ readonly kind: 'done' | 'conflict' | 'not_found' }>;
  readonly log: Pick<Log, 'error'>;
};

/**
 * The acknowledge links of messages, to be mounted at `/ack`. Opening one only asks: chat tools open links by themselves to show a
 * preview, and must not acknowledge anything. Pressing the button does it, once.
 */
export function acknowledgeLinkRoutes(deps: AcknowledgeLinkDeps): Router {
  const router = express.Router();
  router.get('/', async (req, res) => {
    const token = textOf(req.query['token']);
    const outcome = deps.tokens.read(token);
    if (outcome.kind !== 'valid') answer(res, outcome.kind);
    else if (await isUsed(deps, outcome.claims)) answer(res, 'used');
    else sendPage(res, 200, askPage(token, outcome.claims.alerts.length));
  });
  router.post('/', express.urlencoded({ extended: false, limit: 8_192 }), async (req: Request, res) => {
    const body: unknown = req.body;
    const token = typeof body === 'object' && body !== null && 'token' in body ? textOf(body.token) : '';
    const outcome = deps.tokens.read(token);
    answer(res, outcome.kind === 'valid' ? await acknowledgeOnce(deps, outcome.claims) : outcome.kind);
  });
  return router;
}

const textOf = (value: unknown): string => (typeof value === 'string' ? value : '');

async function isUsed({ used, log }: AcknowledgeLinkDeps, { id }: AcknowledgeClaims): Promise<boolean> {
  try {
    return await used.isUsed(id);
  } catch (error) {
    // The button finds out for certain; the page may be shown.
    log.error({ err: error }, 'whether an acknowledge link was used is not known now');
    return false;
  }
}

async function acknowledgeOnce(deps: AcknowledgeLinkDeps, claims: AcknowledgeClaims): Promise<keyof typeof answers> {
  const { used, acknowledge, log } = deps;
  try {
    if (!(await used.use(claims.id, claims.expiresAtMs))) return 'used';
    try {
      const outcomes = await Promise.all(
        claims.alerts.map(([livestreamId, alertId]) => acknowledge(livestreamId, alertId, claims.actor)),
      );
      return outcomes.some(({ kind }) => kind === 'done') ? 'done' : 'over';
    } catch (error) {
      await used.giveBack(claims.id);
      throw error;
    }
  } catch (error) {
    log.error({ err: error }, 'an acknowledge link could not be used');
    return 'failed';
  }
}

const answers = {
  done: { status: 200, zh: '已确认，处理人已记录。', en: 'Acknowledged.' },
  over: {
    status: 200,
    zh: '无需确认：告警已被确认或已解决。',
    en: 'Nothing to do: acknowledged already, or resolved.',
  },
  used: { status: 410, zh: '此链接已使用过。', en: 'This link was used before.' },
  expired: {
    status: 410,
    zh: '链接已过期，请在控制台确认。',
    en: 'This link has expired; acknowledge in the console.',
  },
  forged: { status: 404, zh: '链接无效。', en: 'This link is not valid.' },
  failed: { status: 503, zh: '暂时无法确认，请稍后重试。', en: 'This does not work now; try again shortly.' },
} as const;

function answer(res: Response, kind: keyof typeof answers): void {
  const { status, zh, en } = answers[kind];
  sendPage(res, status, page(`<p>${zh}</p><p lang="en">${en}</p><p><a href="/operator/">控制台 Console</a></p>`));
}

const style =
  'body{font:18px/1.6 system-ui,sans-serif;margin:0;padding:24px;max-width:30rem;background:#fff;color:#111}' +
  'button{font:inherit;padding:14px 24px;border:0;border-radius:8px;background:#b42318;color:#fff;width:100%}' +
  'button:focus-visible{outline:3px solid #111;outline-offset:3px}a{color:#111}' +
  '@media(prefers-color-scheme:dark){body{background:#111;color:#eee}a{color:#eee}button:focus-visible{outline-color:#eee}}';
const styleHash = createHash('sha256').update(style).digest('base64');

/** No script, nothing from elsewhere, in no frame: a page around it could make people press the button unseen. */
const contentPolicy = `default-src 'none'; style-src 'sha256-${styleHash}'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'`;

const page = (content: string): string =>
  `<!doctype html><html lang="zh-CN"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width,initial-scale=1">` +
  `<meta name="robots" content="noindex"><title>确认告警 Acknowledge</title><style>${style}</style></head><body><main>${content}</main></body></html>`;

/** The token has passed its signature, so it is base64url and a dot: safe inside an attribute. */
const askPage = (token: string, alerts: number): string =>
  page(
    `<h1>确认 ${alerts} 条告警？</h1><p lang="en">Acknowledge ${alerts} alert${alerts === 1 ? '' : 's'}?</p>` +
      `<form method="post" action="/ack"><input type="hidden" name="token" value="${token}">` +
      `<button type="submit">确认 Acknowledge</button></form>`,
  );

function sendPage(res: Response, status: number, html: string): void {
  res.setHeader('content-security-policy', contentPolicy);
  res.setHeader('referrer-policy', 'no-referrer');
  res.setHeader('cache-control', 'no-store');
  res.status(status).type('html').send(html);
}
