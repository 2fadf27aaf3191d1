import { type DestinationStream, type LevelWithSilent, type Logger, pino } from 'pino';

export type Log = Pick<Logger, 'trace' | 'debug' | 'info' | 'warn' | 'error' | 'fatal'>;

/** Fields that may carry a secret, at the depths at which this program logs. */
const secretFields = ['authorization', 'cookie', '["set-cookie"]', 'token', 'orderToken', 'secret', 'password'];
const redacted = secretFields.flatMap((name) => {
  const step = name.startsWith('[') ? name : `.${name}`;
  return [name, `*${step}`, `*.*${step}`, `*.*.*${step}`];
});

/** Tokens also hide inside texts: addresses with a query or fragment, messages of errors. */
const tokenInText = /((?:token|order)=|Bearer\s+)[^\s&"'#]+|eyJ[\w-]+\.[\w-]+\.[\w-]+|ovl_[\w-]{8,}/gi;

/**
 * One JSON object a line; readable colours where a person looks on (a TTY). No token, cookie or secret is ever written: known fields are
 * redacted, and every finished line is searched once more.
 */
export function createLog(config: { readonly logLevel: LevelWithSilent }, destination?: DestinationStream): Logger {
  const options = {
    level: config.logLevel,
    base: null,
    serializers: { err: errorText },
    redact: { paths: redacted, censor: '[redacted]' },
    hooks: { streamWrite: withoutTokens },
  };
  if (destination !== undefined) return pino(options, destination);
  if (!process.stdout.isTTY) return pino(options);
  const transport = { target: 'pino-pretty', options: { colorize: true, translateTime: 'SYS:HH:MM:ss.l' } };
  return pino({ ...options, transport });
}

/**
 * What a reader needs of an error, its causes included. Not whatever a library hangs on it: drivers add their connection with its settings,
 * Redis clients the command with its arguments.
 */
function errorText(error: unknown): object {
  if (!(error instanceof Error)) return { message: String(error) };
  const code = 'code' in error && typeof error.code === 'string' ? { code: error.code } : {};
  const cause = error.cause === undefined ? {} : { cause: errorText(error.cause) };
  return { type: error.name, message: error.message, ...code, stack: error.stack, ...cause };
}

/** The text with every token in it replaced. */
export function withoutTokens(text: string): string {
  return text.replace(tokenInText, (_match, name: string | undefined) => `${name ?? ''}[redacted]`);
}
