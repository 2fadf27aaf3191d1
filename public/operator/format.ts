import { type Language, localeOf } from '../lib/languages.ts';

const none = '—';
const numberFormats = new Map<string, Intl.NumberFormat>();

export function formatCount(count: number | null | undefined, language: Language): string {
  return count === null || count === undefined ? none : numberFormat(language, 0).format(count);
}

/** Units a minute: one decimal below ten, none above. */
export function formatRate(perMinute: number | null, language: Language): string {
  if (perMinute === null) return none;
  return numberFormat(language, perMinute < 10 ? 1 : 0).format(perMinute);
}

/** How long from now, short enough for a column: `4:05`, `2:10:00`, `3d`. Zero or less is `0:00`. */
export function formatSpan(spanMs: number | null): string {
  if (spanMs === null) return none;
  const seconds = Math.max(0, Math.round(spanMs / 1_000));
  const minutes = Math.floor(seconds / 60);
  const hours = Math.floor(minutes / 60);
  if (hours >= 48) return `${Math.floor(hours / 24)}d`;
  if (hours > 0) return `${hours}:${two(minutes % 60)}:${two(seconds % 60)}`;
  return `${minutes}:${two(seconds % 60)}`;
}

const ages: Record<Language, readonly [seconds: string, minutes: string, hours: string]> = {
  zh: [' 秒', ' 分钟', ' 小时'],
  en: [' s', ' min', ' h'],
};

/** Age of an alert in the largest whole unit: `12 s`, `5 min`, `3 h`. */
export function formatAge(ageMs: number, language: Language): string {
  const [inSeconds, inMinutes, inHours] = ages[language];
  const seconds = Math.max(0, Math.floor(ageMs / 1_000));
  if (seconds < 60) return `${seconds}${inSeconds}`;
  if (seconds < 3_600) return `${Math.floor(seconds / 60)}${inMinutes}`;
  return `${Math.floor(seconds / 3_600)}${inHours}`;
}

/** Seconds since the last frame, with one decimal; never more than 999. */
export const formatLag = (ageMs: number): string => `${Math.min(999, Math.max(0, ageMs / 1_000)).toFixed(1)} s`;

export function formatTime(atMs: number, language: Language): string {
  return new Intl.DateTimeFormat(localeOf[language], { timeStyle: 'medium', hour12: false }).format(atMs);
}

export function formatMoment(atMs: number, language: Language): string {
  const format = { month: 'numeric', day: 'numeric', hour: '2-digit', minute: '2-digit', second: '2-digit' } as const;
  return new Intl.DateTimeFormat(localeOf[language], { ...format, hour12: false }).format(atMs);
}

/** `?? 42–60`: a range as it can honestly be said; a missing upper end is open. */
export function formatRange(low: number, high: number | null, language: Language): string {
  const [from, to] = [formatCount(Math.round(low), language), high === null ? '∞' : Math.round(high)];
  if (to === '∞') return `${from}–∞`;
  return from === formatCount(to as number, language) ? from : `${from}–${formatCount(to as number, language)}`;
}

function numberFormat(language: Language, digits: number): Intl.NumberFormat {
  const name = `${language} ${digits}`;
  const known = numberFormats.get(name);
  if (known !== undefined) return known;
  const fixed = { minimumFractionDigits: digits, maximumFractionDigits: digits };
  const made = new Intl.NumberFormat(localeOf[language], fixed);
  numberFormats.set(name, made);
  return made;
}

const two = (number: number): string => String(number).padStart(2, '0');
