import type * as z from 'zod/mini';
import type { API_PREFIX, routes } from '../../contract/routes.ts';
import { type Answer, requestJson } from '../lib/http-api.ts';

type Routes = typeof routes;
/** Method and path of a route: the compiler compares them with the contract, whose schemas stay out of the page. */
type Address<Name extends keyof Routes> = readonly [Routes[Name]['method'], Routes[Name]['path']];

const apiPrefix: typeof API_PREFIX = '/api/v1';

const addresses = {
  openSession: ['post', '/session'],
  listLivestreams: ['get', '/livestreams'],
  createLivestream: ['post', '/livestreams'],
  getLivestream: ['get', '/livestreams/:livestreamId'],
  scheduleLivestream: ['post', '/livestreams/:livestreamId/schedule'],
  startLivestream: ['post', '/livestreams/:livestreamId/start'],
  endLivestream: ['post', '/livestreams/:livestreamId/end'],
  pinItem: ['put', '/livestreams/:livestreamId/pin'],
  getAudit: ['get', '/livestreams/:livestreamId/audit'],
  addItem: ['post', '/livestreams/:livestreamId/items'],
  changeItem: ['patch', '/livestreams/:livestreamId/items/:skuId'],
  changeSale: ['post', '/livestreams/:livestreamId/items/:skuId/sale'],
  allotItem: ['put', '/livestreams/:livestreamId/items/:skuId/allotment'],
  getItemPools: ['get', '/livestreams/:livestreamId/items/:skuId/pools'],
  moveUnits: ['post', '/livestreams/:livestreamId/items/:skuId/transfers'],
  listRefunds: ['get', '/livestreams/:livestreamId/refunds'],
  changeRefund: ['post', '/livestreams/:livestreamId/refunds/:refundId'],
  listOrders: ['get', '/livestreams/:livestreamId/orders'],
  cancelOrder: ['post', '/livestreams/:livestreamId/orders/:orderId/cancel'],
  refundOrder: ['post', '/livestreams/:livestreamId/orders/:orderId/refund'],
  putProduct: ['post', '/products'],
  putSku: ['post', '/skus'],
  putWarehouse: ['post', '/warehouses'],
  setWarehouseStock: ['put', '/warehouses/:warehouseId/stock/:skuId'],
  getSkuStock: ['get', '/skus/:skuId/stock'],
  listAlerts: ['get', '/livestreams/:livestreamId/alerts'],
  getAlert: ['get', '/livestreams/:livestreamId/alerts/:alertId'],
  acknowledgeAlert: ['post', '/livestreams/:livestreamId/alerts/:alertId/acknowledge'],
  unacknowledgeAlert: ['post', '/livestreams/:livestreamId/alerts/:alertId/unacknowledge'],
  silenceAlert: ['post', '/livestreams/:livestreamId/alerts/:alertId/silence'],
  assignAlert: ['post', '/livestreams/:livestreamId/alerts/:alertId/assign'],
  resolveAlert: ['post', '/livestreams/:livestreamId/alerts/:alertId/resolve'],
  listTasks: ['get', '/livestreams/:livestreamId/tasks'],
  closeTask: ['post', '/livestreams/:livestreamId/tasks/:taskId/close'],
  getPlans: ['get', '/livestreams/:livestreamId/plans'],
  putPlan: ['put', '/livestreams/:livestreamId/plans/:skuId'],
  putLivestreamPlan: ['put', '/livestreams/:livestreamId/plan'],
  planHistory: ['get', '/livestreams/:livestreamId/plans/:skuId/history'],
  getCurves: ['get', '/livestreams/:livestreamId/curves'],
  getPace: ['get', '/livestreams/:livestreamId/pace'],
  noteDecision: ['post', '/livestreams/:livestreamId/decisions'],
  listPeople: ['get', '/people'],
  putPerson: ['post', '/people'],
  listChannels: ['get', '/notification-channels'],
  putNotificationChannel: ['post', '/notification-channels'],
  testChannel: ['post', '/notification-channels/:channelId/test'],
  listDeliveries: ['get', '/notification-channels/:channelId/deliveries'],
  putOnCall: ['put', '/livestreams/:livestreamId/on-call'],
  getOnCall: ['get', '/livestreams/:livestreamId/on-call'],
  putSupplier: ['post', '/suppliers'],
  getPushKey: ['get', '/push/key'],
  subscribePush: ['post', '/livestreams/:livestreamId/push'],
  listOverlays: ['get', '/livestreams/:livestreamId/overlays'],
  createOverlay: ['post', '/livestreams/:livestreamId/overlays'],
  revokeOverlay: ['delete', '/livestreams/:livestreamId/overlays/:overlayId'],
} as const satisfies { readonly [Name in keyof Routes]?: Address<Name> };

export type RouteName = keyof typeof addresses;
type ParamsOf<Path extends string> = Path extends `${string}:${infer Name}/${infer Rest}`
  ? Name | ParamsOf<`/${Rest}`>
  : Path extends `${string}:${infer Name}`
    ? Name
    : never;
export type AnswerOf<Name extends RouteName> = z.infer<Routes[Name]['answer']>;
type BodyOf<Name extends RouteName> = Routes[Name] extends { body: infer Body extends z.ZodMiniType }
  ? { readonly body: z.input<Body> }
  : { readonly body?: undefined };
type QueryOf<Name extends RouteName> = Routes[Name] extends { query: z.ZodMiniType }
  ? { readonly query?: Readonly<Record<string, string | number | undefined>> }
  : { readonly query?: undefined };
type Rest<Name extends RouteName> = Routes[Name] extends { body: z.ZodMiniType }
  ? [rest: BodyOf<Name> & QueryOf<Name>]
  : [rest?: BodyOf<Name> & QueryOf<Name>];

/** Calls a route by its name. Never rejects: a network that is away is the error `unavailable`. */
export type OperatorApi = <Name extends RouteName>(
  name: Name,
  params: Readonly<Record<ParamsOf<Routes[Name]['path']>, string>>,
  ...rest: Rest<Name>
) => Promise<Answer<AnswerOf<Name>>>;

export function createOperatorApi({
  url = '',
  timeoutMs = 10_000,
}: {
  url?: string;
  timeoutMs?: number;
} = {}): OperatorApi {
  return async (name, params, ...[rest]) => {
    const [method, path] = addresses[name];
    const answer = await requestJson(`${url}${apiPrefix}${fillPath(path, params)}${queryText(rest?.query)}`, {
      method: method.toUpperCase() as Uppercase<typeof method>,
      ...(rest?.body === undefined ? {} : { body: rest.body }),
      timeoutMs,
    });
    // The contract names the answer's type; the server is trusted to keep it.
    return answer as Answer<AnswerOf<typeof name>>;
  };
}

export function fillPath(path: string, params: Readonly<Record<string, string>>): string {
  return path.replaceAll(/:(\w+)/g, (_, name: string) => encodeURIComponent(params[name] ?? ''));
}

function queryText(query: Readonly<Record<string, string | number | undefined>> = {}): string {
  const given = Object.entries(query).flatMap(([name, value]) =>
    value === undefined || value === '' ? [] : [[name, String(value)]],
  );
  return given.length === 0 ? '' : `?${new URLSearchParams(given)}`;
}
