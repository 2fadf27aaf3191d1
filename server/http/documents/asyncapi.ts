import type * as z from 'zod/mini';
import { WireError } from '../../../contract/errors.ts';
import { clientEvents, serverEvents } from '../../../contract/events.ts';
import { PROTOCOL_VERSION } from '../../../contract/protocol-version.ts';
import { createSchemaCollector, type JsonSchema } from './json-schemas.ts';

type Described = { readonly zh: string; readonly en: string };

/** What each event is for. A new event does not compile until someone has described it. */
export const eventTexts: Record<keyof typeof serverEvents | keyof typeof clientEvents, Described> = {
  'stock:snapshot': {
    zh: '完整库存快照（加入时），或断线重连后仅含较新的行',
    en: 'All levels on join; after a reconnect only rows newer than what the client has',
  },
  'stock:levels': {
    zh: '库存变化帧；仅当版本更大时替换，无 upTo 的是抢先送达的关键帧',
    en: 'A frame of levels; rows replace older versions only; without upTo it is critical and overtakes',
  },
  'stock:heartbeat': {
    zh: '房间最新版本、服务器时间、在看人数；落后时请求重新同步',
    en: "The room's version, the server's clock, viewers; who is behind asks for a resync",
  },
  'livestream:changed': { zh: '直播或商品信息变化', en: 'The livestream or one of its items has changed' },
  'order:changed': { zh: '买家自己的订单状态变化', en: "One of the buyer's own orders changed its state" },
  'alert:state': {
    zh: '告警升起、确认、升级、静音或解决（运营）',
    en: 'An alert was raised, acknowledged, escalated, silenced or resolved (operators)',
  },
  'pace:state': { zh: '各商品的速度、售罄时间与节奏提示', en: 'Velocity, sell-out time and the cue for the pace' },
  'curve:points': { zh: '消耗曲线的新采样', en: 'New samples of the consumption curves' },
  'curve:marker': { zh: '曲线上的事件标记', en: 'An event on the curve' },
  'server:moving': {
    zh: '本节点即将停止；请在 inMs 毫秒后断开并重新连接，将由其他节点接管',
    en: 'This node ends soon: disconnect and connect again in inMs milliseconds, another node takes over',
  },
  'server:stopping': {
    zh: '服务器即将停止；客户端会自动重连',
    en: 'The server stops; clients come back by themselves',
  },
  'livestream:join': {
    zh: '加入直播间；应答在快照发出之后',
    en: 'Join a livestream; acknowledged after its snapshot was sent',
  },
  'livestream:leave': { zh: '离开直播间', en: 'Leave a livestream' },
  'stock:ack': {
    zh: '确认已处理的帧号：每 8 至 16 帧一次，且收到帧后一秒内必须确认；超过 2 秒未确认则暂停发送，确认后恢复',
    en: 'The last frame worked off: every 8 to 16 frames, and within a second of any frame; after 2 s without one no more frames come until it does',
  },
  'stock:resync': { zh: '请求重新同步，以 stock:snapshot 作答', en: 'Ask for a resync, answered by stock:snapshot' },
  'order:place': { zh: '下单（与 REST 相同的规则与幂等键）', en: 'Place an order: same rules and keys as over REST' },
  'order:cancel': { zh: '取消未付款订单', en: 'Cancel an unpaid order' },
  'order:list': { zh: '我的订单', en: "The buyer's own orders" },
};

const messageId = (event: string): string => event.replace(':', '_');
const ref = (path: string) => ({ $ref: `#/${path}` });

/** The AsyncAPI 3.0 document, made from the events that server and pages import. It describes the server: `send` is what it sends. */
export function asyncApiDocument(publicUrl: string | null) {
  const { refer, components } = createSchemaCollector();
  const messages: Record<string, JsonSchema> = {};
  const operations: Record<string, unknown> = {};
  const addMessage = (id: string, name: string, payload: JsonSchema, text: Described): void => {
    messages[id] = { name, title: name, summary: `${text.zh} · ${text.en}`, contentType: 'application/json', payload };
  };

  for (const [event, schema] of Object.entries(serverEvents) as [keyof typeof serverEvents, z.ZodMiniType][]) {
    const id = messageId(event);
    addMessage(id, event, refer(schema, 'output'), eventTexts[event]);
    operations[`send_${id}`] = {
      action: 'send',
      channel: ref('channels/socket'),
      summary: eventTexts[event].en,
      messages: [ref(`channels/socket/messages/${id}`)],
    };
  }
  for (const [event, { payload, answer }] of Object.entries(clientEvents) as [
    keyof typeof clientEvents,
    { payload: z.ZodMiniType; answer: z.ZodMiniType },
  ][]) {
    const [id, ackId] = [messageId(event), `${messageId(event)}_ack`];
    addMessage(id, event, refer(payload, 'input'), eventTexts[event]);
    const acknowledged = {
      oneOf: [
        { allOf: [{ type: 'object', required: ['ok'], properties: { ok: { const: true } } }, refer(answer, 'output')] },
        {
          type: 'object',
          required: ['ok', 'error'],
          properties: { ok: { const: false }, error: refer(WireError, 'output') },
        },
      ],
    };
    addMessage(ackId, `${event} (acknowledgement)`, acknowledged, {
      zh: `${event} 的应答`,
      en: `Acknowledges ${event}`,
    });
    operations[`receive_${id}`] = {
      action: 'receive',
      channel: ref('channels/socket'),
      summary: eventTexts[event].en,
      messages: [ref(`channels/socket/messages/${id}`)],
      reply: { channel: ref('channels/socket'), messages: [ref(`channels/socket/messages/${ackId}`)] },
    };
  }
  return {
    asyncapi: '3.0.0',
    info: {
      title: 'Stockcast',
      version: `${PROTOCOL_VERSION}.0.0`,
      description:
        'Socket.IO 4（仅 WebSocket 即可）；令牌放在握手的 auth.token，或使用会话 Cookie。\n\n' +
        'Socket.IO 4 (WebSocket alone is enough); the token goes into auth.token of the handshake, or the session cookie is used.',
    },
    defaultContentType: 'application/json',
    servers: {
      socket: {
        host: publicUrl === null ? 'localhost:3000' : new URL(publicUrl).host,
        pathname: '/socket.io/',
        protocol: publicUrl?.startsWith('https:') ? 'wss' : 'ws',
        description: 'Socket.IO 4',
      },
    },
    channels: {
      socket: {
        address: '/socket.io/',
        title: '一条连接，可加入多个直播间 · one connection, any number of livestreams',
        messages: Object.fromEntries(Object.keys(messages).map((id) => [id, ref(`components/messages/${id}`)])),
      },
    },
    operations,
    components: { messages, schemas: components },
  };
}
