import { createReadStream } from 'node:fs';
import { parse } from 'csv-parse';
import { UnusableFile } from './order-file.ts';

/** Descriptions of the wanted SKUs, from a csv with the columns sku and description. A SKU that is not in it has no title. */
export async function readTitles(path: string, wanted: ReadonlySet<string>): Promise<ReadonlyMap<string, string>> {
  const titles = new Map<string, string>();
  const parser = createReadStream(path)
    .on('error', (error) => parser.destroy(error))
    .pipe(parse({ bom: true, columns: true, relax_column_count: true }));
  try {
    for await (const record of parser) {
      const { sku, description } = record as { sku?: string; description?: string };
      if (sku === undefined || description === undefined)
        throw new UnusableFile(`${path}: expected the header sku,description`);
      if (wanted.has(sku) && description.trim() !== '') titles.set(sku, description.trim());
    }
  } catch (error) {
    if (error instanceof UnusableFile) throw error;
    throw new UnusableFile(`${path} cannot be read: ${error instanceof Error ? error.message : String(error)}`, {
      cause: error,
    });
  }
  return titles;
}
