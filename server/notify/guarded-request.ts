import { lookup as systemLookup } from 'node:dns';
import { request as httpRequest, type IncomingHttpHeaders } from 'node:http';
import { request as httpsRequest } from 'node:https';
import { isIP, type LookupFunction } from 'node:net';
import { isPublicAddress } from './address-filter.ts';

export type GuardedAnswer = {
  readonly kind: 'answered';
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly text: string;
};
/** `forbidden`: the address is not one that users may have this server call; nothing was sent. */
export type GuardedOutcome =
  | GuardedAnswer
  | { readonly kind: 'forbidden'; readonly reason: string }
  | { readonly kind: 'unreachable'; readonly reason: string };

export type OutgoingRequest = {
  readonly method: 'GET' | 'POST';
  readonly headers: Readonly<Record<string, string | number>>;
  readonly body: string | Buffer;
  readonly timeoutMs?: number;
  readonly signal?: AbortSignal;
};

export type GuardedRequest = {
  send(url: string, request: OutgoingRequest): Promise<GuardedOutcome>;
  /** Why this address may not be called; null: it may, as far as its text says. Names are resolved, and checked again, at each request. */
  objectionTo(url: string): string | null;
  /** One permitted address of a host, for connections that are not HTTP; null where there is none. */
  resolve(hostname: string): Promise<string | null>;
};

export type ResolveAll = (hostname: string) => Promise<readonly { address: string; family: number }[]>;

const answerBytesMax = 64 * 1_024;
const defaultTimeoutMs = 8_000;

const resolveAll: ResolveAll = (hostname) =>
  new Promise((resolve, reject) => {
    systemLookup(hostname, { all: true, verbatim: true }, (error, addresses) => {
      if (error === null) resolve(addresses);
      else reject(error);
    });
  });

/**
 * Requests to addresses that users typed in. Only public addresses over https: a name that resolves to anything else (even beside a
 * public address) is refused, and the connection goes to the very address that was checked, so that a name cannot change between check
 * and use. Redirects are answers like others: never followed. `privateHosts` are let through, over http too.
 */
export function createGuardedRequest(options: {
  readonly privateHosts: readonly string[];
  readonly resolveAll?: ResolveAll;
}): GuardedRequest {
  const resolver = options.resolveAll ?? resolveAll;
  const isOurs = (hostname: string): boolean => options.privateHosts.includes(bare(hostname));

  const permitted = async (hostname: string): Promise<readonly { address: string; family: number }[]> => {
    const found = await resolver(hostname);
    const wrong = found.find(({ address }) => !isPublicAddress(address));
    if (found.length === 0) throw new Error(`${hostname} has no address`);
    if (wrong !== undefined && !isOurs(hostname)) throw new Forbidden(`${hostname} leads to ${wrong.address}`);
    return found;
  };

  const objectionTo = (text: string): string | null => {
    if (!URL.canParse(text)) return 'not a URL';
    const { protocol, hostname, username, password } = new URL(text);
    if (username !== '' || password !== '') return 'a URL with a user name in it';
    if (isOurs(hostname)) return protocol === 'https:' || protocol === 'http:' ? null : 'not an http(s) URL';
    if (protocol !== 'https:') return 'not an https URL';
    if (isIP(bare(hostname)) !== 0 && !isPublicAddress(bare(hostname))) return `${hostname} is not a public address`;
    return null;
  };

  return {
    objectionTo,
    async send(url, request) {
      const objection = objectionTo(url);
      if (objection !== null) return { kind: 'forbidden', reason: objection };
      try {
        return await exchange(new URL(url), request, lookupOf(permitted));
      } catch (error) {
        if (error instanceof Forbidden) return { kind: 'forbidden', reason: error.message };
        return { kind: 'unreachable', reason: sentenceOf(error) };
      }
    },
    async resolve(hostname) {
      const plain = bare(hostname);
      if (isIP(plain) !== 0) return isOurs(plain) || isPublicAddress(plain) ? plain : null;
      try {
        return (await permitted(plain))[0]?.address ?? null;
      } catch (error) {
        if (error instanceof Forbidden) return null;
        throw error;
      }
    },
  };
}

class Forbidden extends Error {
  override readonly name = 'Forbidden';
}

/** Without the brackets of an IPv6 address and the root's dot. */
const bare = (hostname: string): string => hostname.toLowerCase().replace(/^\[|\]$|\.$/g, '');

function lookupOf(permitted: ResolveAll): LookupFunction {
  return (hostname, options, callback) => {
    void answer(permitted(hostname), options.all === true, callback);
  };
}

async function answer(
  asked: ReturnType<ResolveAll>,
  all: boolean,
  callback: Parameters<LookupFunction>[2],
): Promise<void> {
  const found = await asked.catch((error: unknown) => (error instanceof Error ? error : new Error(String(error))));
  if (found instanceof Error) callback(found, []);
  else if (all) callback(null, [...found]);
  else callback(null, found[0]?.address ?? '', found[0]?.family);
}

function exchange(url: URL, outgoing: OutgoingRequest, lookup: LookupFunction): Promise<GuardedAnswer> {
  const { method, headers, body, timeoutMs = defaultTimeoutMs } = outgoing;
  const deadline = AbortSignal.timeout(timeoutMs);
  const signal = outgoing.signal === undefined ? deadline : AbortSignal.any([deadline, outgoing.signal]);
  return new Promise((resolve, reject) => {
    const send = url.protocol === 'https:' ? httpsRequest : httpRequest;
    const all = { 'user-agent': 'stockcast', 'content-length': Buffer.byteLength(body), ...headers };
    const req = send(url, { method, headers: all, agent: false, lookup, signal }, (res) => {
      const chunks: Buffer[] = [];
      let bytes = 0;
      res.on('data', (chunk: Buffer) => {
        bytes += chunk.length;
        if (bytes <= answerBytesMax) chunks.push(chunk);
        else req.destroy(new Error(`the answer is longer than ${answerBytesMax} bytes`));
      });
      res.on('error', reject);
      res.on('end', () => {
        const text = Buffer.concat(chunks).toString('utf8');
        resolve({ kind: 'answered', status: res.statusCode ?? 0, headers: res.headers, text });
      });
    });
    req.on('error', (error) => reject(deadline.aborted ? new Error(`no answer within ${timeoutMs} ms`) : error));
    req.end(body);
  });
}

function sentenceOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const code = 'code' in error ? `${String(error.code)} ` : '';
  return `${code}${error.message}`.slice(0, 200);
}
