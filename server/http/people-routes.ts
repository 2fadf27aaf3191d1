import type { NotificationChannel } from '../../contract/alerts.ts';
import { type createSettingsCheck, maskSettings, unmaskSettings } from '../notify/channel-settings.ts';
import type { RunningNotifier } from '../notify/create-notifier.ts';
import type { Missing, PeopleDirectory } from '../notify/people-directory.ts';
import { HttpError, type RouteHandlers } from './request.ts';

type PeopleRoutes =
  | 'listPeople'
  | 'putPerson'
  | 'listChannels'
  | 'putNotificationChannel'
  | 'testChannel'
  | 'listDeliveries'
  | 'putOnCall'
  | 'getOnCall'
  | 'putSupplier'
  | 'getPushKey'
  | 'subscribePush';

export type PeopleDeps = {
  readonly directory: PeopleDirectory;
  readonly notifier: Pick<RunningNotifier, 'testChannel' | 'deliveriesOfChannel' | 'onCall'>;
  readonly checkSettings: ReturnType<typeof createSettingsCheck>;
  readonly vapidPublicKey: string;
  /** Whether there is such a livestream. */
  readonly hasLivestream: (livestreamId: string) => Promise<boolean>;
};

/** People, channels, who is on call, suppliers, browsers. */
export function peopleHandlers(deps: PeopleDeps): Pick<RouteHandlers, PeopleRoutes> {
  const { directory, notifier } = deps;
  return {
    async listPeople() {
      const { people } = await directory.current();
      return { people: [...people.values()] };
    },
    async putPerson({ body }) {
      return { person: found(await directory.putPerson(body)) };
    },
    async listChannels() {
      const { channels } = await directory.current();
      return { channels: [...channels.values()].map(shown) };
    },
    putNotificationChannel: ({ body }) => putChannel(deps, body),
    async testChannel({ params }) {
      const outcome = await notifier.testChannel(params.channelId);
      if (outcome === null) throw new HttpError('route_not_found');
      return outcome;
    },
    async listDeliveries({ params }) {
      return { deliveries: [...(await notifier.deliveriesOfChannel(params.channelId))] };
    },
    async putOnCall({ params, body }) {
      if (!(await deps.hasLivestream(params.livestreamId))) throw new HttpError('route_not_found');
      return { people: [...found(await directory.putOnCall(params.livestreamId, body.personIds))] };
    },
    async getOnCall({ params: { livestreamId } }) {
      const [people, suppliers] = await Promise.all([
        notifier.onCall(livestreamId),
        directory.suppliersOf(livestreamId),
      ]);
      return { people: [...people], suppliers: [...suppliers] };
    },
    async putSupplier({ body }) {
      return { supplier: found(await directory.putSupplier(body)) };
    },
    async getPushKey() {
      return { publicKey: deps.vapidPublicKey };
    },
    async subscribePush({ params, body: { endpoint, keys } }) {
      const subscriptions = await directory.subscribe(params.livestreamId, { endpoint, ...keys });
      return { subscriptions };
    },
  };
}

async function putChannel({ directory, checkSettings }: PeopleDeps, body: NotificationChannel) {
  const { channelId, kind } = body;
  const stored = await directory.findChannel(channelId);
  if (stored !== null && stored.kind !== kind) {
    // Deliveries of this channel are told by its kind; another kind is another channel.
    throw badRequest([{ path: 'kind', message: `this channel is of kind ${stored.kind}; use a new channelId` }]);
  }
  const settings = unmaskSettings(kind, body.settings, stored?.settings ?? {});
  const checked = checkSettings(kind, settings);
  if (checked.kind === 'unusable') throw badRequest(checked.issues);
  return { channel: shown(await directory.putChannel({ ...body, settings: { ...checked.settings } })) };
}

/** Secrets never leave again. */
const shown = (channel: NotificationChannel): NotificationChannel => ({
  ...channel,
  settings: maskSettings(channel.kind, channel.settings),
});

const badRequest = (issues: readonly { path: string; message: string }[]): HttpError =>
  new HttpError('bad_request', { issues: issues.slice(0, 20).map(({ path, message }) => ({ path, message })) });

const missingTexts: Record<Missing['what'], { zh: string; en: string }> = {
  person: { zh: '没有人员', en: 'There is no person' },
  channel: { zh: '没有通知渠道', en: 'There is no notification channel' },
  product: { zh: '没有商品', en: 'There is no product' },
};

function found<Thing>(outcome: Thing | Missing): Thing {
  if (!isMissing(outcome)) return outcome;
  const { zh, en } = missingTexts[outcome.what];
  throw new HttpError('not_found', {
    message: { zh: `${zh} ${outcome.id}，请先创建`, en: `${en} ${outcome.id}; create it first.` },
  });
}

const isMissing = (outcome: unknown): outcome is Missing =>
  typeof outcome === 'object' && outcome !== null && 'kind' in outcome && outcome.kind === 'missing';
