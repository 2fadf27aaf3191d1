import type { WireError } from '../../contract/errors.ts';
import type { OperatorApi } from './operator-api.ts';

export type PushOutcome =
  | { readonly kind: 'subscribed' | 'denied' | 'unsupported' | 'failed' }
  | { readonly kind: 'refused'; readonly error: WireError };

/** Registers this browser for push messages about the livestream's alerts. Called from a click: browsers ask for permission only then. */
export async function subscribeToPush(api: OperatorApi, livestreamId: string): Promise<PushOutcome> {
  if (!('serviceWorker' in navigator) || !('PushManager' in window)) return { kind: 'unsupported' };
  if ((await Notification.requestPermission()) !== 'granted') return { kind: 'denied' };
  const key = await api('getPushKey', {});
  if (!key.ok) return { kind: 'refused', error: key.error };
  const endpoint = await subscribe(key.value.publicKey);
  if (endpoint === null) return { kind: 'failed' };
  const kept = await api('subscribePush', { livestreamId }, { body: endpoint });
  return kept.ok ? { kind: 'subscribed' } : { kind: 'refused', error: kept.error };
}

/** True when this browser is registered already. */
export async function hasPush(): Promise<boolean> {
  try {
    const worker = await navigator.serviceWorker?.getRegistration('/operator/');
    return ((await worker?.pushManager.getSubscription()) ?? null) !== null;
  } catch {
    return false;
  }
}

async function subscribe(publicKey: string) {
  try {
    await navigator.serviceWorker.register('/operator/sw.js', { scope: '/operator/' });
    const worker = await navigator.serviceWorker.ready;
    const options = { userVisibleOnly: true, applicationServerKey: bytesOf(publicKey) };
    const { endpoint, keys } = (await worker.pushManager.subscribe(options)).toJSON();
    const { p256dh, auth } = keys ?? {};
    return endpoint === undefined || p256dh === undefined || auth === undefined
      ? null
      : { endpoint, keys: { p256dh, auth } };
  } catch {
    // The browser's own push service could not be reached, or does not want this key.
    return null;
  }
}

/** Base64url, as VAPID keys are written. */
function bytesOf(text: string): Uint8Array<ArrayBuffer> {
  const plain = atob(text.replaceAll('-', '+').replaceAll('_', '/'));
  return Uint8Array.from(plain, (character) => character.codePointAt(0) ?? 0);
}
