import type { Page } from 'playwright-core';

/** From now on what moves on the page is added up. */
export const watchLayoutShift = (page: Page): Promise<void> =>
  page.evaluate(`{
    globalThis.shifted = 0;
    new PerformanceObserver((list) => {
      for (const { value } of list.getEntries()) globalThis.shifted += value;
    }).observe({ type: 'layout-shift' });
  }`);

/** Cumulative layout shift since then, as https://web.dev/articles/cls weighs it: share of the screen times share of the way. */
export const layoutShiftOf = (page: Page): Promise<number> => page.evaluate<number>('globalThis.shifted');
