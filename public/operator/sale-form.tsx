import { useSignal } from '@preact/signals';
import type { ItemInfo } from '../../contract/livestreams.ts';
import { ErrorNote, submitting, useAction } from './action.tsx';
import { TextField } from './fields.tsx';
import { momentOf, momentText } from './form-values.ts';
import { TermsFields, termsOf, useTerms } from './item-terms.tsx';
import { useConsole } from './store.ts';

/** Price, limits, when orders take units, what viewers see. */
export function SaleForm({ item }: { item: ItemInfo }) {
  const console = useConsole();
  const words = console.words.value;
  const form = useTerms(item);
  const action = useAction();
  const unusable = termsOf(form) === null;
  const submit = async (): Promise<void> => {
    const body = termsOf(form);
    if (body === null) return;
    const { api, livestreamId } = console;
    const done = await action.run(() => api('changeItem', { livestreamId, skuId: item.skuId }, { body }));
    if (done !== null) console.say(words.saved);
  };
  return (
    <div class="box">
      <form class="box-form" onSubmit={submitting(submit)}>
        <h3>{words.panel.sections.sale}</h3>
        <TermsFields form={form} />
        {unusable && <p class="hint hint-bad">{words.panel.invalid}</p>}
        <ErrorNote error={action.error.value} language={console.language.value} />
        <button type="submit" class="button button-quiet" aria-disabled={unusable || action.busy.value}>
          {action.busy.value ? words.saving : words.save}
        </button>
      </form>
    </div>
  );
}

/** A moment at which the sale opens by itself. */
export function OpenAt({ item }: { item: ItemInfo }) {
  const console = useConsole();
  const words = console.words.value.sale;
  const at = useSignal(momentText(item.opensAtMs));
  const action = useAction();
  const opensAtMs = momentOf(at.value);
  const submit = async (): Promise<void> => {
    if (opensAtMs === undefined) return;
    const { api, livestreamId } = console;
    const body = { action: 'open', opensAtMs } as const;
    const done = await action.run(() => api('changeSale', { livestreamId, skuId: item.skuId }, { body }));
    if (done !== null) console.say(console.words.value.saved);
  };
  return (
    <form class="box" onSubmit={submitting(submit)}>
      <TextField label={words.openAt} value={at} type="datetime-local" />
      <button type="submit" class="small-button" aria-disabled={opensAtMs === undefined || action.busy.value}>
        {words.openAtMoment}
      </button>
      <ErrorNote error={action.error.value} language={console.language.value} />
    </form>
  );
}
