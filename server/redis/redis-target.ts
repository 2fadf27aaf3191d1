export type RedisAddress = { readonly host: string; readonly port: number };

export type RedisCredentials = { readonly username: string | null; readonly password: string | null };

/** One server that answers for everything: at a fixed address, or wherever the sentinels say that the primary is. */
export type ServerTarget =
  | {
      readonly shape: 'single';
      readonly address: RedisAddress;
      readonly credentials: RedisCredentials;
      readonly tls: boolean;
      readonly db: number;
    }
  | {
      readonly shape: 'sentinel';
      readonly sentinels: readonly RedisAddress[];
      /** The name under which the sentinels know the primary. */
      readonly name: string;
      readonly credentials: RedisCredentials;
      readonly sentinelCredentials: RedisCredentials;
      readonly tls: boolean;
      readonly db: number;
    };

export type ClusterTarget = {
  readonly shape: 'cluster';
  /** Any servers of the cluster: the others are learnt from them. */
  readonly seeds: readonly RedisAddress[];
  readonly credentials: RedisCredentials;
  readonly tls: boolean;
};

export type RedisTarget = ServerTarget | ClusterTarget;

export type ParsedRedisUrl =
  | { readonly kind: 'target'; readonly target: RedisTarget }
  /** A sentence about the URL that never shows a password. */
  | { readonly kind: 'mistake'; readonly message: string };

export const redisUrlForms =
  'redis://host:6379, redis+cluster://host1:7000,host2:7000 or redis+sentinel://host1:26379,host2:26379/name';

const form = /^(?:redis|valkey)(s?)(\+cluster|\+sentinel)?:\/\/(?:([^@/?#]*)@)?([^@/?#]+)(\/[^?#]*)?(\?[^#]*)?$/i;
const hostForm = /^(?:\[([0-9a-f:.]+)\]|([a-z0-9._-]+))(?::(\d{1,5}))?$/i;

/**
 * What REDIS_URL means. One server, or several separated by commas for a cluster or for sentinels; `rediss` speaks TLS, and `valkey` is
 * another word for `redis`. User and password are percent-encoded where they hold characters that mean something in a URL.
 */
export function parseRedisUrl(text: string): ParsedRedisUrl {
  const parts = form.exec(text.trim());
  if (parts === null) return mistake(`not of the form ${redisUrlForms}`);
  const [, secure = '', shapeText = '', who = '', hostsText = '', path = '', query = ''] = parts;
  const shape = shapeText === '' ? 'single' : shapeText === '+cluster' ? 'cluster' : 'sentinel';
  const addresses = hostsText.split(',').map((host) => addressOf(host, shape === 'sentinel' ? 26_379 : 6_379));
  const known = addresses.filter((address) => address !== null);
  const [address] = known;
  if (address === undefined || known.length < addresses.length)
    return mistake('a host, or a port from 1 to 65535, is not one');
  const credentials = credentialsOf(who);
  const names = decoded(path.slice(1).split('/'));
  if (credentials === null || names === null) return mistake('a “%” is not followed by two hexadecimal digits');
  const common = { credentials, tls: secure !== '' };
  const options = new URLSearchParams(query);
  const foreign = [...options.keys()].find((key) => !(shape === 'sentinel' && sentinelOptions.has(key)));
  if (foreign !== undefined) return mistake(`the option “${foreign}” is not known here`);

  if (shape === 'sentinel') {
    const [name = '', ...rest] = names;
    if (name === '') return mistake('the name of the primary is missing, as /mymaster after the sentinels');
    const db = dbOf(rest);
    if (db === null) return mistake(dbMistake);
    const sentinelCredentials = {
      username: options.get('sentinel_username'),
      password: options.get('sentinel_password'),
    };
    return { kind: 'target', target: { shape, sentinels: known, name, sentinelCredentials, db, ...common } };
  }
  const db = dbOf(names);
  if (db === null) return mistake(dbMistake);
  if (shape === 'cluster') {
    if (db !== 0) return mistake('a cluster has database 0 only');
    return { kind: 'target', target: { shape, seeds: known, ...common } };
  }
  if (known.length > 1) return mistake('several hosts need redis+cluster:// or redis+sentinel://');
  return { kind: 'target', target: { shape, address, db, ...common } };
}

const sentinelOptions: ReadonlySet<string> = new Set(['sentinel_username', 'sentinel_password']);
const dbMistake = 'after the host may stand the number of a database, as /0, and nothing else';

const mistake = (message: string): ParsedRedisUrl => ({ kind: 'mistake', message });

function addressOf(text: string, defaultPort: number): RedisAddress | null {
  const parts = hostForm.exec(text.trim());
  if (parts === null) return null;
  const [, address, name, portText] = parts;
  const port = portText === undefined ? defaultPort : Number(portText);
  return port < 1 || port > 65_535 ? null : { host: address ?? name ?? '', port };
}

/** `user:password`, `:password`, or `password` alone without a colon is a user name, as in every other URL. */
function credentialsOf(text: string): RedisCredentials | null {
  const colon = text.indexOf(':');
  const parts = decoded(colon < 0 ? [text, ''] : [text.slice(0, colon), text.slice(colon + 1)]);
  if (parts === null) return null;
  const [username = '', password = ''] = parts;
  return { username: username === '' ? null : username, password: password === '' ? null : password };
}

function dbOf(names: readonly string[]): number | null {
  const [text = '', ...more] = names;
  if (more.some((each) => each !== '') || !/^\d{0,3}$/.test(text)) return null;
  return Number(text);
}

function decoded(texts: readonly string[]): readonly string[] | null {
  try {
    return texts.map((text) => decodeURIComponent(text));
  } catch {
    return null;
  }
}
