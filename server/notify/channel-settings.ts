import * as z from 'zod';
import type { ChannelKind } from '../../contract/alerts.ts';
import type { GuardedRequest } from './guarded-request.ts';

export type Settings = Readonly<Record<string, string>>;
export type SettingsOutcome =
  | { readonly kind: 'usable'; readonly settings: Settings }
  | { readonly kind: 'unusable'; readonly issues: readonly { readonly path: string; readonly message: string }[] };

/** Settings that are written and never read back. A robot's address is a secret: its token stands in it. */
export const secretFields: Record<ChannelKind, readonly string[]> = {
  dingtalk: ['url', 'secret'],
  feishu: ['url', 'secret'],
  wecom: ['url'],
  webhook: ['secret'],
  email: ['password'],
  sms: [],
  voice: [],
  web_push: [],
};

const phone = z.string().regex(/^(\+?86)?1\d{10}$|^\+?\d{6,15}$/, 'a phone number like 13800138000 or +8613800138000');
const mobiles = z
  .string()
  .regex(/^\s*\+?\d{6,15}(\s*,\s*\+?\d{6,15}){0,19}\s*$/, 'up to 20 phone numbers, separated by commas');
const flag = z.enum(['true', 'false'], 'true or false');
const filled = z.string().min(1, 'must not be empty');
const email = z.email('a mail address like ops@shop.example');
const addresses = z
  .string()
  .refine(
    (text) => text.split(',').length <= 20 && text.split(',').every((each) => email.safeParse(each.trim()).success),
    'up to 20 mail addresses, separated by commas',
  );
const sender = z
  .string()
  .refine((text) => email.safeParse(/<([^<>]+)>$/.exec(text)?.[1] ?? text).success && !/[\r\n]/.test(text), {
    message: 'a sender like alerts@shop.example or Alerts <alerts@shop.example>',
  });
const webhookSecrets = z
  .string()
  .refine(
    (text) =>
      text.split(' ').length <= 2 &&
      text
        .split(' ')
        .every(
          (each) => /^whsec_[A-Za-z0-9+/]+={0,2}$/.test(each) && Buffer.from(each.slice(6), 'base64').length >= 24,
        ),
    'whsec_ and at least 24 random bytes in base64; two of them, separated by a space, while it is changed',
  );

type Hosts = { readonly request: Pick<GuardedRequest, 'objectionTo'>; readonly privateHosts: readonly string[] };

/** A robot's address: the provider's own host (or one that the installation names), and the part that makes it a robot's. */
const robotUrl = (deps: Hosts, hosts: readonly string[], query: string | null, path: string) =>
  z.string().superRefine((text, context) => {
    const objection = deps.request.objectionTo(text);
    if (objection !== null) {
      context.addIssue({ code: 'custom', message: objection });
      return;
    }
    const url = new URL(text);
    if (!hosts.includes(url.hostname) && !deps.privateHosts.includes(url.hostname)) {
      context.addIssue({ code: 'custom', message: `the host must be ${hosts.join(' or ')}` });
    } else if (!url.pathname.includes(path) || (query !== null && !url.searchParams.has(query))) {
      context.addIssue({
        code: 'custom',
        message: `not a robot's address: ${path}${query === null ? '' : `?${query}=…`}`,
      });
    }
  });

const userUrl = (deps: Hosts) =>
  z.string().superRefine((text, context) => {
    const objection = deps.request.objectionTo(text);
    if (objection !== null) context.addIssue({ code: 'custom', message: objection });
  });

const mailPorts = ['25', '465', '587', '2525'];

function schemas(deps: Hosts): Record<ChannelKind, z.ZodType<Record<string, unknown>>> {
  const optional = z.optional;
  const host = z.string().regex(/^[a-z0-9.:-]{1,253}$/i, 'a host name like smtp.shop.example');
  return {
    dingtalk: z.strictObject({
      url: robotUrl(deps, ['oapi.dingtalk.com'], 'access_token', '/robot/send'),
      secret: optional(z.string().max(200)),
      keyword: optional(z.string().max(50)),
      atMobiles: optional(mobiles),
      atAll: optional(flag),
    }),
    feishu: z.strictObject({
      url: robotUrl(deps, ['open.feishu.cn', 'open.larksuite.com'], null, '/open-apis/bot/v2/hook/'),
      secret: optional(z.string().max(200)),
      keyword: optional(z.string().max(50)),
      atAll: optional(flag),
    }),
    wecom: z.strictObject({
      url: robotUrl(deps, ['qyapi.weixin.qq.com'], 'key', '/cgi-bin/webhook/send'),
      mentionMobiles: optional(mobiles),
    }),
    webhook: z.strictObject({ url: userUrl(deps), secret: webhookSecrets }),
    email: z.strictObject({
      host,
      port: optional(
        z
          .string()
          .refine((text) => mailPorts.includes(text) || deps.privateHosts.length > 0, `one of ${mailPorts.join(', ')}`),
      ),
      user: optional(z.string().max(200)),
      password: optional(z.string().max(500)),
      from: sender,
      to: optional(addresses),
    }),
    sms: z.strictObject({ signName: filled, template: filled, phone: optional(phone) }),
    voice: z.strictObject({ template: filled, phone: optional(phone), shownNumber: optional(z.string().max(20)) }),
    web_push: z.strictObject({}),
  };
}

/** Checks settings by their kind; every mistake at once, each with the field that it is about. Empty texts count as absent. */
export function createSettingsCheck(deps: Hosts): (kind: ChannelKind, settings: Settings) => SettingsOutcome {
  const byKind = schemas(deps);
  return (kind, settings) => {
    const given = Object.fromEntries(Object.entries(settings).filter(([, value]) => value.trim() !== ''));
    const parsed = byKind[kind].safeParse(given);
    if (parsed.success) return { kind: 'usable', settings: given };
    const issues = parsed.error.issues.map((issue) => ({
      path: ['settings', ...issue.path].join('.'),
      message: issue.code === 'invalid_type' && issue.input === undefined ? 'is needed' : issue.message,
    }));
    return { kind: 'unusable', issues };
  };
}

const dots = '••••••••';

/** Enough to tell one secret from another, not enough to use it. */
/** The end of a long random token tells robots apart; of a password nothing is shown. */
const mask = (name: string, value: string): string =>
  value.length >= 16 && name !== 'password' ? dots + value.slice(-4) : dots;

export function maskSettings(kind: ChannelKind, settings: Settings): Record<string, string> {
  return Object.fromEntries(
    Object.entries(settings).map(([name, value]) => [
      name,
      secretFields[kind].includes(name) ? mask(name, value) : value,
    ]),
  );
}

/** A secret that came back as it was shown stays as it is: a form that was read, changed elsewhere and saved loses nothing. */
export function unmaskSettings(kind: ChannelKind, settings: Settings, stored: Settings): Settings {
  return Object.fromEntries(
    Object.entries(settings).map(([name, value]) => {
      const known = stored[name];
      const isMasked = secretFields[kind].includes(name) && known !== undefined && value === mask(name, known);
      return [name, isMasked ? known : value];
    }),
  );
}
