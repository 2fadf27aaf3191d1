import * as z from 'zod/mini';

/** Identifier of anything on the wire: always a string (shop platforms use 19 digits), never with a space, brace or colon. */
export const Id = z
  .string()
  .check(z.regex(/^[A-Za-z0-9_.-]{1,64}$/, 'an id has 1 to 64 characters of A-Z a-z 0-9 _ . -'));

/** Chosen by the buyer's client and kept before it sends: a retry with the same key has one effect and one answer (I4). */
export const IdempotencyKey = z
  .string()
  .check(z.regex(/^[A-Za-z0-9_.-]{8,64}$/, 'an idempotency key has 8 to 64 characters of A-Z a-z 0-9 _ . -'));

/** Units of one SKU in one order, 1…9,999. */
export const QUANTITY_MAX = 9_999;
export const Quantity = z.int().check(z.minimum(1), z.maximum(QUANTITY_MAX));

/** A count of units, 0…1,000,000,000. */
export const Count = z.int().check(z.minimum(0), z.maximum(1_000_000_000));

/** Price of one unit, in integer minor units (fen, cents) of a currency named beside it. */
export const UnitPriceMinor = z.int().check(z.minimum(0), z.maximum(40_000_000_000));

/** Money in integer minor units. The dearest order that is possible (20 SKUs × 9,999 × the highest price) fits, and stays an exact number. */
export const AmountMinor = z.int().check(z.minimum(0), z.maximum(8_000_000_000_000_000));

/** ISO 4217 code. */
export const Currency = z.string().check(z.regex(/^[A-Z]{3}$/, 'a currency is three capital letters, as CNY'));

/** Milliseconds since 1970-01-01T00:00Z. */
export const InstantMs = z.int().check(z.minimum(0));

/** Chinese first, English beside it. */
export const Text = z.object({
  zh: z.string().check(z.minLength(1), z.maxLength(200)),
  en: z.string().check(z.minLength(1), z.maxLength(200)),
});
export type Text = z.infer<typeof Text>;

/** Versions of levels are ordered by (epoch, version): V1 of the order protocol. */
export const Epoch = z.int().check(z.minimum(0));
export const Version = z.int().check(z.minimum(0));
