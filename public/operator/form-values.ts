/** What somebody wrote into a field, as a value; undefined: it is none. */
export function countOf(text: string, { min = 0, max = 1_000_000_000 } = {}): number | undefined {
  const trimmed = text.trim();
  if (!/^\d{1,10}$/.test(trimmed)) return undefined;
  const count = Number(trimmed);
  return count >= min && count <= max ? count : undefined;
}

/** An empty field means “no limit”. */
export function limitOf(text: string): number | null | undefined {
  return text.trim() === '' ? null : countOf(text, { min: 1, max: 9_999 });
}

/** Minor units of a price in major ones: `99.9` CNY is 9990. Never rounds: more digits than the currency has are a mistake. */
export function minorOf(text: string, currency: string): number | undefined {
  const digits = digitsOf(currency);
  const match = /^(\d{1,10})(?:\.(\d*))?$/.exec(text.trim().replace('。', '.'));
  if (match === null) return undefined;
  const [, whole = '', fraction = ''] = match;
  if (fraction.length > digits) return undefined;
  return Number(whole) * 10 ** digits + Number(fraction.padEnd(digits, '0') || '0');
}

/** The same price as a field shows it. */
export function majorText(amountMinor: number, currency: string): string {
  const digits = digitsOf(currency);
  return (amountMinor / 10 ** digits).toFixed(digits);
}

export function digitsOf(currency: string): number {
  try {
    return new Intl.NumberFormat('en', { style: 'currency', currency }).resolvedOptions().maximumFractionDigits ?? 2;
  } catch {
    return 2;
  }
}

/** A `datetime-local` field's value, in the reader's time zone; undefined: no moment. */
export function momentOf(text: string): number | undefined {
  const atMs = text === '' ? Number.NaN : new Date(text).getTime();
  return Number.isFinite(atMs) && atMs >= 0 ? atMs : undefined;
}

export function momentText(atMs: number | null): string {
  if (atMs === null || atMs === 0) return '';
  const at = new Date(atMs);
  const day = `${at.getFullYear()}-${two(at.getMonth() + 1)}-${two(at.getDate())}`;
  return `${day}T${two(at.getHours())}:${two(at.getMinutes())}`;
}

const two = (number: number): string => String(number).padStart(2, '0');

export const isId = (text: string): boolean => /^[A-Za-z0-9_.-]{1,64}$/.test(text);

/** Bounds of a display in bands, as `1, 10, 100`; undefined: not ascending, or not numbers. */
export function boundsOf(text: string): number[] | undefined {
  const bounds = text.split(/[,，\s]+/).filter((part) => part !== '');
  const counts = bounds.map((part) => countOf(part, { min: 1 }));
  if (counts.length === 0 || counts.length > 8) return undefined;
  if (!counts.every((count, at) => count !== undefined && count > (counts[at - 1] ?? 0))) return undefined;
  return counts as number[];
}
