import { API_PREFIX } from '../../../contract/routes.ts';
import { both, page, table } from './html.ts';

const link = (href: string, text: string): string => `<a href="${href}">${text}</a>`;

/** The entrance to the documents. */
export function indexPage(): string {
  const rows = [
    [
      link('/docs/rest', 'REST'),
      both({ zh: '下单、管理直播、库存与供货', en: 'Orders, managing a livestream, stock and supply' }),
    ],
    [
      link('/docs/events', 'Socket.IO'),
      both({ zh: '实时库存、下单、断线续传', en: 'Live levels, orders, resuming after a reconnect' }),
    ],
    [
      link(`${API_PREFIX}/openapi.json`, 'openapi.json'),
      both({ zh: 'OpenAPI 3.1，可生成客户端', en: 'OpenAPI 3.1, for client generators' }),
    ],
    [
      link(`${API_PREFIX}/asyncapi.json`, 'asyncapi.json'),
      both({ zh: 'AsyncAPI 3.0，事件描述', en: 'AsyncAPI 3.0, the events' }),
    ],
  ];
  const words = [
    ['livestream', both({ zh: '直播场次', en: 'one show' })],
    ['item', both({ zh: '一个规格在一场直播中的销售', en: 'one SKU on sale in one livestream' })],
    ['available', both({ zh: '可售 = 分配 − 占用 − 已售', en: 'allotted − held − sold' })],
    ['held', both({ zh: '已下单未付款而占用的数量', en: 'units of orders that are not paid yet' })],
    ['epoch', both({ zh: '一段版本历史的标识', en: 'identity of one history of versions' })],
  ];
  return page(
    '/docs/',
    { zh: '文档', en: 'Documents' },
    [
      `<p>${both({
        zh: '直播带货的实时库存：每个观众在毫秒内看到每一笔扣减，绝不超卖。',
        en: 'Real-time stock for live-stream commerce: every viewer sees each decrement within milliseconds, nothing is oversold.',
      })}</p>`,
      table(['', '内容 Contents'], rows),
      `<h2>${both({ zh: '用词', en: 'Words' })}</h2>`,
      table(['', ''], words),
      `<h2>${both({ zh: '访问', en: 'Access' })}</h2><p>${both({
        zh: '令牌放在 Authorization: Bearer 中；页面用链接中的令牌换取 httpOnly Cookie。一场直播的令牌在其他直播中无效。',
        en: "Tokens go into Authorization: Bearer; pages exchange a link's token for an httpOnly cookie. A token of one livestream does nothing in another.",
      })}</p>`,
    ].join('\n'),
  );
}
