import type { AlertTier } from '../../contract/alerts.ts';
import type { Notice, NoticeLine } from './notice.ts';

/** Colour, shape and word: who cannot tell the colours reads the shape, who hears the message hears the word. */
const tierMarks: Record<AlertTier, { mark: string; zh: string; en: string }> = {
  yellow: { mark: '🟡▲', zh: '黄色', en: 'YELLOW' },
  orange: { mark: '🟠◆', zh: '橙色', en: 'ORANGE' },
  red: { mark: '🔴■', zh: '红色', en: 'RED' },
};

export const tierWord = (tier: AlertTier): string => tierMarks[tier].zh;

/** One line for a title or a notification: tier, item, and how many others. */
export function titleOf(notice: Notice): string {
  const { mark, zh, en } = tierMarks[notice.tier];
  const [first] = notice.lines;
  const total = notice.lines.length + notice.more;
  const what = total > 1 ? `${total} 条告警 (${total} alerts)` : (first?.itemTitle.zh ?? '');
  return clean(`${mark} ${zh}告警 ${en} · ${what}`);
}

/** The numbers of the crossing in one sentence of each language. Facts that an alert does not have are left out. */
export function numbersOf({ basis, facts }: Pick<NoticeLine, 'basis' | 'facts'>): { zh: string; en: string } {
  const n = (name: string): number | undefined => facts[name];
  const [consumed, estimate, percent, available, line, coefficient] = [
    n('consumed'),
    n('estimate'),
    n('percent'),
    n('available'),
    n('line'),
    n('coefficient'),
  ];
  const share = percent === undefined ? '' : ` (${round(percent)}%)`;
  const used =
    consumed === undefined
      ? []
      : [
          estimate === undefined
            ? { zh: `已消耗 ${consumed} 件`, en: `${consumed} consumed` }
            : {
                zh: `已消耗 ${consumed} / 预估 ${estimate}${share}`,
                en: `${consumed} of ${estimate} consumed${share}`,
              },
        ];
  const left = available === undefined ? [] : [{ zh: `可售 ${available} 件`, en: `${available} left` }];
  const factor = coefficient === undefined ? '' : ` ×${round(coefficient)}`;
  const under =
    line === undefined || basis !== 'coverage'
      ? []
      : [{ zh: `覆盖线 ${round(line)}${factor}`, en: `coverage line ${round(line)}${factor}` }];
  const gone = basis === 'sold_out' ? [{ zh: '已售罄', en: 'sold out' }] : [];
  const parts = basis === 'coverage' ? [...left, ...under, ...used] : [...gone, ...used, ...left];
  return { zh: parts.map(({ zh }) => zh).join('，'), en: parts.map(({ en }) => en).join(', ') };
}

const round = (value: number): string => String(Math.round(value * 100) / 100);

/** One alert as paragraphs: Chinese first, English below. */
function paragraphsOf(line: NoticeLine): readonly string[] {
  const { mark, zh, en } = tierMarks[line.tier];
  const numbers = numbersOf(line);
  return [
    `${mark} ${zh} · ${line.itemTitle.zh}`,
    ...(numbers.zh === '' ? [] : [numbers.zh]),
    ...line.reasons.map((reason) => reason.zh),
    `${line.livestreamTitle.zh} · ${timeOf(line.raisedAtMs)}`,
    `${en} · ${line.itemTitle.en}${numbers.en === '' ? '' : `: ${numbers.en}`}`,
    ...line.reasons.slice(0, 1).map((reason) => reason.en),
  ].map(clean);
}

/** A digest's one line about an alert. */
function shortOf(line: NoticeLine): string {
  const { mark, zh } = tierMarks[line.tier];
  const numbers = numbersOf(line);
  return clean(`${mark} ${zh} ${line.itemTitle.zh} ${line.itemTitle.en} · ${numbers.zh} · ${numbers.en}`);
}

/** The message's paragraphs without links; `more` says how many alerts are only in the console. */
export function paragraphs(notice: Notice): readonly string[] {
  const [only] = notice.lines;
  if (only !== undefined && notice.lines.length === 1 && notice.more === 0) return paragraphsOf(only);
  const rest =
    notice.more === 0 ? [] : [`另有 ${notice.more} 条，见控制台 / ${notice.more} more are shown in the console`];
  return [...notice.lines.map(shortOf), ...rest];
}

export const linkTexts = {
  acknowledge: '确认 Acknowledge',
  console: '打开控制台 Console',
  expires: '确认链接 30 分钟内有效，仅可用一次 / works once, for 30 minutes',
} as const;

/** Plain text with its links, for mail and text messages of robots. */
export function plainText(notice: Notice): string {
  const acknowledge =
    notice.acknowledgeUrl === null
      ? []
      : [`${linkTexts.acknowledge}: ${notice.acknowledgeUrl}`, `(${linkTexts.expires})`];
  return [
    titleOf(notice),
    '',
    ...paragraphs(notice),
    '',
    ...acknowledge,
    `${linkTexts.console}: ${notice.consoleUrl}`,
  ].join('\n');
}

/**
 * Names come from people: nothing in them may become a mention (`<@all>`), a link or a heading in a chat. Fullwidth twins look the same
 * and mean nothing to any of the Markdown dialects.
 */
export const clean = (text: string): string =>
  text.replace(/[\r\n\u2028\u2029]+/g, ' ').replace(/[<>[\]*_`#\\~@|]/g, (found) => twins[found] ?? ' ');

const twins: Readonly<Record<string, string>> = {
  '<': '＜',
  '>': '＞',
  '[': '［',
  ']': '］',
  '*': '＊',
  _: '＿',
  '`': '｀',
  '#': '＃',
  '\\': '＼',
  '~': '～',
  '@': '＠',
  '|': '｜',
};

/** Cut to so many characters, with an ellipsis where something was cut. */
export function cutCharacters(text: string, charactersMax: number): string {
  const characters = Array.from(text);
  return characters.length <= charactersMax ? text : `${characters.slice(0, charactersMax - 1).join('')}…`;
}

/** Cut to so many UTF-8 bytes, between characters, with an ellipsis where something was cut. */
export function cutBytes(text: string, bytesMax: number): string {
  if (Buffer.byteLength(text) <= bytesMax) return text;
  const mark = '…';
  let bytes = Buffer.byteLength(mark);
  let kept = '';
  for (const character of text) {
    bytes += Buffer.byteLength(character);
    if (bytes > bytesMax) break;
    kept += character;
  }
  return kept + mark;
}

/** 20:15:03 in China, where the shows are; other zones see the same instant in the console. */
const timeOf = (atMs: number): string => `${clock.format(new Date(atMs))} (UTC+8)`;

const clock = new Intl.DateTimeFormat('zh-CN', {
  timeZone: 'Asia/Shanghai',
  hour12: false,
  hour: '2-digit',
  minute: '2-digit',
  second: '2-digit',
});
