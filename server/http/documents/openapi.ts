import { type ErrorCode, errorTable, WireError } from '../../../contract/errors.ts';
import { PROTOCOL_VERSION } from '../../../contract/protocol-version.ts';
import { API_PREFIX, type Route, type RouteAccess, routes } from '../../../contract/routes.ts';
import { createSchemaCollector } from './json-schemas.ts';

type Refer = ReturnType<typeof createSchemaCollector>['refer'];

/** Who may call, in both languages. */
export const accessNames: Record<RouteAccess, { readonly zh: string; readonly en: string }> = {
  open: { zh: '公开', en: 'open to everybody' },
  watch: { zh: '本场直播的任一角色', en: 'any role of this livestream' },
  watch_full: { zh: '主播、运营、管理员、服务', en: 'anchor, operator, admin, service' },
  watch_curves: {
    zh: '主播（含上屏叠层）、运营、管理员、服务',
    en: 'anchor, overlays on air too, operator, admin, service',
  },
  order: { zh: '有买家身份的观众', en: 'a viewer with a buyer’s identity' },
  manage: { zh: '本场直播的运营、管理员', en: 'operator of this livestream, admin' },
  supply: { zh: '服务密钥、管理员', en: 'service key, admin' },
  signed: { zh: '支付方签名（Standard Webhooks）', en: 'signature of the payment provider (Standard Webhooks)' },
};

const tags: Record<Route['tag'], { readonly zh: string; readonly en: string }> = {
  access: { zh: '访问', en: 'Access' },
  livestreams: { zh: '直播', en: 'Livestreams' },
  items: { zh: '商品', en: 'Items' },
  orders: { zh: '订单', en: 'Orders' },
  payments: { zh: '支付', en: 'Payments' },
  stock: { zh: '供货与库存', en: 'Supply and stock' },
  alerts: { zh: '告警', en: 'Alerts' },
  plans: { zh: '预估与阈值', en: 'Estimates and thresholds' },
  pace: { zh: '节奏与曲线', en: 'Pace and curves' },
  people: { zh: '人员与通知', en: 'People and notifications' },
};

export { tags as tagNames };

/** Codes that a route may answer with: its own, and those that follow from its access and its body. */
export function codesOf(name: string, route: Route): readonly ErrorCode[] {
  const codes = new Set<ErrorCode>(route.errors);
  if (route.access !== 'open' && route.access !== 'signed') codes.add('unauthorized').add('forbidden');
  if (route.path.includes(':') || route.query !== undefined) codes.add('bad_request');
  if (route.body !== undefined) codes.add('bad_request').add('payload_too_large').add('unsupported_media_type');
  if (name === 'openSession') codes.add('rate_limited');
  codes.add('internal');
  return [...codes];
}

/** The OpenAPI 3.1 document, made from the routes that the server binds: the two cannot differ. */
export function openApiDocument(publicUrl: string | null) {
  const { refer, components } = createSchemaCollector();
  const wireError = refer(WireError, 'output');
  const paths: Record<string, Record<string, unknown>> = {};
  for (const [name, route] of Object.entries(routes) as [string, Route][]) {
    const path = route.path.replaceAll(/:(\w+)/g, '{$1}');
    paths[path] = { ...paths[path], [route.method]: operationOf(name, route, refer) };
  }
  return {
    openapi: '3.1.0',
    info: {
      title: 'Stockcast',
      version: `${PROTOCOL_VERSION}.0.0`,
      summary: '直播带货实时库存 · Real-time stock for live-stream commerce',
      description:
        '编号均为字符串；金额为整数最小货币单位；时刻以 AtMs、时长以 Ms 结尾。下单重试须使用同一幂等键。\n\n' +
        'Ids are strings; money is integer minor units; instants end in AtMs, durations in Ms. Retry an order with the same idempotency key.',
    },
    servers: [{ url: `${publicUrl ?? ''}${API_PREFIX}` }],
    tags: Object.entries(tags).map(([name, { zh, en }]) => ({ name, description: `${zh} · ${en}` })),
    paths,
    components: {
      schemas: {
        ...components,
        ErrorAnswer: { type: 'object', required: ['error'], properties: { error: wireError } },
      },
      securitySchemes,
    },
  };
}

const securitySchemes = {
  bearer: { type: 'http', scheme: 'bearer', bearerFormat: 'JWT', description: '访问令牌 · access token' },
  session: {
    type: 'apiKey',
    in: 'cookie',
    name: 'stockcast_<role>_<livestreamId>',
    description:
      '由 POST /session 设置的 httpOnly Cookie；修改请求须同源 · httpOnly cookie set by POST /session; changes must be same-origin',
  },
  webhookSignature: {
    type: 'apiKey',
    in: 'header',
    name: 'webhook-signature',
    description: 'Standard Webhooks: webhook-id, webhook-timestamp, webhook-signature',
  },
} as const;

function securityOf({ access }: Route): readonly Record<string, readonly string[]>[] {
  if (access === 'open') return [];
  return access === 'signed' ? [{ webhookSignature: [] }] : [{ bearer: [] }, { session: [] }];
}

function operationOf(name: string, route: Route, refer: Refer) {
  const { zh, en } = accessNames[route.access];
  return {
    operationId: name,
    tags: [route.tag],
    summary: `${route.summary.zh} · ${route.summary.en}`,
    description: `权限 access: ${zh} · ${en}`,
    security: securityOf(route),
    parameters: [...pathParameters(route), ...queryParameters(route, refer)],
    ...(route.body === undefined
      ? {}
      : { requestBody: { required: true, content: { 'application/json': { schema: refer(route.body, 'input') } } } }),
    responses: { ...answersOf(name, route, refer), ...errorsOf(name, route) },
  };
}

function pathParameters({ path }: Route) {
  return [...path.matchAll(/:(\w+)/g)].map(([, name]) => ({
    name,
    in: 'path',
    required: true,
    schema: { type: 'string', pattern: '^[A-Za-z0-9_.-]{1,64}$' },
  }));
}

function queryParameters({ query }: Route, refer: Refer) {
  if (query === undefined) return [];
  const schema = refer(query, 'input');
  return Object.entries(schema.properties ?? {}).map(([name, property]) => ({
    name,
    in: 'query',
    required: schema.required?.includes(name) ?? false,
    schema: property,
  }));
}

function answersOf(name: string, route: Route, refer: Refer): Record<string, unknown> {
  const content = { 'application/json': { schema: refer(route.answer, 'output') } };
  const answer = { description: `${route.summary.zh} · ${route.summary.en}`, content };
  if (name !== 'placeOrder') return { [route.status]: answer };
  return {
    200: { description: '重复的幂等键：返回原订单 · the same key again: its order', content },
    [route.status]: answer,
  };
}

/** One response per status, naming each code that comes with it. */
function errorsOf(name: string, route: Route): Record<string, unknown> {
  const byStatus = new Map<number, ErrorCode[]>();
  for (const code of codesOf(name, route)) {
    const { status } = errorTable[code];
    byStatus.set(status, [...(byStatus.get(status) ?? []), code]);
  }
  const responses = [...byStatus].map(([status, codes]) => {
    const lines = codes.map(
      (code) =>
        `- \`${code}\` (${errorTable[code].action}): ${errorTable[code].message.zh} · ${errorTable[code].message.en}`,
    );
    const schema = { $ref: '#/components/schemas/ErrorAnswer' };
    return [status, { description: lines.join('\n'), 'x-codes': codes, content: { 'application/json': { schema } } }];
  });
  return Object.fromEntries(responses) as Record<string, unknown>;
}
