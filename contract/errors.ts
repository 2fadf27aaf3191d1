import * as z from 'zod/mini';
import { Text } from './primitives.ts';

/**
 * Every way in which the gate refuses an order, in order of precedence: the first that applies is the answer.
 * `duplicate` is not an error: it returns the first answer of the same key.
 */
export const refusalCodes = [
  'rebuilding',
  'in_progress',
  'duplicate',
  'idempotency_mismatch',
  'not_found',
  'not_open',
  'stopped',
  'limit_buyer',
  'limit_device',
  'risk_blocked',
  'sold_out',
  'insufficient',
] as const;
export type RefusalCode = (typeof refusalCodes)[number];

/** Refusals that stay bound to the idempotency key: a retry gets the same answer, a new attempt needs a new key (O7). */
export type DefiniteRefusal = Exclude<RefusalCode, 'rebuilding' | 'in_progress' | 'duplicate' | 'idempotency_mismatch'>;

/** Every error that is not a refusal of the gate. */
export const faultCodes = [
  'bad_request',
  'unauthorized',
  'forbidden',
  'route_not_found',
  'conflict',
  'payload_too_large',
  'unsupported_media_type',
  'rate_limited',
  'protocol_mismatch',
  'overloaded',
  'unavailable',
  'internal',
] as const;
export type FaultCode = (typeof faultCodes)[number];

export type ErrorCode = Exclude<RefusalCode, 'duplicate'> | FaultCode;
export const errorCodes: readonly ErrorCode[] = [...refusalCodes.filter((code) => code !== 'duplicate'), ...faultCodes];

/** What the client does next: send the same again · ask for a snapshot · change the request · give up. */
export const ErrorAction = z.enum(['retry', 'resync', 'fix', 'stop']);
export type ErrorAction = z.infer<typeof ErrorAction>;

/** The one shape of an error, over HTTP (as `{error}`) and in socket acknowledgements. */
export const WireError = z.object({
  code: z.enum(errorCodes as [ErrorCode, ...ErrorCode[]]),
  message: Text,
  action: ErrorAction,
  minBackoffMs: z.optional(z.int().check(z.minimum(0))),
  /** The item that the refusal is about. */
  skuId: z.optional(z.string()),
  /** For `limit_buyer` and `limit_device`: the limit, and the units that already count towards it. */
  limit: z.optional(z.int()),
  counted: z.optional(z.int()),
  /** For `bad_request`: where the input is wrong, as `lines.0.quantity`. */
  issues: z.optional(z.array(z.object({ path: z.string(), message: z.string() }))),
  /** For `protocol_mismatch`: the version that the server speaks. */
  protocolVersion: z.optional(z.int()),
  requestId: z.optional(z.string()),
});
export type WireError = z.infer<typeof WireError>;

/** Status over HTTP and the advice to the client. A new code does not compile until someone has chosen both. */
export const errorTable: Record<
  ErrorCode,
  { status: number; action: ErrorAction; minBackoffMs?: number; message: Text }
> = {
  rebuilding: {
    status: 503,
    action: 'retry',
    minBackoffMs: 500,
    message: { zh: '库存正在恢复，请稍候自动重试', en: 'Stock is being rebuilt; send the same request again shortly.' },
  },
  in_progress: {
    status: 409,
    action: 'retry',
    minBackoffMs: 300,
    message: {
      zh: '该订单正在处理，请用同一幂等键稍后重试',
      en: 'This order is still being decided; retry with the same idempotency key.',
    },
  },
  idempotency_mismatch: {
    status: 422,
    action: 'fix',
    message: {
      zh: '同一幂等键不能用于不同内容的订单，请换新的幂等键',
      en: 'This idempotency key was used with another body; use a new key for a new order.',
    },
  },
  not_found: {
    status: 404,
    action: 'fix',
    message: { zh: '本场直播没有这个商品规格', en: 'This livestream has no such item.' },
  },
  not_open: { status: 409, action: 'stop', message: { zh: '尚未开售', en: 'The sale of this item is not open.' } },
  stopped: { status: 409, action: 'stop', message: { zh: '已停售', en: 'The sale of this item has been stopped.' } },
  limit_buyer: {
    status: 409,
    action: 'fix',
    message: { zh: '超过每人限购数量', en: 'This would exceed the purchase limit per buyer.' },
  },
  limit_device: {
    status: 409,
    action: 'fix',
    message: { zh: '超过每台设备限购数量', en: 'This would exceed the purchase limit per device.' },
  },
  risk_blocked: {
    status: 403,
    action: 'stop',
    message: { zh: '订单未通过风控', en: 'The order was held back by risk control.' },
  },
  sold_out: { status: 409, action: 'stop', message: { zh: '已售罄', en: 'Sold out.' } },
  insufficient: {
    status: 409,
    action: 'fix',
    message: { zh: '剩余数量不足，请减少数量', en: 'Fewer units are left than you asked for; lower the quantity.' },
  },
  bad_request: {
    status: 400,
    action: 'fix',
    message: { zh: '请求内容有误，见 issues', en: 'The request is not usable; see issues.' },
  },
  unauthorized: {
    status: 401,
    action: 'fix',
    message: { zh: '缺少有效的访问令牌', en: 'A valid access token is needed.' },
  },
  forbidden: {
    status: 403,
    action: 'stop',
    message: { zh: '此令牌无权执行该操作', en: 'This token does not permit the action.' },
  },
  route_not_found: { status: 404, action: 'fix', message: { zh: '没有这个资源', en: 'There is no such resource.' } },
  conflict: {
    status: 409,
    action: 'fix',
    message: { zh: '当前状态不允许该操作', en: 'The present state does not allow this action.' },
  },
  payload_too_large: { status: 413, action: 'fix', message: { zh: '请求体过大', en: 'The payload is too large.' } },
  unsupported_media_type: {
    status: 415,
    action: 'fix',
    message: { zh: '请使用 application/json', en: 'Send application/json.' },
  },
  rate_limited: {
    status: 429,
    action: 'retry',
    minBackoffMs: 1_000,
    message: { zh: '请求过于频繁，请稍候', en: 'Too many requests; slow down.' },
  },
  protocol_mismatch: {
    status: 409,
    action: 'stop',
    message: {
      zh: '页面或客户端与服务器版本不同，请刷新页面，或更新客户端',
      en: 'The client speaks another protocol version than the server; reload the page, or update the client.',
    },
  },
  overloaded: {
    status: 503,
    action: 'retry',
    minBackoffMs: 500,
    message: {
      zh: '排队人数过多，请稍候自动重试',
      en: 'The server is shedding load; send the same request again shortly.',
    },
  },
  unavailable: {
    status: 503,
    action: 'retry',
    minBackoffMs: 1_000,
    message: {
      zh: '服务暂时不可用，请用同一幂等键重试',
      en: 'A part of the service is away; retry with the same idempotency key.',
    },
  },
  internal: {
    status: 500,
    action: 'retry',
    minBackoffMs: 1_000,
    message: { zh: '服务器内部错误', en: 'Internal error.' },
  },
};

/** Builds the wire form of an error; `extra` adds the item, the limit or the issues. */
export function wireError(code: ErrorCode, extra: Partial<Omit<WireError, 'code' | 'action'>> = {}): WireError {
  const { action, minBackoffMs, message } = errorTable[code];
  return { code, message, action, ...(minBackoffMs === undefined ? {} : { minBackoffMs }), ...extra };
}
