import * as z from 'zod';
import { SaleState } from '../../../contract/levels.ts';
import { levelOf, type StoredLevel } from '../level-of.ts';
import type {
  GateHold,
  GateReading,
  GateSnapshot,
  ItemDefinition,
  ItemTerms,
  LevelChange,
  Line,
  ReserveOutcome,
  ReserveRequest,
} from '../stock-engine.ts';

/** The packed forms of `lua/prelude.lua` on this side: written from trusted values, parsed with zod. No rule about stock is in here. */

const NONE = '~';
const orNone = (value: string | number | null): string => (value === null ? NONE : token(value));

/** Ids and digests have no such characters; one that had would change the meaning of what stands beside it. */
function token(value: string | number): string {
  const text = String(value);
  if (/[\s~!]/.test(text) || text === '') throw new RangeError(`"${text}" cannot stand in a packed line`);
  return text;
}

const line = (...values: (string | number)[]): string => values.map(token).join(' ');

const linesText = (lines: readonly Line[]): string =>
  lines.map(({ skuId, quantity }) => line(skuId, quantity)).join(' ');

function termsText({ sale, opensAtMs, salePolicy, limits, rev }: ItemTerms): string {
  const threshold = salePolicy.kind === 'hold_below' ? salePolicy.threshold : 0;
  const { perOrder, perBuyer, perDevice } = limits;
  const caps = [perOrder, perBuyer, perDevice].map(orNone).join(' ');
  return `${line(sale, opensAtMs, salePolicy.kind, threshold)} ${caps} ${line(rev)}`;
}

export function requestText(request: ReserveRequest, lines: readonly Line[]): string {
  const { rid, key, bodyHash, buyerId, deviceId, reacquires } = request;
  const who = `${token(buyerId)} ${orNone(deviceId)}`;
  return `${token(rid)} ${orNone(key)} ${token(bodyHash)} ${who} ${orNone(reacquires)} ${linesText(lines)}`;
}

export const ridText = (rid: string): string => token(rid);
export const pairText = (rid: string, value: number): string => line(rid, value);

export function itemText({ skuId, pool, terms }: ItemDefinition): string {
  return `${line(skuId, pool.rev, pool.allotted, pool.returned)} ${termsText(terms)}`;
}

/** The four texts of a snapshot, one entry a line. */
export function snapshotTexts(snapshot: GateSnapshot): { items: string; holds: string; counted: string; keys: string } {
  const keyOfRid = new Map(snapshot.keys.map(({ rid, key }) => [rid, key]));
  const items = snapshot.items.map(
    ({ skuId, pool, terms, sold }) =>
      `${line(skuId, pool.rev, pool.allotted, pool.returned, sold)} ${termsText(terms)}`,
  );
  const holds = snapshot.holds.map(({ rid, state, takes, leaseEndsAtMs, buyerId, deviceId, lines }) => {
    const key = orNone(keyOfRid.get(rid) ?? null);
    return `${line(rid, state, takes, leaseEndsAtMs, buyerId)} ${orNone(deviceId)} ${key} ${NONE} ${linesText(lines)}`;
  });
  const counted = snapshot.counted.map(
    ({ skuId, buyerId, deviceId, quantity }) => `${line(skuId, buyerId)} ${orNone(deviceId)} ${line(quantity)}`,
  );
  const keys = snapshot.keys.map(
    ({ key, rid, bodyHash, takes, state }) => `${line(key, rid, bodyHash, takes, state)} ${NONE}`,
  );
  return { items: items.join('\n'), holds: holds.join('\n'), counted: counted.join('\n'), keys: keys.join('\n') };
}

const whole = z.coerce.number().int();
const takes = z.enum(['hold', 'pay']);
const orNull = z.string().transform((text) => (text === NONE ? null : text));
const attemptState = z.enum(['pending', 'held', 'placed', 'settled', 'closed']);
const refusalKind = z.enum([
  'not_found',
  'not_open',
  'stopped',
  'limit_buyer',
  'limit_device',
  'sold_out',
  'insufficient',
]);
const Reserved = z.tuple([z.literal('reserved'), takes]);
const Known = z.tuple([z.literal('known'), z.string(), attemptState, takes]);
const Mismatch = z.tuple([z.literal('idempotency_mismatch')]);
const Refused = z.tuple([refusalKind, z.string(), orNull, orNull]);
const Outcome = z.union([Reserved, Refused, Known, Mismatch]);

export function parseOutcome(text: string, epoch: number): ReserveOutcome {
  const parts = Outcome.parse(text.split(' '));
  switch (parts[0]) {
    case 'reserved':
      return { kind: parts[0], takes: parts[1], epoch };
    case 'known':
      return { kind: parts[0], rid: parts[1], state: parts[2], takes: parts[3] };
    case 'idempotency_mismatch':
      return { kind: parts[0] };
    default: {
      const [kind, skuId, limit, counted] = parts;
      if (limit === null || counted === null) return { kind, skuId };
      return { kind, skuId, limit: whole.parse(limit), counted: whole.parse(counted) };
    }
  }
}

const Level = z.tuple([whole, whole, whole, whole, whole, whole]);
const Terms = z.tuple([SaleState, whole, z.string(), whole, orNull, orNull, orNull, whole]);
const Hold = z
  .tuple([z.enum(['pending', 'held', 'placed']), takes, whole, z.string(), orNull, orNull, orNull])
  .rest(z.string());
const HoldLines = z.array(z.tuple([z.string(), whole]));

/** Names and values in turn, without the sentinel. */
function* pairs(flat: readonly string[]): Generator<[name: string, text: string]> {
  for (let index = 0; index + 1 < flat.length; index += 2) {
    const [name, text] = [flat[index] ?? '', flat[index + 1] ?? ''];
    if (name !== '!') yield [name, text];
  }
}

export function parseItems(
  levels: readonly string[],
  terms: readonly string[],
  nowMs: number,
): GateReading['items'][number][] {
  const termsOf = new Map(pairs(terms));
  const items: GateReading['items'][number][] = [];
  for (const [skuId, text] of pairs(levels)) {
    const [allotted, held, soldEver, returned, version, poolRev] = Level.parse(text.split(' '));
    const termsParts = Terms.parse((termsOf.get(skuId) ?? '').split(' '));
    const [sale, opensAtMs, termsRev] = [termsParts[0], termsParts[1], termsParts[7]];
    const stored: StoredLevel = { skuId, version, allotted, held, soldEver, returned, sale, opensAtMs };
    items.push({ ...levelOf(stored, nowMs), poolRev, termsRev, returned });
  }
  return items;
}

export function parseHolds(flat: readonly string[]): GateHold[] {
  const holds: GateHold[] = [];
  for (const [rid, text] of pairs(flat)) {
    const [state, takes, leaseEndsAtMs, buyerId, deviceId, , , ...rest] = Hold.parse(text.split(' '));
    const lines = HoldLines.parse([...pairs(rest)]).map(([skuId, quantity]) => ({ skuId, quantity }));
    holds.push({ rid, state, takes, buyerId, deviceId, lines, leaseEndsAtMs });
  }
  return holds;
}

const Overdue = z.array(z.tuple([z.string(), z.enum(['pending', 'held', 'placed'])]));

export function parseOverdue(flat: readonly string[]): Pick<GateHold, 'rid' | 'state'>[] {
  return Overdue.parse([...pairs(flat)]).map(([rid, state]) => ({ rid, state }));
}

const Header = z.tuple([whole, whole, whole, whole, whole]);
const Row = z.tuple([z.string(), whole, whole, whole, whole, whole, SaleState, whole]);

/** What `publish` of the prelude has written; null if it was somebody else. */
export function parseChange(text: string): LevelChange | null {
  const [headerText = '', ...rowTexts] = text.split('\n');
  const header = Header.safeParse(headerText.split(' '));
  const rows = z.array(Row).safeParse(rowTexts.map((row) => row.split(' ')));
  if (!header.success || !rows.success) return null;
  const [epoch, previousVersion, version, infoRev, nowMs] = header.data;
  return {
    epoch,
    previousVersion,
    version,
    infoRev,
    rows: rows.data.map(([skuId, version, allotted, held, soldEver, returned, sale, opensAtMs]) =>
      levelOf({ skuId, version, allotted, held, soldEver, returned, sale, opensAtMs }, nowMs),
    ),
  };
}
