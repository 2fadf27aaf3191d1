import { errorCodes, errorTable } from '../../../contract/errors.ts';
import { API_PREFIX, type Route, routes } from '../../../contract/routes.ts';
import { block, both, code, escape, page, schemaSections, schemaTable, table } from './html.ts';
import type { JsonSchema } from './json-schemas.ts';
import { accessNames, codesOf, type openApiDocument, tagNames } from './openapi.ts';

type OpenApi = ReturnType<typeof openApiDocument>;
type Operation = {
  readonly parameters: readonly { name: string; in: string; schema: JsonSchema }[];
  readonly requestBody?: { readonly content: { readonly 'application/json': { readonly schema: JsonSchema } } };
  readonly responses: Readonly<
    Record<string, { readonly content: { readonly 'application/json': { readonly schema: JsonSchema } } }>
  >;
};

/** The REST API for a person: how to begin, every route, every error, every schema. */
export function restPage(document: OpenApi, origin: string): string {
  const entries = Object.entries(routes) as [string, Route][];
  const groups = Object.entries(tagNames).map(([tag, title]) => {
    const inGroup = entries.filter(([, route]) => route.tag === tag);
    return `<h2 id="tag-${tag}">${both(title)}</h2>${inGroup.map(([name, route]) => routeSection(name, route, document)).join('\n')}`;
  });
  const contents = entries.map(
    ([name, route]) =>
      `<li><a href="#${name}">${code(`${route.method.toUpperCase()} ${route.path}`)}</a> ${escape(route.summary.zh)}</li>`,
  );
  return page(
    '/docs/rest',
    { zh: 'REST 接口', en: 'REST API' },
    [
      `<p>${both({
        zh: `所有地址以 ${API_PREFIX} 开头，请求与应答均为 JSON。机器可读的描述：`,
        en: `Every address begins with ${API_PREFIX}; requests and answers are JSON. For machines:`,
      })} <a href="${API_PREFIX}/openapi.json">openapi.json</a> (OpenAPI 3.1)</p>`,
      firstSteps(origin),
      `<h2 id="contents">${both({ zh: '目录', en: 'Contents' })}</h2><ul class="toc">${contents.join('')}</ul>`,
      ...groups,
      errorSection(),
      schemaSections(document.components.schemas),
    ].join('\n'),
  );
}

function firstSteps(origin: string): string {
  const url = `${origin}${API_PREFIX}`;
  const order = '{"idempotencyKey":"order-7f3a9c01","lines":[{"skuId":"linen-shirt-oat-m","quantity":1}]}';
  return [
    `<h2 id="start">${both({ zh: '三步下一单', en: 'An order in three steps' })}</h2>`,
    `<p>${both({ zh: '一、商城后端用服务密钥为买家领取令牌。', en: "1. The shop's backend asks for a buyer's token with its service key." })}</p>`,
    block(`SERVICE_KEY=$(npm run --silent access -- --role service)
curl -X POST ${url}/livestreams/demo/tokens \\
  -H "Authorization: Bearer $SERVICE_KEY" -H 'Content-Type: application/json' \\
  -d '{"role":"viewer","buyerId":"b-1001"}'`),
    `<p>${both({
      zh: '二、买家下单。网络中断时用同一幂等键重发，只会生效一次。',
      en: '2. The buyer orders. After a broken connection the same key is sent again; it takes effect once.',
    })}</p>`,
    block(`curl -X POST ${url}/livestreams/demo/orders \\
  -H "Authorization: Bearer $BUYER_TOKEN" -H 'Content-Type: application/json' \\
  -d '${order}'`),
    `<p>${both({
      zh: '三、支付方以 Standard Webhooks 签名回调，直到得到 200。',
      en: '3. The payment provider calls back, signed as Standard Webhooks, until it gets 200.',
    })}</p>`,
    block(`curl -X POST ${url}/payments/callback -H 'Content-Type: application/json' \\
  -H "webhook-id: $ID" -H "webhook-timestamp: $TS" -H "webhook-signature: v1,$SIGNATURE" \\
  -d '{"type":"payment.succeeded","timestamp":"2026-01-01T12:00:00Z","data":{"paymentId":"p-1","orderId":"…","amountMinor":9900,"currency":"CNY"}}'

# SIGNATURE = base64( HMAC-SHA256( base64-decode(secret without "whsec_"), "$ID.$TS.$BODY" ) )`),
  ].join('\n');
}

function routeSection(name: string, route: Route, document: OpenApi): string {
  const operation = document.paths[route.path.replaceAll(/:(\w+)/g, '{$1}')]?.[route.method] as Operation;
  const query = operation.parameters.filter((parameter) => parameter.in === 'query');
  const answer = operation.responses[route.status]?.content['application/json'].schema ?? {};
  return [
    `<section id="${name}"><h3><span class="method">${route.method}</span> ${code(route.path)}</h3>`,
    `<p>${both(route.summary)}</p>`,
    `<p><small>权限 access</small> ${both(accessNames[route.access])}</p>`,
    ...(query.length === 0 ? [] : ['<h4>查询参数 Query</h4>', schemaTable({ properties: asProperties(query) })]),
    ...(operation.requestBody === undefined
      ? []
      : ['<h4>请求体 Body</h4>', schemaTable(operation.requestBody.content['application/json'].schema)]),
    `<h4>应答 Answer ${name === 'placeOrder' ? '201 / 200' : route.status}</h4>`,
    schemaTable(answer),
    `<p><small>错误 errors</small> ${codesOf(name, route)
      .map((each) => `<a href="#error-${each}">${code(each)}</a>`)
      .join(' ')}</p></section>`,
  ].join('\n');
}

const asProperties = (parameters: Operation['parameters']): Record<string, JsonSchema> =>
  Object.fromEntries(parameters.map(({ name, schema }) => [name, schema]));

const actionNames = {
  retry: { zh: '原样重发', en: 'send the same again' },
  resync: { zh: '重新同步', en: 'ask for a snapshot' },
  fix: { zh: '修改请求', en: 'change the request' },
  stop: { zh: '停止', en: 'give up' },
} as const;

/** Every code, its status and what the client does next. */
export function errorSection(): string {
  const rows = errorCodes.map((each) => {
    const { status, action, message, minBackoffMs } = errorTable[each];
    const pause = minBackoffMs === undefined ? '' : ` <small>≥ ${minBackoffMs} ms</small>`;
    return [
      `<span id="error-${each}">${code(each)}</span>`,
      String(status),
      `${both(actionNames[action])}${pause}`,
      both(message),
    ];
  });
  return [
    `<h2 id="errors">${both({ zh: '错误码', en: 'Errors' })}</h2>`,
    `<p>${both({
      zh: '错误总是 {error: {code, message, action, …}}；拒单按下表顺序取第一个符合的。',
      en: 'An error is always {error: {code, message, action, …}}; of several refusals the first in this order is given.',
    })}</p>`,
    table(['code', 'HTTP', '客户端应做 Next', '含义 Meaning'], rows),
  ].join('\n');
}
