import type { ChannelKind } from '../../contract/alerts.ts';
import type { Clock } from '../lib/clock.ts';
import { type AliyunKeys, createAliyunPhone } from './channels/aliyun.ts';
import { createDingtalk } from './channels/dingtalk.ts';
import { createEmail } from './channels/email.ts';
import { createFeishu } from './channels/feishu.ts';
import { createSms, createVoice } from './channels/phone.ts';
import type { PhoneProvider } from './channels/phone-provider.ts';
import type { Sender } from './channels/sender.ts';
import { createWebPush, type Subscriptions } from './channels/web-push.ts';
import { createWebhook } from './channels/webhook.ts';
import { createWecom } from './channels/wecom.ts';
import type { GuardedRequest } from './guarded-request.ts';
import type { VapidKeys } from './vapid-keys.ts';

/** One sender for each kind; a new kind does not compile until it has one. */
export function createSenders(deps: {
  readonly request: GuardedRequest;
  readonly clock: Clock;
  readonly aliyun: AliyunKeys | null;
  readonly vapid: VapidKeys;
  readonly subscriptions: Subscriptions;
  /** Another provider than Aliyun. */
  readonly phone?: PhoneProvider;
}): Record<ChannelKind, Sender> {
  const { request, clock, aliyun } = deps;
  const phone = deps.phone ?? (aliyun === null ? null : createAliyunPhone({ keys: aliyun, request, clock }));
  return {
    dingtalk: createDingtalk({ request, clock }),
    feishu: createFeishu({ request, clock }),
    wecom: createWecom({ request }),
    webhook: createWebhook({ request, clock }),
    email: createEmail({ request }),
    sms: createSms(phone),
    voice: createVoice(phone),
    web_push: createWebPush(deps),
  };
}
