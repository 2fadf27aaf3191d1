import * as z from 'zod';
import type { Text } from '../../contract/primitives.ts';
import { parseRedisUrl } from '../redis/redis-target.ts';

type About = Text & { readonly fallback: string; readonly example?: string };

/** Values that a documentation shows and that nobody may use. */
export const placeholders: ReadonlySet<string> = new Set(['change-me', 'changeme', 'secret']);

const about = <Schema extends z.ZodType>(schema: Schema, text: About): Schema => schema.meta({ about: text });

function whole(options: { min: number; max: number; fallback: number } & Text) {
  const { min, max, fallback, zh, en } = options;
  const schema = z
    .string()
    .regex(/^\d+$/, `a whole number from ${min} to ${max}`)
    .transform(Number)
    .pipe(z.int().min(min, `at least ${min}`).max(max, `at most ${max}`))
    .default(fallback);
  return about(schema, { zh, en, fallback: String(fallback) });
}

const urlWith = (protocols: readonly string[], what: string) =>
  z.string().refine((text) => URL.canParse(text) && protocols.includes(new URL(text).protocol), what);

/** Single server, cluster or sentinels; docs/redis.md describes each. */
const redisUrl = z.string().superRefine((text, context) => {
  const parsed = parseRedisUrl(text);
  if (parsed.kind === 'mistake') context.addIssue({ code: 'custom', message: parsed.message });
});

const isOrigin = (text: string): boolean =>
  URL.canParse(text) && /^https?:\/\/[^/]+$/.test(text) && new URL(text).origin === text;
const origin = z
  .string()
  .transform((text) => text.replace(/\/$/, '').toLowerCase())
  .refine(isOrigin, 'an origin like https://live.shop.example, without a path');

const webhookSecret = z
  .string()
  .refine(
    (text) => /^whsec_[A-Za-z0-9+/]+={0,2}$/.test(text) && Buffer.from(text.slice(6), 'base64').length >= 24,
    'whsec_ and at least 24 random bytes in base64',
  );

/** Every environment variable the server reads. The README's table and `.env.example` are compared with it by tests. */
export const Environment = z.object({
  NODE_ENV: about(z.enum(['production', 'development', 'test']).default('development'), {
    zh: '生产环境设为 production：必须配置密钥，并关闭演示',
    en: 'production demands configured secrets and switches the demo off',
    fallback: 'development',
  }),
  HOST: about(z.string().min(1).optional(), {
    zh: '监听地址；同一局域网的手机访问演示时设为 0.0.0.0',
    en: 'Address to listen on; 0.0.0.0 lets phones of your network open the demo',
    fallback: '127.0.0.1 (production: 0.0.0.0)',
    example: '0.0.0.0',
  }),
  PORT: whole({
    min: 0,
    max: 65_535,
    fallback: 3000,
    zh: '监听端口；0 表示任意空闲端口',
    en: 'Port to listen on; 0 takes a free one',
  }),
  PUBLIC_URL: about(origin.optional(), {
    zh: '对外访问的地址；https 时 Cookie 带 Secure',
    en: 'Origin under which browsers reach the server; with https cookies are Secure',
    fallback: "the request's Host",
    example: 'https://live.shop.example',
  }),
  ALLOWED_ORIGINS: about(
    z
      .string()
      .transform((text) =>
        text
          .split(',')
          .map((each) => each.trim())
          .filter((each) => each !== ''),
      )
      .pipe(z.array(origin))
      .default([]),
    {
      zh: '允许跨域调用接口、嵌入观众页的商城来源，逗号分隔',
      en: "Origins of a shop's own pages that may call the API and embed the viewer page, comma-separated",
      fallback: 'none',
      example: 'https://www.shop.example,https://m.shop.example',
    },
  ),
  TRUST_PROXY: whole({
    min: 0,
    max: 10,
    fallback: 0,
    zh: '前置反向代理的层数，其 X-Forwarded-* 才会被采信',
    en: 'Number of reverse proxies in front whose X-Forwarded-* headers are believed',
  }),
  DATA_DIR: about(z.string().min(1).default('data'), {
    zh: '内嵌数据库与自动生成密钥的目录',
    en: 'Folder of the embedded database and of secrets the server made for itself',
    fallback: 'data',
  }),
  DATABASE_URL: about(
    urlWith(['postgresql:', 'postgres:'], 'a URL like postgresql://user:password@host:5432/stockcast').optional(),
    {
      zh: 'PostgreSQL 连接；未设置时使用内嵌数据库',
      en: 'PostgreSQL; without it the embedded database is used',
      fallback: 'embedded',
      example: 'postgresql://stockcast:password@127.0.0.1:5432/stockcast',
    },
  ),
  REDIS_URL: about(redisUrl.optional(), {
    zh: 'Redis 或 Valkey 连接：单机 redis://，集群 redis+cluster://h1:7000,h2:7000，哨兵 redis+sentinel://h1:26379,h2:26379/mymaster；TLS 用 rediss。未设置时库存闸口在进程内',
    en: 'Redis or Valkey: one server, redis+cluster://h1:7000,h2:7000 or redis+sentinel://h1:26379,h2:26379/mymaster; rediss for TLS (docs/redis.md). Without it the stock gate runs in the process',
    fallback: 'in-process gate',
    example: 'redis://127.0.0.1:6379',
  }),
  SESSION_SECRET: about(z.string().min(32, 'at least 32 characters').optional(), {
    zh: '访问令牌的签名密钥，至少 32 个字符；生产环境必填',
    en: 'Signs access tokens, at least 32 characters; required in production',
    fallback: 'made under DATA_DIR',
    example: '(node -p "crypto.randomBytes(32).toString(\'base64url\')")',
  }),
  CHANNEL_SECRETS_KEY: about(
    z
      .string()
      .transform((text) => text.split(',').map((each) => each.trim()))
      .pipe(z.array(z.string().min(32, 'at least 32 characters each')).max(5))
      .default([]),
    {
      zh: '加密通知渠道密钥（AES-256-GCM），至少 32 个字符；轮换时写“新,旧”：第一个加密，其余只用于解密',
      en: 'Encrypts the secrets of notification channels, at least 32 characters; “new,old” to change it: the first encrypts, the others only decrypt',
      fallback: 'SESSION_SECRET',
      example: '(node -p "crypto.randomBytes(32).toString(\'base64url\')")',
    },
  ),
  PAYMENT_WEBHOOK_SECRET: about(webhookSecret.optional(), {
    zh: '支付回调签名密钥（Standard Webhooks，whsec_ 开头）；生产环境必填',
    en: 'Checks payment callbacks (Standard Webhooks, begins with whsec_); required in production',
    fallback: 'made under DATA_DIR',
    example: "(node -p \"'whsec_' + crypto.randomBytes(32).toString('base64')\")",
  }),
  PAYMENT_PAGE_URL: about(
    urlWith(['https:', 'http:'], 'a URL with {orderId} in it')
      .refine((text) => text.includes('{orderId}'), 'a URL with {orderId} in it')
      .optional(),
    {
      zh: '商城支付页地址，{orderId} 会被替换为订单号',
      en: "The shop's payment page; {orderId} is replaced by the order's id",
      fallback: 'simulated page in the demo, else none',
      example: 'https://pay.shop.example/checkout?order={orderId}',
    },
  ),
  REFUND_WEBHOOK_URL: about(urlWith(['https:', 'http:'], 'a URL like https://pay.shop.example/refunds').optional(), {
    zh: '支付渠道接收退款请求的地址（用 PAYMENT_WEBHOOK_SECRET 签名）；未设置时退款由人工完成',
    en: 'Where the payment provider takes refunds, signed with PAYMENT_WEBHOOK_SECRET; without it people pay them back',
    fallback: 'simulated provider in the demo, else none',
    example: 'https://pay.shop.example/refunds',
  }),
  METRICS_TOKEN: about(z.string().min(16, 'at least 16 characters').optional(), {
    zh: '从其他机器读取 /metrics 所需的 Bearer 令牌；未设置时仅限本机',
    en: 'Bearer token for /metrics from other machines; without it loopback only',
    fallback: 'loopback only',
    example: '(node -p "crypto.randomBytes(24).toString(\'base64url\')")',
  }),
  VAPID_PUBLIC_KEY: about(
    z
      .string()
      .regex(/^[\w-]{87}$/, '87 characters of base64url')
      .optional(),
    {
      zh: 'Web Push 公钥；多节点部署时各节点须一致',
      en: 'Public key of Web Push; several nodes need the same one',
      fallback: 'made under DATA_DIR',
      example: '(npx web-push generate-vapid-keys)',
    },
  ),
  VAPID_PRIVATE_KEY: about(
    z
      .string()
      .regex(/^[\w-]{43}$/, '43 characters of base64url')
      .optional(),
    {
      zh: 'Web Push 私钥，与公钥成对设置',
      en: 'Private key of Web Push; set both or none',
      fallback: 'made under DATA_DIR',
      example: '(npx web-push generate-vapid-keys)',
    },
  ),
  VAPID_SUBJECT: about(
    z
      .string()
      .regex(/^(mailto:[^@\s]+@[^@\s]+|https:\/\/\S+)$/, 'mailto:ops@shop.example or an https URL')
      .optional(),
    {
      zh: '推送服务出现问题时联系谁',
      en: 'Whom a push service may ask when something is wrong',
      fallback: 'PUBLIC_URL',
      example: 'mailto:ops@shop.example',
    },
  ),
  ALIYUN_ACCESS_KEY_ID: about(z.string().min(1).optional(), {
    zh: '阿里云短信与语音通知的 AccessKey ID',
    en: 'AccessKey id of Aliyun, for text messages and calls',
    fallback: 'no texts and calls',
    example: '(from the RAM console)',
  }),
  ALIYUN_ACCESS_KEY_SECRET: about(z.string().min(1).optional(), {
    zh: '阿里云 AccessKey 密钥，与 ID 成对设置',
    en: 'AccessKey secret of Aliyun; set both or none',
    fallback: 'no texts and calls',
    example: '(from the RAM console)',
  }),
  NOTIFY_ALLOW_PRIVATE_HOSTS: about(
    z
      .string()
      .transform((text) =>
        text
          .split(',')
          .map((each) => each.trim().toLowerCase())
          .filter((each) => each !== ''),
      )
      .pipe(z.array(z.string().regex(/^[a-z0-9.:-]+$/, 'host names or addresses, without scheme and port')))
      .default([]),
    {
      zh: '通知渠道可访问的内网主机（默认只允许公网 https），逗号分隔',
      en: 'Hosts of your own network that notification channels may call (otherwise public https only), comma-separated',
      fallback: 'none',
      example: 'hooks.corp.example,10.0.0.8',
    },
  ),
  LOG_LEVEL: about(z.enum(['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent']).default('info'), {
    zh: '日志级别：fatal、error、warn、info、debug、trace、silent',
    en: 'fatal, error, warn, info, debug, trace or silent',
    fallback: 'info',
  }),
  DEMO: about(z.stringbool({ error: 'true or false' }).optional(), {
    zh: '演示直播、模拟支付与启动时打印的访问链接；生产环境默认关闭',
    en: 'Demo livestream, simulated payment and access links printed at start; off in production unless set',
    fallback: 'true (production: false)',
    example: 'false',
  }),
  PENDING_LEASE_MS: whole({
    min: 500,
    max: 10_000,
    fallback: 2_500,
    zh: '下单未落库时占用库存的最长时间（毫秒）',
    en: 'Lease of an order that is not in the ledger yet, in ms',
  }),
  IDEMPOTENCY_TTL_MS: whole({
    min: 60_000,
    max: 604_800_000,
    fallback: 90_000_000,
    zh: '幂等键保留时间（毫秒），应长于最长的付款时限',
    en: 'Retry window of an idempotency key, in ms; longer than the longest hold',
  }),
  LEDGER_QUEUE_MAX: whole({
    min: 100,
    max: 1_000_000,
    fallback: 20_000,
    zh: '等待落库的订单上限，超过即快速拒绝并提示重试',
    en: 'Orders that may wait for the database; more are refused at once and told to retry',
  }),
  ORDERS_IN_FLIGHT_MAX: whole({
    min: 100,
    max: 1_000_000,
    fallback: 20_000,
    zh: '同时处理的下单请求上限',
    en: 'Orders that may be under way at once',
  }),
  ORDERS_PER_BUYER_PER_MINUTE: whole({
    min: 1,
    max: 1_000_000,
    fallback: 600,
    zh: '单个买家每分钟下单请求上限（含重试）',
    en: 'Order requests of one buyer in a minute, retries included',
  }),
  TRANSPORTS: about(
    z
      .enum(['websocket,polling', 'websocket'], { error: 'websocket,polling or websocket' })
      .default('websocket,polling')
      .transform((list) => list.split(',') as ('websocket' | 'polling')[]),
    {
      zh: '实时连接方式：默认允许长轮询兜底；仅 websocket 时负载均衡无需会话保持',
      en: 'Ways to connect: long polling is the fallback; websocket alone needs no sticky sessions behind a load balancer',
      fallback: 'websocket,polling',
      example: 'websocket',
    },
  ),
  SOCKETS_PER_IP_MAX: whole({
    min: 1,
    max: 1_000_000,
    fallback: 20_000,
    zh: '单个 IP 的实时连接上限（校园与运营商网络共用出口）',
    en: 'Sockets per address; campuses and mobile carriers share one',
  }),
  SESSIONS_PER_IP_PER_MINUTE: whole({
    min: 1,
    max: 1_000_000,
    fallback: 1_200,
    zh: '单个 IP 每分钟可领取的会话数',
    en: 'Sessions that one address may open in a minute',
  }),
  WORKERS: about(
    z
      .string()
      .regex(/^\d+$/, 'a whole number from 1 to 64')
      .transform(Number)
      .pipe(z.int().min(1, 'at least 1').max(64, 'at most 64'))
      .optional(),
    {
      zh: 'npm run cluster 启动的工作进程数',
      en: 'Worker processes of npm run cluster',
      fallback: 'one for each core',
      example: '4',
    },
  ),
  DRAIN_NOTICE_MS: whole({
    min: 0,
    max: 120_000,
    fallback: 0,
    zh: '停机前 /readyz 先返回 503 的时间（毫秒），让负载均衡停止分发新请求',
    en: 'How long /readyz says 503 before a stop begins, in ms: time for a load balancer to notice',
  }),
  SHUTDOWN_GRACE_MS: whole({
    min: 0,
    max: 60_000,
    fallback: 8_000,
    zh: '停机时迁移客户端、等待在途订单的最长时间（毫秒）',
    en: 'How long a stop may take to move its clients and to finish orders under way, in ms',
  }),
});

export type Setting = { readonly name: string; readonly about: About };

/** Name and description of every setting, in the order of `.env.example`. */
export function describeSettings(): readonly Setting[] {
  return Object.entries(Environment.shape).map(([name, schema]) => {
    const meta = schema.meta();
    if (meta?.['about'] === undefined) throw new Error(`The setting ${name} has no description`);
    return { name, about: meta['about'] as About };
  });
}

/** The README's settings table, in Markdown. */
export function settingsTable(): string {
  const rows = describeSettings().map(
    ({ name, about: { zh, en, fallback } }) => `| \`${name}\` | ${fallback} | ${zh}<br>${en} |`,
  );
  return ['| 设置 / Setting | 默认 / Default | 说明 / Meaning |', '| --- | --- | --- |', ...rows, ''].join('\n');
}

/** The text of `.env.example`: every setting, commented out with its default or an example. */
export function environmentExample(): string {
  const head = [
    '# 所有设置都有默认值；需要时取消注释。Every setting has a default; uncomment what you need.',
    '# 由 tools/settings-table.ts 生成。Written by: npx tsx tools/settings-table.ts --env > .env.example',
  ];
  const blocks = describeSettings().map(({ name, about: { zh, en, fallback, example } }) =>
    [`# ${zh}`, `# ${en}`, `# 默认 default: ${fallback}`, `# ${name}=${example ?? fallback}`].join('\n'),
  );
  return `${[head.join('\n'), ...blocks].join('\n\n')}\n`;
}
