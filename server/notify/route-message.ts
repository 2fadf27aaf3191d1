import type { NotificationChannel, Person } from '../../contract/alerts.ts';
import { lineOf, reaches } from './notice.ts';
import type { AlertMessage } from './notifier.ts';
import type { Directory } from './people-directory.ts';

/** One message to one recipient, with the channels to try after it. */
export type Routed = {
  readonly channel: NotificationChannel;
  readonly personId: string | null;
  readonly recipient: string;
  readonly otherwise: readonly string[];
};

/**
 * Who gets a message, and on which channels. A person: the channels in their order, all at once where the message says so, else the
 * first, with the others behind it. Nobody named, or a person without one usable channel: every channel that the tier reaches, because
 * silence is the worst outcome. Browsers that are registered for the livestream are told in any case: somebody asked for it there.
 */
export function routeMessage(message: AlertMessage, directory: Directory): readonly Routed[] {
  const usable = (channel: NotificationChannel | undefined): channel is NotificationChannel =>
    channel !== undefined && channel.enabled && reaches(message.alert.tier, channel.minTier);
  const everyone = (): Routed[] =>
    [...directory.channels.values()]
      .filter((channel) => usable(channel) && (channel.kind !== 'web_push' || hasBrowsers(message, directory)))
      .map((channel) => ({ channel, personId: null, recipient: recipientOf(channel, null), otherwise: [] }));

  const routed = message.people.flatMap((person): Routed[] => {
    const channels = person.channelIds.map((id) => directory.channels.get(id)).filter(usable);
    const all = channels.map((channel, index) => ({
      channel,
      personId: person.personId,
      recipient: recipientOf(channel, person),
      otherwise: message.everyChannel ? [] : channels.slice(index + 1).map(({ channelId }) => channelId),
    }));
    return message.everyChannel ? all : all.slice(0, 1);
  });
  const reached = new Set(routed.map(({ personId }) => personId));
  const isEverybodyReached = message.people.length > 0 && message.people.every(({ personId }) => reached.has(personId));
  const browsers = everyone().filter(({ channel }) => channel.kind === 'web_push');
  return withoutRepeats([...routed, ...(isEverybodyReached ? browsers : everyone())]);
}

const hasBrowsers = ({ alert }: AlertMessage, directory: Directory): boolean =>
  directory.pushLivestreams.has(alert.livestreamId);

/** A group's robot shared by two people on call is told once. */
function withoutRepeats(routed: readonly Routed[]): readonly Routed[] {
  const seen = new Set<string>();
  return routed.filter(({ channel, recipient }) => {
    const key = `${channel.channelId}\n${recipient}`;
    if (seen.has(key)) return false;
    seen.add(key);
    return true;
  });
}

/** The person's own address where the channel's kind has one, else the channel's. */
export function recipientOf(channel: NotificationChannel, person: Pick<Person, 'phone' | 'email'> | null): string {
  if (channel.kind === 'email') return person?.email ?? channel.settings['to'] ?? '';
  if (channel.kind === 'sms' || channel.kind === 'voice') return person?.phone ?? channel.settings['phone'] ?? '';
  return '';
}

export const lineOfMessage = ({ alert, itemTitle, livestreamTitle }: AlertMessage) =>
  lineOf(alert, itemTitle, livestreamTitle);
