import { Agent as HttpAgent, request as httpRequest, type IncomingMessage } from 'node:http';
import { Agent as HttpsAgent, request as httpsRequest } from 'node:https';
import * as z from 'zod/mini';
import { WireError, wireError } from '../../contract/errors.ts';
import { API_PREFIX, type Route } from '../../contract/routes.ts';

/** No answer: refused connection, reset, or nothing within the time limit. For an order, its outcome is unknown. */
export class Unanswered extends Error {
  override readonly name = 'Unanswered';
}

export type Reply = { readonly status: number; readonly text: string };

export type CallResult<Answer> =
  | { readonly ok: true; readonly answer: Answer }
  | { readonly ok: false; readonly status: number; readonly error: WireError };

type Input<R extends Route> = {
  readonly token?: string;
  readonly params?: Readonly<Record<string, string>>;
  readonly query?: Readonly<Record<string, string>>;
} & (R extends { body: infer B extends z.ZodMiniType } ? { readonly body: z.input<B> } : { readonly body?: never });

const ErrorBody = z.object({ error: WireError });

export type SendRequest = {
  readonly method: string;
  /** Path with query, from the server's root. */
  readonly path: string;
  readonly token?: string | undefined;
  readonly body?: string | undefined;
  readonly headers?: Readonly<Record<string, string>>;
};

/** A client of the public REST API over keep-alive connections, typed by the contract's routes. */
export class ApiClient {
  readonly #base: URL;
  readonly #agent: HttpAgent;
  readonly #timeoutMs: number;

  /** `connections`: how many may be open at once; a burst opens one for each buyer. */
  constructor(url: string, options: { connections?: number; timeoutMs?: number } = {}) {
    this.#base = new URL(url);
    const agentOptions = { keepAlive: true, maxSockets: options.connections ?? 64 };
    this.#agent = this.#base.protocol === 'https:' ? new HttpsAgent(agentOptions) : new HttpAgent(agentOptions);
    this.#timeoutMs = options.timeoutMs ?? 15_000;
  }

  /** One request, one answer parsed by the route's schema. Rejects with `Unanswered`; a refusal is a value. */
  async call<R extends Route>(route: R, input: Input<R>): Promise<CallResult<z.output<R['answer']>>> {
    const reply = await this.send({
      method: route.method.toUpperCase(),
      path: pathOf(route, input.params ?? {}, input.query ?? {}),
      token: input.token,
      body: input.body === undefined ? undefined : JSON.stringify(input.body),
    });
    // A repeated order is answered 200 where a new one is 201.
    if (reply.status < 200 || reply.status > 299) return { ok: false, status: reply.status, error: errorOf(reply) };
    return { ok: true, answer: route.answer.parse(jsonOf(reply)) as z.output<R['answer']> };
  }

  /** As `call`, for requests whose refusal ends the program: throws an error that names the route and the reason. */
  async need<R extends Route>(route: R, input: Input<R>): Promise<z.output<R['answer']>> {
    const result = await this.call(route, input);
    if (result.ok) return result.answer;
    const { code, message, issues } = result.error;
    const where =
      issues === undefined ? '' : ` (${issues.map((issue) => `${issue.path}: ${issue.message}`).join('; ')})`;
    throw new Error(`${route.method.toUpperCase()} ${route.path} was refused: ${code}, ${message.en}${where}`);
  }

  /** The bare exchange, for paths outside the contract and for callers that measure. */
  send({ method, path, token, body, headers }: SendRequest): Promise<Reply> {
    return new Promise((resolve, reject) => {
      const open = this.#base.protocol === 'https:' ? httpsRequest : httpRequest;
      const unanswered = (cause: unknown): void =>
        reject(
          new Unanswered(`${method} ${path}: ${cause instanceof Error ? cause.message : String(cause)}`, { cause }),
        );
      const outgoing = open(
        new URL(path, this.#base),
        {
          method,
          agent: this.#agent,
          timeout: this.#timeoutMs,
          headers: {
            ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
            ...(body === undefined
              ? {}
              : { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) }),
            ...headers,
          },
        },
        (incoming) => {
          collect(incoming).then(resolve, unanswered);
        },
      );
      outgoing.on('timeout', () => outgoing.destroy(new Error(`no answer within ${this.#timeoutMs} ms`)));
      outgoing.on('error', unanswered);
      outgoing.end(body);
    });
  }

  close(): void {
    this.#agent.destroy();
  }
}

async function collect(incoming: IncomingMessage): Promise<Reply> {
  const parts: Buffer[] = [];
  for await (const part of incoming) parts.push(part as Buffer);
  return { status: incoming.statusCode ?? 0, text: Buffer.concat(parts).toString('utf8') };
}

function pathOf(
  route: Route,
  params: Readonly<Record<string, string>>,
  query: Readonly<Record<string, string>>,
): string {
  const path = route.path.replace(/:(\w+)/g, (_, name: string) => {
    const value = params[name];
    if (value === undefined) throw new Error(`${route.path} needs ${name}`);
    return encodeURIComponent(value);
  });
  const search = new URLSearchParams(query).toString();
  return `${API_PREFIX}${path}${search === '' ? '' : `?${search}`}`;
}

function jsonOf(reply: Reply): unknown {
  try {
    return JSON.parse(reply.text);
  } catch (cause) {
    throw new Error(`the answer (${reply.status}) is no JSON: ${reply.text.slice(0, 100)}`, { cause });
  }
}

/** An error of any other shape (a proxy's page, say) counts as `internal`, so that callers know one shape only. */
export function errorOf(reply: Reply): WireError {
  try {
    const parsed = ErrorBody.safeParse(JSON.parse(reply.text));
    if (parsed.success) return parsed.data.error;
  } catch {
    // No JSON at all: falls through to the same answer.
  }
  return wireError(reply.status === 503 ? 'unavailable' : 'internal');
}
