import { randomBytes } from 'node:crypto';
import { chmod, link, mkdir, readFile, stat, unlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import * as z from 'zod';
import { type Config, ConfigError } from './config.ts';

export type Secrets = { readonly sessionSecret: string; readonly paymentWebhookSecret: string };

const SecretsFile = z.object({
  sessionSecret: z.string().min(32),
  paymentWebhookSecret: z.string().startsWith('whsec_'),
});

/**
 * The configured secrets; what is not configured is read from `secrets.json` under DATA_DIR, which the first start makes (only its
 * owner may read it). Two processes that start at once agree on one file. Throws `ConfigError` for a file that is damaged: making
 * new secrets silently would end every session and refuse every payment callback.
 */
export async function resolveSecrets(
  config: Pick<Config, 'dataDir' | 'sessionSecret' | 'paymentWebhookSecret' | 'mode'>,
): Promise<Secrets> {
  const { sessionSecret, paymentWebhookSecret, mode } = config;
  if (sessionSecret !== null && paymentWebhookSecret !== null) return { sessionSecret, paymentWebhookSecret };
  if (mode === 'production')
    throw new ConfigError('SESSION_SECRET and PAYMENT_WEBHOOK_SECRET are needed in production');
  const local = await localSecrets(config.dataDir);
  return {
    sessionSecret: sessionSecret ?? local.sessionSecret,
    paymentWebhookSecret: paymentWebhookSecret ?? local.paymentWebhookSecret,
  };
}

async function localSecrets(dataDir: string): Promise<Secrets> {
  const path = join(dataDir, 'secrets.json');
  await mkdir(dataDir, { recursive: true, mode: 0o700 });
  const made = {
    sessionSecret: randomBytes(32).toString('base64url'),
    paymentWebhookSecret: `whsec_${randomBytes(32).toString('base64')}`,
  };
  const draft = `${path}.${process.pid}.${randomBytes(4).toString('hex')}`;
  await writeFile(draft, `${JSON.stringify(made, null, 2)}\n`, { mode: 0o600, flag: 'wx' });
  try {
    // A link appears whole or not at all, and never replaces the file of a process that was faster.
    await link(draft, path);
  } catch (error) {
    if (!isErrorCode(error, 'EEXIST')) throw error;
  } finally {
    await unlink(draft);
  }
  return readSecrets(path);
}

async function readSecrets(path: string): Promise<Secrets> {
  if (((await stat(path)).mode & 0o077) !== 0) await chmod(path, 0o600);
  let content: unknown;
  try {
    content = JSON.parse(await readFile(path, 'utf8'));
  } catch (error) {
    throw new ConfigError(`${path} is not readable JSON; restore it, or remove it to end all sessions`, {
      cause: error,
    });
  }
  const parsed = SecretsFile.safeParse(content);
  if (!parsed.success) throw new ConfigError(`${path} is damaged; restore it, or remove it to end all sessions`);
  return parsed.data;
}

const isErrorCode = (error: unknown, code: string): boolean =>
  error instanceof Error && 'code' in error && error.code === code;
