/** A price in the reader's way, from integer minor units; the digits are the currency's own (JPY 0, CNY 2, KWD 3). */
export function formatPrice(amountMinor: number, currency: string, locale: string): string {
  const format = formatOf(currency, locale);
  const digits = format.resolvedOptions().maximumFractionDigits ?? 2;
  return format.format(amountMinor / 10 ** digits);
}

const formats = new Map<string, Intl.NumberFormat>();

function formatOf(currency: string, locale: string): Intl.NumberFormat {
  const name = `${locale} ${currency}`;
  const known = formats.get(name);
  if (known !== undefined) return known;
  // The narrow symbol keeps "CN¥" out of English pages whose only currency is the yuan.
  const made = new Intl.NumberFormat(locale, { style: 'currency', currency, currencyDisplay: 'narrowSymbol' });
  formats.set(name, made);
  return made;
}
