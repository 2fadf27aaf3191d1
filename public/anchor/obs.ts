import { type ReadonlySignal, signal } from '@preact/signals';

/** False while nobody can see this source: hidden in every scene, or in a tab in the background. */
export function visibility(page: Window): ReadonlySignal<boolean> {
  let inScene = true;
  const visible = signal(!page.document.hidden);
  const look = (): void => {
    visible.value = inScene && !page.document.hidden;
  };
  page.document.addEventListener('visibilitychange', look);
  // Sent by OBS only, as events of the window; a source that is on air is visible.
  page.addEventListener('obsSourceVisibleChanged', (event) => {
    inScene = shownIn(event) ?? inScene;
    look();
  });
  return visible;
}

function shownIn(event: Event): boolean | undefined {
  const { detail } = event as CustomEvent<{ visible?: unknown } | null>;
  return typeof detail?.visible === 'boolean' ? detail.visible : undefined;
}
