export type OtherTabs = {
  /** An order was placed in this tab. */
  tell(): void;
};

/**
 * The server answers an order to the tab that placed it. The other tabs of this browser hear here that there is something new, and ask for
 * their own orders themselves: a tab may be another buyer's. Where the browser has no such channel, they learn it when they load again.
 */
export function otherTabs(livestreamId: string, heard: () => void): OtherTabs {
  if (typeof BroadcastChannel === 'undefined') return { tell: () => {} };
  const channel = new BroadcastChannel(`stockcast.orders.${livestreamId}`);
  channel.addEventListener('message', heard);
  // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a channel, not a window
  return { tell: () => channel.postMessage('placed') };
}
