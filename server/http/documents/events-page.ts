import { clientEvents, serverEvents } from '../../../contract/events.ts';
import { itemStatuses } from '../../../contract/levels.ts';
import { PROTOCOL_VERSION } from '../../../contract/protocol-version.ts';
import { API_PREFIX } from '../../../contract/routes.ts';
import { type asyncApiDocument, eventTexts } from './asyncapi.ts';
import { block, both, code, page, schemaSections, schemaTable, typeOf } from './html.ts';
import type { JsonSchema } from './json-schemas.ts';
import { errorSection } from './rest-page.ts';

type EventName = keyof typeof eventTexts;

/** The socket's events for a person, with a client that can be copied. */
export function eventsPage(document: ReturnType<typeof asyncApiDocument>, origin: string): string {
  const messages = document.components.messages as Record<string, { readonly payload: JsonSchema }>;
  const section = (event: EventName): string => {
    const id = event.replace(':', '_');
    const answer = messages[`${id}_ack`]?.payload.oneOf;
    const acknowledged = answer?.[0]?.allOf?.[1];
    return [
      `<section id="${id}"><h3>${code(event)}</h3><p>${both(eventTexts[event])}</p>`,
      schemaTable(resolved(messages[id]?.payload ?? {}, document)),
      ...(acknowledged === undefined
        ? []
        : [
            `<h4>应答 Acknowledgement</h4><p>${code('{ok: true}')} &amp; ${typeOf(acknowledged)} <b>|</b> ${code('{ok: false, error}')}</p>`,
          ]),
      '</section>',
    ].join('\n');
  };
  return page(
    '/docs/events',
    { zh: '实时事件', en: 'Events' },
    [
      `<p>${both({
        zh: 'Socket.IO 4，仅用 WebSocket 即可。机器可读的描述：',
        en: 'Socket.IO 4; WebSocket alone is enough. For machines:',
      })} <a href="${API_PREFIX}/asyncapi.json">asyncapi.json</a> (AsyncAPI 3.0)</p>`,
      example(origin),
      rules(),
      `<h2 id="from-server">${both({ zh: '服务器发出', en: 'From the server' })}</h2>`,
      ...(Object.keys(serverEvents) as EventName[]).map(section),
      `<h2 id="from-client">${both({ zh: '客户端发出', en: 'From clients' })}</h2>`,
      ...(Object.keys(clientEvents) as EventName[]).map(section),
      errorSection(),
      schemaSections(document.components.schemas),
    ].join('\n'),
  );
}

function resolved(schema: JsonSchema, document: ReturnType<typeof asyncApiDocument>): JsonSchema {
  const reference = schema['$ref'];
  return typeof reference === 'string'
    ? (document.components.schemas[reference.split('/').at(-1) ?? ''] ?? {})
    : schema;
}

function example(origin: string): string {
  return [
    `<h2 id="start">${both({ zh: '最小客户端', en: 'The smallest client' })}</h2>`,
    block(`import { io } from 'socket.io-client';

const socket = io('${origin}', { transports: ['websocket'], auth: { token } });
const levels = new Map(); // index → row
let known;                // { epoch, upTo }

const take = ({ epoch, upTo, rows, complete }) => {
  if (complete || epoch !== known?.epoch) levels.clear();
  for (const row of rows) {
    if (row[1] > (levels.get(row[0])?.[1] ?? -1)) levels.set(row[0], row); // the greater version wins
  }
  if (upTo !== undefined) known = { epoch, upTo }; // critical frames have no upTo
};
socket.on('stock:snapshot', take);
socket.on('stock:levels', (frame) => {
  if (frame.epoch !== known?.epoch) return socket.emit('stock:resync', { livestreamId: 'demo' }, () => {});
  take(frame);
  seen = frame.frame;
  if (seen % 8 === 0) acknowledge();
});

let seen = 0;
let acknowledged = 0;
const acknowledge = () => {
  if (seen === acknowledged) return;
  acknowledged = seen;
  socket.emit('stock:ack', { livestreamId: 'demo', frame: seen }, () => {});
};
setInterval(acknowledge, 1000); // frames unacknowledged for 2 s: no more of them until the acknowledgement comes
socket.on('connect', () =>
  socket.emit('livestream:join',
    { livestreamId: 'demo', protocolVersion: ${PROTOCOL_VERSION}, lane: 'viewers', ...(known && { resume: known }) },
    (answer) => console.log(answer.ok ? answer.livestream.title.zh : answer.error)));

// An order over the same socket; keep the key and send it again if no answer came.
socket.emit('order:place',
  { livestreamId: 'demo', idempotencyKey: crypto.randomUUID(), lines: [{ skuId: 'linen-shirt-oat-m', quantity: 1 }] },
  (answer) => console.log(answer));`),
  ].join('\n');
}

function rules(): string {
  const statuses = itemStatuses.map((status, index) => `<li>${index}: ${code(status)}</li>`).join('');
  const points = [
    {
      zh: '版本按（epoch, version）排序；只接受更大的版本，数字不会倒退。',
      en: 'Versions are ordered by (epoch, version); only a greater one is taken, so that numbers never go back.',
    },
    {
      zh: '每 8 帧确认一次，且每秒至少确认一次最新帧号；超过 2 秒或 32 帧未确认，服务器暂停发送，确认后补发一帧合并的最新数据。',
      en: 'Acknowledge every 8 frames, and the newest within a second: after 2 s or 32 frames without one the server pauses, and the next acknowledgement brings one merged frame.',
    },
    {
      zh: '断线重连时带上 {epoch, upTo}，只会收到更新的行；epoch 不同则收到完整快照。',
      en: 'After a reconnect, resume with {epoch, upTo} and get newer rows only; another epoch brings a full snapshot.',
    },
    {
      zh: '心跳中的 upTo 大于自己的，且一帧时间后仍落后：随机延迟后发送一次 stock:resync。',
      en: "A heartbeat's upTo above one's own for longer than a frame takes: send stock:resync once, after a random pause.",
    },
    {
      zh: '定时开售无需消息：按服务器时钟，scheduled 到点自动变为可售。',
      en: "Opening at a moment needs no message: by the server's clock a scheduled item opens by itself.",
    },
  ];
  return [
    `<h2 id="rules">${both({ zh: '规则', en: 'Rules' })}</h2>`,
    `<ul>${points.map((point) => `<li>${both(point)}</li>`).join('')}</ul>`,
    `<h3>${both({ zh: '行内的状态编号', en: 'Status numbers in rows' })}</h3><ul>${statuses}</ul>`,
    `<p>${both({ zh: '观众的行', en: 'Rows for viewers' })}: ${code('[index, version, shown, status]')} · ${both({ zh: '主播与运营的行', en: 'for anchor and operators' })}: ${code('[index, version, available, held, sold, status]')}</p>`,
  ].join('\n');
}
