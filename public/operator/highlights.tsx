import { besideLabel } from '../lib/cue-text.ts';
import { textIn } from '../lib/languages.ts';
import { formatRate } from './format.ts';
import { useConsole } from './store.ts';

const shownMax = 3;

/** What to look at: the cue of the moment, hot items with their pace, slow ones with the value that is left, what to push next. */
export function Highlights() {
  const console = useConsole();
  const words = console.words.value;
  const pace = console.pace.value;
  const language = console.language.value;
  const worth = (skuId: string): string => {
    const item = console.itemOf(skuId);
    if (item === undefined) return '';
    return words.wall.worth(console.price(console.countsOf(item).available * item.unitPriceMinor, item.currency));
  };
  const rate = (skuId: string): string =>
    words.wall.perMinute(formatRate(console.paceOf(skuId)?.velocity?.perMinute ?? null, language));
  return (
    <div class="highlights">
      <div class="cue" data-cue={pace?.cue.cue ?? 'keep'}>
        <b>{words.cue[pace?.cue.cue ?? 'keep']}</b>
        <span>{pace === null ? '—' : besideLabel(words.cue[pace.cue.cue], textIn(language, pace.cue.text))}</span>
      </div>
      <Group title={words.wall.hot} skuIds={pace?.hot ?? []} noteOf={rate} />
      <Group title={words.wall.slow} skuIds={pace?.slow ?? []} noteOf={worth} />
      <Group title={words.wall.next} skuIds={pace?.next ?? []} noteOf={() => ''} />
    </div>
  );
}

function Group({
  title,
  skuIds,
  noteOf,
}: {
  readonly title: string;
  readonly skuIds: readonly string[];
  readonly noteOf: (skuId: string) => string;
}) {
  const console = useConsole();
  return (
    <div class="highlight">
      <span class="highlight-title">{title}</span>
      <ul>
        {skuIds.slice(0, shownMax).map((skuId) => (
          <li key={skuId}>
            <button type="button" class="highlight-item" onClick={() => (console.openSku.value = skuId)}>
              <span>{console.nameOf(skuId)}</span>
              <span class="quiet number">{noteOf(skuId)}</span>
            </button>
          </li>
        ))}
        {skuIds.length === 0 && <li class="quiet">—</li>}
      </ul>
    </div>
  );
}
