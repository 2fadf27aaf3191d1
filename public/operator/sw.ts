/// <reference lib="webworker" />
/** Service worker of the console: shows push messages about alerts, and opens the console at a click. It caches nothing. */
const worker = globalThis as unknown as ServiceWorkerGlobalScope;

type Message = {
  readonly title: string;
  readonly body: string;
  readonly tag: string | undefined;
  readonly url: string;
  /** A page that asks once more and then acknowledges. */
  readonly acknowledgeUrl: string | null;
};

worker.addEventListener('install', () => void worker.skipWaiting());
worker.addEventListener('activate', (event) => event.waitUntil(worker.clients.claim()));

worker.addEventListener('push', (event) => {
  const { title, body, tag, url, acknowledgeUrl } = read(event.data);
  const options: NotificationOptions & { actions?: readonly { action: string; title: string }[] } = {
    body,
    icon: '/favicon.svg',
    data: { url, acknowledgeUrl },
    requireInteraction: true,
    ...(tag === undefined ? {} : { tag }),
    ...(acknowledgeUrl === null ? {} : { actions: [{ action: 'acknowledge', title: '确认 Acknowledge' }] }),
  };
  event.waitUntil(worker.registration.showNotification(title, options));
});

worker.addEventListener('notificationclick', (event) => {
  event.notification.close();
  const { url, acknowledgeUrl } = event.notification.data as Pick<Message, 'url' | 'acknowledgeUrl'>;
  event.waitUntil(
    event.action === 'acknowledge' && acknowledgeUrl !== null
      ? worker.clients.openWindow(acknowledgeUrl)
      : openConsole(url),
  );
});

/** A browser that shows no notification for a push loses its permission: whatever comes is shown. */
function read(data: PushMessageData | null): Message {
  const plain = {
    title: 'Stockcast',
    body: data?.text() ?? '',
    tag: undefined,
    url: '/operator/',
    acknowledgeUrl: null,
  };
  try {
    const { title, body, tag, url, acknowledgeUrl } = (data?.json() ?? {}) as Record<string, unknown>;
    return {
      title: typeof title === 'string' ? title : plain.title,
      body: typeof body === 'string' ? body : '',
      tag: typeof tag === 'string' ? tag : undefined,
      url: ownUrl(url) ?? plain.url,
      acknowledgeUrl: ownUrl(acknowledgeUrl),
    };
  } catch {
    return plain;
  }
}

/** Addresses of other sites are not opened. */
function ownUrl(url: unknown): string | null {
  if (typeof url !== 'string') return null;
  const address = new URL(url, worker.location.origin);
  return address.origin === worker.location.origin ? address.href : null;
}

/** A page of this livestream that is open already comes to the front. */
async function openConsole(url: string): Promise<void> {
  const pages = await worker.clients.matchAll({ type: 'window', includeUncontrolled: true });
  const target = livestreamOf(url);
  const page = pages.find((each) => livestreamOf(each.url) === target);
  if (page === undefined) await worker.clients.openWindow(url);
  else await page.focus();
}

const livestreamOf = (url: string): string => {
  const { pathname, searchParams } = new URL(url, worker.location.origin);
  return `${pathname} ${searchParams.get('livestream')}`;
};
