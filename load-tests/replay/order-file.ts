import { createReadStream } from 'node:fs';
import { open } from 'node:fs/promises';
import { PassThrough, pipeline, type Readable } from 'node:stream';
import { createGunzip } from 'node:zlib';
import { parse } from 'csv-parse/sync';

/** One line of an order file, as it is: quantities may be negative, the customer may be empty. */
export type OrderLine = {
  /** Of the file, from 1; the header is line 1. */
  readonly lineNumber: number;
  /** Milliseconds since 1970 with the file's clock read as UTC: only differences and days matter. */
  readonly atMs: number;
  /** YYYY-MM-DD. */
  readonly day: string;
  readonly invoice: string;
  readonly sku: string;
  readonly quantity: number;
  /** Hundredths of the file's currency. */
  readonly priceMinor: number;
  readonly customer: string;
};

/** A line that cannot be used; it is skipped and counted. */
export type Problem = { readonly lineNumber: number; readonly column: string; readonly message: string };

export type Parsed =
  | { readonly kind: 'line'; readonly line: OrderLine }
  | { readonly kind: 'problem'; readonly problem: Problem };

/** The file as a whole cannot be used: missing, not gzip, or without the right header. */
export class UnusableFile extends Error {
  override readonly name = 'UnusableFile';
}

const columns = ['ts', 'invoice', 'sku', 'qty', 'price', 'customer'] as const;
type Column = (typeof columns)[number];
const timePattern = /^(\d{4}-\d{2}-\d{2})T(\d{2}:\d{2}(:\d{2})?)$/;
/** One line of an order has a hundred characters; what is longer is no order file, and must not fill the memory. */
const lineLengthMax = 16_384;

/**
 * Reads an order file line by line, gzip or plain (decided by its first bytes, not by its name), in constant memory.
 * Throws `UnusableFile`; a single bad line is a `problem` and reading goes on. A record is one line of the file, so that a quote that
 * is never closed costs its own line and not the rest of the file.
 */
export async function* readOrderFile(path: string): AsyncGenerator<Parsed> {
  const source = (await isGzip(path)) ? createGunzip() : new PassThrough();
  const file = createReadStream(path);
  // Hands a failure of the file on to the stream that is read.
  pipeline(file, source, () => {});
  source.setEncoding('utf8');
  let positions: ReadonlyMap<Column, number> | null = null;
  let lineNumber = 0;
  try {
    for await (const text of physicalLines(source)) {
      lineNumber += 1;
      if (text.trim() === '') continue;
      const record = fieldsOf(text);
      if (positions === null) positions = positionsOf(record ?? [text]);
      else if (record === null) yield problemOf(lineNumber, '', 'has a quote in the wrong place');
      else yield parseRecord(record, lineNumber, positions);
    }
  } catch (error) {
    if (error instanceof UnusableFile) throw error;
    throw new UnusableFile(`${path} cannot be read after line ${lineNumber}: ${messageOf(error)}`, { cause: error });
  } finally {
    file.destroy();
  }
  if (positions === null) throw new UnusableFile(`line 1: the file is empty; expected the header ${columns.join(',')}`);
}

async function* physicalLines(source: Readable): AsyncGenerator<string> {
  let rest = '';
  for await (const chunk of source) {
    const lines = (rest + String(chunk)).split('\n');
    rest = lines.pop() ?? '';
    if (rest.length > lineLengthMax) throw new Error(`a line is longer than ${lineLengthMax} characters`);
    yield* lines;
  }
  if (rest !== '') yield rest;
}

/** null: not csv. Only a line with quotes needs the parser. */
function fieldsOf(text: string): readonly string[] | null {
  const line = text.replace(/^\uFEFF/, '').trimEnd();
  if (!line.includes('"')) return line.split(',');
  try {
    const [record = null] = parse(line, { relax_column_count: true });
    return record;
  } catch {
    return null;
  }
}

const problemOf = (lineNumber: number, column: string, message: string): Parsed => ({
  kind: 'problem',
  problem: { lineNumber, column, message },
});

function positionsOf(header: readonly string[]): ReadonlyMap<Column, number> {
  const positions = new Map<Column, number>();
  for (const column of columns) {
    const position = header.indexOf(column);
    if (position === -1)
      throw new UnusableFile(
        `line 1: the column "${column}" is missing; expected ${columns.join(',')}, found ${header.join(',').slice(0, 200)}`,
      );
    positions.set(column, position);
  }
  return positions;
}

/** Parses one record; names the first column that is wrong. */
export function parseRecord(
  record: readonly string[],
  lineNumber: number,
  positions: ReadonlyMap<Column, number>,
): Parsed {
  const text = (column: Column): string | undefined => record[positions.get(column) ?? -1]?.trim();
  const wrong = (column: Column, expected: string): Parsed => {
    const found = text(column);
    const message =
      found === undefined ? `is missing, expected ${expected}` : `is "${found.slice(0, 60)}", expected ${expected}`;
    return problemOf(lineNumber, column, message);
  };
  const time = timePattern.exec(text('ts') ?? '');
  const atMs = Date.parse(`${time?.[1]}T${time?.[2]}Z`);
  const day = time?.[1];
  // Date.parse takes 2011-02-30 for 2011-03-02 in some engines: the day must come back as it was written.
  if (day === undefined || Number.isNaN(atMs) || new Date(atMs).toISOString().slice(0, 10) !== day)
    return wrong('ts', 'a time as 2011-12-05T08:38:00');
  const invoice = text('invoice');
  if (invoice === undefined || invoice === '') return wrong('invoice', 'an invoice number');
  const sku = text('sku');
  if (sku === undefined || sku === '') return wrong('sku', 'a SKU');
  const quantity = numberOf(text('qty'));
  if (quantity === null || !Number.isSafeInteger(quantity)) return wrong('qty', 'a whole number');
  const price = numberOf(text('price'));
  if (price === null) return wrong('price', 'a number');
  const customer = text('customer');
  if (customer === undefined) return wrong('customer', 'a customer number or nothing');
  return {
    kind: 'line',
    line: { lineNumber, atMs, day, invoice, sku, quantity, priceMinor: Math.round(price * 100), customer },
  };
}

function numberOf(text: string | undefined): number | null {
  if (text === undefined || !/^-?\d+(\.\d+)?$/.test(text)) return null;
  return Number(text);
}

async function isGzip(path: string): Promise<boolean> {
  try {
    const file = await open(path);
    try {
      const { buffer, bytesRead } = await file.read(Buffer.alloc(2), 0, 2, 0);
      return bytesRead === 2 && buffer[0] === 0x1f && buffer[1] === 0x8b;
    } finally {
      await file.close();
    }
  } catch (cause) {
    throw new UnusableFile(`${path} cannot be read: ${messageOf(cause)}`, { cause });
  }
}

const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));
