import { createReadStream } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { gzipSync } from 'node:zlib';
import { parse } from 'csv-parse';
import { readDays } from './day-orders.ts';
import type { OrderLine } from './order-file.ts';
import { select } from './selection.ts';

const header = 'ts,invoice,sku,qty,price,customer,country';

/** The lines of the most sold SKUs of one day, as csv text in the file's order. The country is left out: no buyer is told apart by it. */
export function trimmedCsv(lines: readonly OrderLine[], skuCount: number): string {
  const kept = new Set(select(lines, { skuCount, quantityMax: 24 }).skus.map(({ sku }) => sku));
  const rows = lines
    .filter(({ sku }) => kept.has(sku))
    .map(({ atMs, invoice, sku, quantity, priceMinor, customer }) =>
      [
        new Date(atMs).toISOString().slice(0, 19),
        invoice,
        sku,
        quantity,
        (priceMinor / 100).toString(),
        customer,
        '',
      ].join(','),
    );
  return `${[header, ...rows].join('\n')}\n`;
}

async function trim(): Promise<void> {
  const { values } = parseArgs({
    options: {
      file: { type: 'string' },
      day: { type: 'string', default: '2011-12-05' },
      skus: { type: 'string', default: '40' },
      'skus-file': { type: 'string' },
      out: { type: 'string' },
      'titles-out': { type: 'string' },
    },
  });
  const { file, day, skus, out } = values;
  if (file === undefined || out === undefined)
    throw new Error('trim needs --file <orders.csv.gz> and --out <trimmed.csv.gz>');
  const { lines } = await readDays(file, [day]);
  const csv = trimmedCsv(lines, Number(skus));
  // No time and no name in the gzip header: the same input gives the same bytes.
  await writeFile(out, gzipSync(csv, { level: 9 }));
  const { 'skus-file': titles, 'titles-out': titlesOut } = values;
  if (titles !== undefined && titlesOut !== undefined) {
    const kept = new Set(
      csv
        .split('\n')
        .slice(1)
        .map((row) => row.split(',')[2]),
    );
    const rows: string[] = [];
    for await (const record of createReadStream(titles).pipe(parse({ columns: true }))) {
      const { sku, description } = record as { sku: string; description: string };
      if (kept.has(sku)) rows.push(`${sku},"${description.trim().replace(/\s+/g, ' ').replaceAll('"', '""')}"`);
    }
    await writeFile(titlesOut, `${['sku,description', ...rows].join('\n')}\n`);
  }
  console.log(`${csv.split('\n').length - 2} lines written to ${out}`);
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await trim();
