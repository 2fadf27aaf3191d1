import { parseArgs } from 'node:util';

export type Options = {
  readonly file: string;
  readonly url: string;
  readonly token: string;
  readonly days: readonly string[];
  readonly skuCount: number;
  readonly skusFile: string | null;
  readonly speed: number;
  readonly stockShare: number;
  /** null: the replay creates one of its own with a fresh name. */
  readonly livestreamId: string | null;
  readonly seed: number;
  readonly pay: number;
  readonly cancel: number;
  readonly paymentSecret: string | null;
  readonly via: 'http' | 'socket' | 'mixed';
  readonly viewers: number;
  readonly holdMs: number;
  readonly concurrency: number;
  readonly attemptsMax: number;
  readonly quantityMax: number;
  readonly json: boolean;
  readonly demo: boolean;
};

/** The command line is wrong: the message lists every mistake. */
export class BadOptions extends Error {
  override readonly name = 'BadOptions';
}

export const usage = `Replays a real order file as a livestream, as many buyers, through the public API.

  npm run replay -- --file <orders.csv[.gz]> [options]
  npm run replay -- --demo --livestream demo

  --file <path>           order file with the columns ts,invoice,sku,qty,price,customer
  --url <address>         server; default http://127.0.0.1:3000
  --token <token>         admin or service token; default: environment variable STOCKCAST_TOKEN
  --day <day[,day]>       YYYY-MM-DD; default: the busiest day of the file
  --skus <n>              the most sold SKUs of these days; default 20
  --skus-file <path>      csv with sku,description: titles of the items
  --speed <factor>        600 = ten minutes in a second; 0 = as fast as possible; default 600
  --stock <share>         units on sale as a share of the demand; default 0.8
  --livestream <id>       name of the livestream that is created; default replay-<day>-<time>
  --seed <n>              repeats a run's chances; default 1
  --pay <share>           share of accepted orders that is paid; default 0.9
  --cancel <share>        share that is cancelled by its buyer; the rest expires; default 0.05
  --payment-secret <s>    signs payment callbacks (whsec_…); default: environment variable
                          PAYMENT_WEBHOOK_SECRET, else the server's simulated payment page
  --via http|socket|mixed how orders are sent; default mixed
  --viewers <n>           clients that watch, beside one operator; default 2
  --hold-ms <ms>          how long an unpaid order keeps its units; default 15000
  --concurrency <n>       orders in flight at once; default 64
  --attempts <n>          attempts of an order while the server asks to retry; default 6
  --quantity-max <n>      larger quantities are lowered to this; default 24
  --json                  the report as JSON on standard output, everything else on standard error
  --demo                  order on the items of a livestream that exists: its first item gets the most
                          wanted SKU of the day, and so on, round and round; 1 to 3 units each;
                          defaults: speed 90, 120 SKUs, no watching clients, no audit

Exit code 0: replayed and the audit is clean · 1: the audit found something · 2: it could not run.`;

const flags = {
  file: { type: 'string' },
  url: { type: 'string' },
  token: { type: 'string' },
  day: { type: 'string' },
  skus: { type: 'string' },
  'skus-file': { type: 'string' },
  speed: { type: 'string' },
  stock: { type: 'string' },
  livestream: { type: 'string' },
  seed: { type: 'string' },
  pay: { type: 'string' },
  cancel: { type: 'string' },
  'payment-secret': { type: 'string' },
  via: { type: 'string' },
  viewers: { type: 'string' },
  'hold-ms': { type: 'string' },
  concurrency: { type: 'string' },
  attempts: { type: 'string' },
  'quantity-max': { type: 'string' },
  json: { type: 'boolean' },
  demo: { type: 'boolean' },
} as const;

type NumberRange = { readonly fallback: number; readonly min: number; readonly max: number; readonly whole?: boolean };

/** Reads the command line; `demoFile` is what `--demo` replays without `--file`. Throws `BadOptions` with every mistake. */
export function parseOptions(
  args: readonly string[],
  environment: Record<string, string | undefined>,
  demoFile: string,
): Options {
  const mistakes: string[] = [];
  let values: Partial<Record<keyof typeof flags, string | boolean>> = {};
  try {
    values = parseArgs({ args: [...args], options: flags, strict: true, allowPositionals: false }).values;
  } catch (error) {
    throw new BadOptions(error instanceof Error ? error.message : String(error), { cause: error });
  }
  const text = (name: keyof typeof flags): string | null => {
    const value = values[name];
    return typeof value === 'string' && value !== '' ? value : null;
  };
  const number = (name: keyof typeof flags, { fallback, min, max, whole = false }: NumberRange): number => {
    const given = text(name);
    if (given === null) return fallback;
    const value = Number(given);
    if (Number.isFinite(value) && value >= min && value <= max && (!whole || Number.isInteger(value))) return value;
    mistakes.push(`--${name} must be a ${whole ? 'whole ' : ''}number from ${min} to ${max}, not "${given}"`);
    return fallback;
  };
  const demo = values.demo === true;
  const days = (text('day') ?? '').split(',').filter((day) => day !== '');
  for (const day of days) if (!/^\d{4}-\d{2}-\d{2}$/.test(day)) mistakes.push(`--day must be YYYY-MM-DD, not "${day}"`);
  const file = text('file') ?? (demo ? demoFile : null);
  if (file === null) mistakes.push('--file is missing: which order file shall be replayed?');
  const token = text('token') ?? environment['STOCKCAST_TOKEN'] ?? null;
  if (token === null) mistakes.push('--token is missing: an admin or service token, or set STOCKCAST_TOKEN');
  const livestreamId = text('livestream');
  if (livestreamId !== null && !/^[A-Za-z0-9_.-]{1,64}$/.test(livestreamId))
    mistakes.push('--livestream has 1 to 64 characters of A-Z a-z 0-9 _ . -');
  if (demo && livestreamId === null) mistakes.push('--demo needs --livestream <id>: whose items shall be bought?');
  const url = text('url') ?? 'http://127.0.0.1:3000';
  if (!/^https?:\/\//.test(url) || !URL.canParse(url))
    mistakes.push(`--url must begin with http:// or https://, not "${url}"`);
  const via = text('via') ?? 'mixed';
  if (via !== 'http' && via !== 'socket' && via !== 'mixed')
    mistakes.push(`--via must be http, socket or mixed, not "${via}"`);
  const share = { min: 0, max: 1 };
  const options: Options = {
    file: file ?? '',
    url,
    token: token ?? '',
    days,
    skuCount: number('skus', { fallback: demo ? 120 : 20, min: 1, max: 1_000, whole: true }),
    skusFile: text('skus-file'),
    speed: number('speed', { fallback: demo ? 90 : 600, min: 0, max: 1_000_000 }),
    stockShare: number('stock', { fallback: 0.8, min: 0.001, max: 100 }),
    livestreamId,
    seed: number('seed', { fallback: 1, min: 0, max: 4_294_967_295, whole: true }),
    pay: number('pay', { fallback: 0.9, ...share }),
    cancel: number('cancel', { fallback: 0.05, ...share }),
    paymentSecret: text('payment-secret') ?? environment['PAYMENT_WEBHOOK_SECRET'] ?? null,
    via: via === 'http' || via === 'socket' ? via : 'mixed',
    viewers: number('viewers', { fallback: demo ? 0 : 2, min: 0, max: 2_000, whole: true }),
    holdMs: number('hold-ms', { fallback: 15_000, min: 1_000, max: 86_400_000, whole: true }),
    concurrency: number('concurrency', { fallback: 64, min: 1, max: 5_000, whole: true }),
    attemptsMax: number('attempts', { fallback: 6, min: 1, max: 20, whole: true }),
    quantityMax: number('quantity-max', { fallback: 24, min: 1, max: 9_999, whole: true }),
    json: values.json === true,
    demo,
  };
  if (options.pay + options.cancel > 1) mistakes.push('--pay and --cancel together must not exceed 1');
  if (mistakes.length > 0) throw new BadOptions(mistakes.join('\n'));
  return options;
}
