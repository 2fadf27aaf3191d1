import { useSignal } from '@preact/signals';

/** An item's picture, or the first sign of its title where there is none or it does not load. */
export function Picture({ src, title }: { src: string | null; title: string }) {
  const broken = useSignal<string | null>(null);
  return (
    <span class="thumb" aria-hidden="true">
      {src === null || broken.value === src ? (
        title.slice(0, 1)
      ) : (
        <img src={src} alt="" width="40" height="40" loading="lazy" onError={() => (broken.value = src)} />
      )}
    </span>
  );
}
