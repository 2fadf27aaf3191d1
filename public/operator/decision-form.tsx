import { useSignal } from '@preact/signals';
import type * as z from 'zod/mini';
import type { Decision } from '../../contract/alerts.ts';
import { ErrorNote, submitting, useAction } from './action.tsx';
import { SelectField, TextField } from './fields.tsx';
import { useConsole } from './store.ts';

type Kind = z.infer<typeof Decision>['kind'];

/** Notes what was decided, at this moment, on the curve. */
export function DecisionForm({ skuId }: { skuId: string | null }) {
  const console = useConsole();
  const words = console.words.value.panel;
  const kind = useSignal<Kind>('replenish');
  const text = useSignal('');
  const action = useAction();
  const submit = async (): Promise<void> => {
    if (text.value.trim() === '') return;
    const { api, livestreamId } = console;
    const body = { skuId, kind: kind.value, text: text.value.trim() };
    const noted = await action.run(() => api('noteDecision', { livestreamId }, { body }));
    if (noted === null) return;
    text.value = '';
    console.say(words.decisionDone);
  };
  return (
    <form class="decision" onSubmit={submitting(submit)}>
      <SelectField
        label={words.decision}
        value={kind.value}
        options={words.decisionKind}
        onPick={(next) => (kind.value = next)}
      />
      <TextField label={words.decisionText} value={text} maxLength={500} />
      <button type="submit" class="small-button" aria-disabled={action.busy.value || text.value.trim() === ''}>
        {words.decision}
      </button>
      <ErrorNote error={action.error.value} language={console.language.value} />
    </form>
  );
}
