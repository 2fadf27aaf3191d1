import { createHash, randomUUID } from 'node:crypto';
import type { AlertTier, ChannelKind, NotificationChannel } from '../../contract/alerts.ts';
import type { PrismaClient } from '../../generated/prisma/client.ts';
import type { Clock } from '../lib/clock.ts';
import type { Log } from '../lib/log.ts';
import type { AcknowledgeTokens } from './acknowledge-token.ts';
import type { Sender } from './channels/sender.ts';
import type { DeliveryRow } from './delivery-log.ts';
import { foldLines, type Notice, type NoticeLine } from './notice.ts';
import { refused, retry, type SendOutcome } from './outcome.ts';
import type { PeopleDirectory } from './people-directory.ts';
import { type Routed, recipientOf } from './route-message.ts';
import { calleeOf, type SendBudget, windowsFor } from './send-budget.ts';
import { highestTier } from './send-lane.ts';

export type SendDeps = {
  readonly prisma: PrismaClient;
  readonly directory: PeopleDirectory;
  readonly senders: Record<ChannelKind, Sender>;
  readonly tokens: AcknowledgeTokens;
  /** Where browsers reach this server, as `https://live.shop.example`: the beginning of every link. */
  readonly baseUrl: () => string;
  readonly clock: Clock;
  readonly log: Log;
  /** Resolves after so many milliseconds, or at once when the signal says so; never rejects. */
  readonly pause: (ms: number, signal: AbortSignal) => Promise<void>;
  /** 0 ≤ chance() < 1, for the jitter of retries. */
  readonly chance: () => number;
  readonly save: (rows: readonly DeliveryRow[]) => void;
  readonly stopping: AbortSignal;
};

/** Alerts in one acknowledge link: a longer digest is acknowledged in the console. */
const linkedAlertsMax = 8;

export function newRow(routed: Routed, line: NoticeLine, nowMs: number): DeliveryRow {
  const { channel, personId, recipient, otherwise } = routed;
  return {
    deliveryId: randomUUID(),
    channelId: channel.channelId,
    personId,
    alertId: line.alertId,
    tier: line.tier,
    state: 'waiting',
    attempts: 0,
    error: null,
    createdAtMs: nowMs,
    message: { recipient, otherwise, line },
  };
}

/** Sends rows of one channel and recipient as one notice: a message of its own, or a digest. Never rejects. */
export async function sendRows(
  deps: SendDeps,
  channel: NotificationChannel,
  rows: readonly DeliveryRow[],
  signal: AbortSignal,
): Promise<SendOutcome> {
  const [first] = rows;
  if (first === undefined) return refused('nothing to send');
  const { lines, more } = foldLines(rows.map((row) => row.message.line));
  const actor = more > 0 || lines.length > linkedAlertsMax ? null : actorOf(channel, first);
  const notice = noticeOf(deps, { id: idOf(rows), tier: highestTier(rows), lines, more, actor });
  const outcome = await sendWith(deps, { channel, notice, recipient: first.message.recipient, signal });
  if (outcome.kind === 'refused' && channel.kind === 'webhook' && outcome.reason.startsWith('HTTP 410')) {
    await deps.directory.disableChannel(channel.channelId).catch(() => undefined);
  }
  return outcome;
}

/** The same for the same rows, so that a repeated message is known as one; a digest that has grown is another message. */
function idOf(rows: readonly DeliveryRow[]): string {
  const ids = rows.map(({ deliveryId }) => deliveryId).toSorted();
  return ids.length === 1 ? (ids[0] ?? '') : createHash('sha256').update(ids.join()).digest('hex').slice(0, 32);
}

/** In whose name a link acknowledges. */
const actorOf = (channel: NotificationChannel, { personId }: DeliveryRow): string =>
  personId === null ? `link:${channel.channelId}` : `link:${personId}@${channel.channelId}`;

function noticeOf(
  deps: SendDeps,
  parts: { id: string; tier: AlertTier; lines: readonly NoticeLine[]; more: number; actor: string | null },
): Notice {
  const { id, tier, lines, more, actor } = parts;
  const [first] = lines;
  const base = deps.baseUrl();
  const at = first === undefined ? '' : `?livestream=${encodeURIComponent(first.livestreamId)}`;
  const isOne = lines.length === 1 && first !== undefined && actor !== null;
  const alert = isOne ? `&alert=${encodeURIComponent(first.alertId)}` : '';
  const alerts = lines.map((line): [string, string] => [line.livestreamId, line.alertId]);
  return {
    noticeId: id,
    tier,
    lines,
    more,
    consoleUrl: `${base}/operator/${at}${alert}`,
    acknowledgeUrl: actor === null ? null : `${base}/ack?token=${deps.tokens.issue(actor, alerts)}`,
    atMs: deps.clock.now(),
  };
}

/** A sender never rejects; if one does, that is a bug of ours and no reason to stop the others. */
async function sendWith(
  deps: SendDeps,
  what: { channel: NotificationChannel; notice: Notice; recipient: string; signal: AbortSignal },
): Promise<SendOutcome> {
  const { channel, notice, recipient, signal } = what;
  try {
    return await deps.senders[channel.kind](notice, { settings: channel.settings, recipient }, signal);
  } catch (error) {
    deps.log.error({ channelId: channel.channelId, err: error }, 'a channel has failed');
    return retry(error instanceof Error ? error.message.slice(0, 200) : 'an error without a text');
  }
}

/** One message at once, for the button that asks whether a channel works. It counts towards the rate limit and stands in the log. */
export async function sendTest(deps: SendDeps, budget: SendBudget, channel: NotificationChannel) {
  const { clock } = deps;
  const line = await testLine(deps);
  const recipient = recipientOf(channel, null) || (await anyRecipient(deps, channel));
  const windows = windowsFor(channel.kind, 'red');
  const waitMs = await budget.take(channel.channelId, calleeOf(channel.kind, recipient), windows);
  if (waitMs > 0) return { delivered: false, error: noRoom(waitMs) };
  const row = newRow({ channel, personId: null, recipient, otherwise: [] }, line, clock.now());
  const notice = noticeOf(deps, { id: row.deliveryId, tier: 'red', lines: [line], more: 0, actor: null });
  const outcome = await sendWith(deps, { channel, notice, recipient, signal: deps.stopping });
  if (outcome.kind === 'throttled') await budget.mute(channel.channelId, clock.now() + outcome.forMs);
  const error = outcome.kind === 'sent' ? null : outcome.reason;
  deps.save([{ ...row, state: error === null ? 'sent' : 'failed', attempts: 1, error }]);
  return { delivered: error === null, error };
}

export const noRoom = (waitMs: number): string =>
  `no room within the channel's limit for ${Math.ceil(waitMs / 1_000)} s`;

/** Browsers are registered per livestream: a test goes to those of one that has some. */
async function testLine({ directory, clock }: SendDeps): Promise<NoticeLine> {
  const [livestreamId = 'test'] = (await directory.current()).pushLivestreams;
  return {
    alertId: 'test',
    livestreamId,
    skuId: 'test',
    tier: 'red',
    basis: 'consumption',
    itemTitle: { zh: '测试消息', en: 'Test message' },
    livestreamTitle: { zh: 'Stockcast 通知测试', en: 'Stockcast notification test' },
    facts: {},
    reasons: [{ zh: '收到即表示渠道可用，无需处理', en: 'This channel works; nothing needs to be done.' }],
    raisedAtMs: clock.now(),
  };
}

/** A channel without an address of its own is tested with the first person who uses it. */
async function anyRecipient({ directory }: SendDeps, channel: NotificationChannel): Promise<string> {
  const { people } = await directory.current();
  const user = [...people.values()].find(({ channelIds }) => channelIds.includes(channel.channelId));
  return user === undefined ? '' : recipientOf(channel, user);
}
