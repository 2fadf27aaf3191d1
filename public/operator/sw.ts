/// <reference lib="webworker" />
/** Service worker of the console: shows push messages about alerts, and opens the console at a click. It caches nothing. */
const worker = globalThis as unknown as ServiceWorkerGlobalScope;

type Message = {
  readonly title: string;
  readonly body: string;
  readonly url: string;
  readonly tag: string | undefined;
};

worker.addEventListener('install', () => void worker.skipWaiting());
worker.addEventListener('activate', (event) => event.waitUntil(worker.clients.claim()));

worker.addEventListener('push', (event) => {
  const { title, body, url, tag } = read(event.data);
  const shown = { body, icon: '/favicon.svg', data: { url }, requireInteraction: true };
  event.waitUntil(worker.registration.showNotification(title, tag === undefined ? shown : { ...shown, tag }));
});

worker.addEventListener('notificationclick', (event) => {
  event.notification.close();
  const { url } = event.notification.data as { url: string };
  event.waitUntil(open(url));
});

/** A browser that shows no notification for a push loses its permission: whatever comes is shown. */
function read(data: PushMessageData | null): Message {
  const plain = { title: 'Stockcast', body: data?.text() ?? '', url: '/operator/', tag: undefined };
  try {
    const { title, body, url, tag } = (data?.json() ?? {}) as Record<string, unknown>;
    return {
      title: typeof title === 'string' ? title : plain.title,
      body: typeof body === 'string' ? body : '',
      url: typeof url === 'string' ? ownUrl(url) : plain.url,
      tag: typeof tag === 'string' ? tag : undefined,
    };
  } catch {
    return plain;
  }
}

/** Addresses of other sites are not opened. */
function ownUrl(url: string): string {
  const address = new URL(url, worker.location.origin);
  return address.origin === worker.location.origin ? address.href : '/operator/';
}

async function open(url: string): Promise<void> {
  const pages = await worker.clients.matchAll({ type: 'window', includeUncontrolled: true });
  const target = new URL(url, worker.location.origin);
  const page = pages.find((each) => new URL(each.url).pathname === target.pathname && target.search === '');
  if (page === undefined) await worker.clients.openWindow(target.href);
  else await page.focus();
}
