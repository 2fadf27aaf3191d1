import type { Notice } from '../notice.ts';
import { refused } from '../outcome.ts';
import { clean, cutCharacters, numbersOf, tierWord } from '../texts.ts';
import type { PhoneProvider, TemplateValues } from './phone-provider.ts';
import type { Sender } from './sender.ts';

const noNumber = refused('nobody to call: neither the person nor the channel has a phone number');
const noProvider = refused('no provider for phones: set ALIYUN_ACCESS_KEY_ID and ALIYUN_ACCESS_KEY_SECRET');

export function createSms(provider: PhoneProvider | null): Sender {
  return async (notice, { settings, recipient }, signal) => {
    if (provider === null) return noProvider;
    if (recipient === '') return noNumber;
    const { signName = '', template = '' } = settings;
    return provider.sendText(
      { phone: recipient, signName, template, values: valuesOf(notice, 35), outId: outIdOf(notice) },
      signal,
    );
  };
}

export function createVoice(provider: PhoneProvider | null): Sender {
  return async (notice, { settings, recipient }, signal) => {
    if (provider === null) return noProvider;
    if (recipient === '') return noNumber;
    const { template = '', shownNumber = '' } = settings;
    return provider.call(
      { phone: recipient, template, values: valuesOf(notice, 60), shownNumber, outId: outIdOf(notice) },
      signal,
    );
  };
}

const outIdOf = (notice: Notice): string => notice.noticeId.slice(0, 15);

/**
 * `level`, `item`, `detail` and `count` of the template, as in “${level}告警：${item}，${detail}，共${count}条”. Carriers refuse links
 * and cut long values, so there is no acknowledge link here: the call wakes somebody, the console does the rest.
 */
export function valuesOf(notice: Notice, charactersMax: number): TemplateValues {
  const [first] = notice.lines;
  const cut = (text: string): string => cutCharacters(clean(text), charactersMax);
  return {
    level: tierWord(notice.tier),
    item: cut(first?.itemTitle.zh ?? '测试'),
    detail: cut(first === undefined ? '测试' : numbersOf(first).zh || '请查看控制台'),
    count: String(notice.lines.length + notice.more),
  };
}
