import { useSignal } from '@preact/signals';
import type { Person, Supplier } from '../../contract/alerts.ts';
import { ErrorNote, submitting, useAction } from './action.tsx';
import { CheckField, TextField } from './fields.tsx';
import { isId } from './form-values.ts';
import type { Channel } from './people.tsx';
import { useConsole } from './store.ts';

export function PersonForm({
  known,
  channels,
  onSaved,
}: {
  readonly known: Person | null;
  readonly channels: readonly Channel[];
  readonly onSaved: (person: Person) => void;
}) {
  const console = useConsole();
  const words = console.words.value.people;
  const personId = useSignal(known?.personId ?? '');
  const name = useSignal(known?.name ?? '');
  const phone = useSignal(known?.phone ?? '');
  const email = useSignal(known?.email ?? '');
  const channelIds = useSignal<readonly string[]>(known?.channelIds ?? []);
  const action = useAction();
  const unusable = !isId(personId.value) || name.value.trim() === '';
  const submit = async (): Promise<void> => {
    if (unusable) return;
    const body = {
      personId: personId.value,
      name: name.value.trim(),
      phone: phone.value.trim() || null,
      email: email.value.trim() || null,
      channelIds: [...channelIds.value],
    };
    const saved = await action.run(() => console.api('putPerson', {}, { body }));
    if (saved === null) return;
    onSaved(saved.person);
    console.say(console.words.value.saved);
    void console.refreshOnCall();
  };
  return (
    <form class="box-form" onSubmit={submitting(submit)}>
      <div class="field-row">
        {known === null && (
          <TextField label={words.id} value={personId} invalid={personId.value !== '' && !isId(personId.value)} />
        )}
        <TextField label={words.name} value={name} maxLength={100} />
        <TextField label={words.phone} value={phone} type="tel" maxLength={32} />
        <TextField label={words.email} value={email} type="email" maxLength={200} />
      </div>
      <fieldset>
        <legend>
          {words.channels} <span class="quiet">{words.channelOrder}</span>
        </legend>
        {channels.map(({ channelId, name: label }) => {
          const place = channelIds.value.indexOf(channelId);
          return (
            <CheckField
              key={channelId}
              label={place === -1 ? label : `${place + 1}. ${label}`}
              checked={place !== -1}
              onToggle={(checked) => {
                const others = channelIds.value.filter((each) => each !== channelId);
                channelIds.value = checked ? [...others, channelId] : others;
              }}
            />
          );
        })}
      </fieldset>
      <ErrorNote error={action.error.value} language={console.language.value} />
      <button type="submit" class="small-button" aria-disabled={unusable || action.busy.value}>
        {console.words.value.save}
      </button>
    </form>
  );
}

export function SupplierForm({ known }: { known: Supplier | null }) {
  const console = useConsole();
  const words = console.words.value.people;
  const supplierId = useSignal(known?.supplierId ?? '');
  const name = useSignal(known?.name ?? '');
  const contact = useSignal(known?.contact ?? '');
  const products = useSignal(known?.productIds.join(', ') ?? '');
  const action = useAction();
  const productIds = products.value.split(/[,，\s]+/).filter((each) => each !== '');
  const unusable =
    !isId(supplierId.value) || name.value.trim() === '' || contact.value.trim() === '' || !productIds.every(isId);
  const submit = async (): Promise<void> => {
    if (unusable) return;
    const body = { supplierId: supplierId.value, name: name.value.trim(), contact: contact.value.trim(), productIds };
    const saved = await action.run(() => console.api('putSupplier', {}, { body }));
    if (saved === null) return;
    console.say(console.words.value.saved);
    void console.refreshOnCall();
  };
  return (
    <form class="box-form" onSubmit={submitting(submit)}>
      <div class="field-row">
        {known === null && (
          <TextField label={words.id} value={supplierId} invalid={supplierId.value !== '' && !isId(supplierId.value)} />
        )}
        <TextField label={words.name} value={name} maxLength={100} />
        <TextField label={words.contact} value={contact} maxLength={200} />
      </div>
      <TextField label={words.products} value={products} invalid={!productIds.every(isId)} />
      <ErrorNote error={action.error.value} language={console.language.value} />
      <button type="submit" class="small-button" aria-disabled={unusable || action.busy.value}>
        {console.words.value.save}
      </button>
    </form>
  );
}
