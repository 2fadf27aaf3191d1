import { randomBytes } from 'node:crypto';
import { chmod, link, mkdir, readFile, unlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import webPush from 'web-push';
import * as z from 'zod';
import type { Config } from '../config/config.ts';

export type VapidKeys = { readonly publicKey: string; readonly privateKey: string; readonly subject: string };

const KeysFile = z.object({ publicKey: z.string().length(87), privateKey: z.string().length(43) });

/**
 * The configured keys of Web Push; without them those of `vapid.json` under DATA_DIR, which the first start makes (only its owner may
 * read it; two processes that start at once agree on one file). Browsers bind their subscription to the public key: with other keys
 * everybody has to register again, so a damaged file is an error and not a reason for new ones.
 */
export async function resolveVapidKeys(
  config: Pick<Config, 'dataDir' | 'vapidPublicKey' | 'vapidPrivateKey' | 'vapidSubject' | 'publicUrl'>,
): Promise<VapidKeys> {
  const { vapidPublicKey, vapidPrivateKey, publicUrl } = config;
  const address = publicUrl?.startsWith('https:') === true ? publicUrl : 'mailto:operator@stockcast.invalid';
  const subject = config.vapidSubject ?? address;
  if (vapidPublicKey !== null && vapidPrivateKey !== null) {
    return { publicKey: vapidPublicKey, privateKey: vapidPrivateKey, subject };
  }
  return { ...(await localKeys(config.dataDir)), subject };
}

async function localKeys(dataDir: string): Promise<z.infer<typeof KeysFile>> {
  const path = join(dataDir, 'vapid.json');
  await mkdir(dataDir, { recursive: true, mode: 0o700 });
  const draft = `${path}.${process.pid}.${randomBytes(4).toString('hex')}`;
  await writeFile(draft, `${JSON.stringify(webPush.generateVAPIDKeys(), null, 2)}\n`, { mode: 0o600, flag: 'wx' });
  try {
    await link(draft, path);
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'EEXIST')) throw error;
  } finally {
    await unlink(draft);
  }
  await chmod(path, 0o600);
  const parsed = KeysFile.safeParse(parse(await readFile(path, 'utf8')));
  if (!parsed.success)
    throw new Error(`${path} is damaged; restore it, or remove it and have every browser register again`);
  return parsed.data;
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}
