import { useSignal } from '@preact/signals';
import { ErrorNote, submitting, useAction } from './action.tsx';
import { TextField } from './fields.tsx';
import { countOf, isId } from './form-values.ts';
import { TermsFields, termsOf, useTerms } from './item-terms.tsx';
import { useConsole } from './store.ts';

/** Puts a SKU that exists on sale in this livestream. */
export function AddItemForm() {
  const console = useConsole();
  const words = console.words.value;
  const skuId = useSignal('');
  const allotted = useSignal('');
  const form = useTerms(null);
  const action = useAction();
  // A livestream sells in one currency: the first item's.
  const currency = console.livestream.value?.items[0]?.currency;
  if (currency !== undefined && form.currency.peek() !== currency) form.currency.value = currency;
  const [terms, units] = [termsOf(form), countOf(allotted.value)];
  const unusable = !isId(skuId.value.trim()) || terms === null || units === undefined;
  const submit = async (): Promise<void> => {
    if (unusable) return;
    const { api, livestreamId } = console;
    const body = { ...terms, skuId: skuId.value.trim(), currency: form.currency.value, allotted: units };
    const added = await action.run(() => api('addItem', { livestreamId }, { body }));
    if (added === null) return;
    console.say(words.show.added(body.skuId));
    skuId.value = '';
    allotted.value = '';
    void console.refreshPlans();
  };
  return (
    <form class="box" onSubmit={submitting(submit)}>
      <h2>{words.show.addItem}</h2>
      <div class="field-row">
        <TextField label={words.show.skuId} value={skuId} invalid={skuId.value !== '' && !isId(skuId.value.trim())} />
        <TextField
          label={words.panel.allotted}
          value={allotted}
          numeric
          invalid={allotted.value !== '' && units === undefined}
        />
        {currency === undefined && <TextField label={words.show.currency} value={form.currency} maxLength={3} />}
      </div>
      <TermsFields form={form} />
      <ErrorNote error={action.error.value} language={console.language.value} />
      <button type="submit" class="button button-buy" aria-disabled={unusable || action.busy.value}>
        {action.busy.value ? words.saving : words.show.addItem}
      </button>
    </form>
  );
}

/** A product's option with its units in a warehouse, for shops without an ERP: four requests, each of which may be repeated. */
export function NewSkuForm() {
  const console = useConsole();
  const words = console.words.value.show;
  const fields = {
    productId: useSignal(''),
    skuId: useSignal(''),
    titleZh: useSignal(''),
    titleEn: useSignal(''),
    specName: useSignal(''),
    specValue: useSignal(''),
    warehouse: useSignal('main'),
    onHand: useSignal(''),
  };
  const action = useAction();
  const onHand = countOf(fields.onHand.value);
  const { value: productId } = fields.productId;
  const { value: skuId } = fields.skuId;
  const { value: warehouseId } = fields.warehouse;
  const title = { zh: fields.titleZh.value.trim(), en: fields.titleEn.value.trim() || fields.titleZh.value.trim() };
  const unusable = ![productId, skuId, warehouseId].every(isId) || title.zh === '' || onHand === undefined;
  const submit = async (): Promise<void> => {
    if (unusable) return;
    const { api } = console;
    const [name, value] = [fields.specName.value.trim(), fields.specValue.value.trim()];
    const spec = name === '' || value === '' ? [] : [{ name: { zh: name, en: name }, value: { zh: value, en: value } }];
    const done = await action.run(async () => {
      const product = await api('putProduct', {}, { body: { productId, title } });
      if (!product.ok) return product;
      const sku = await api('putSku', {}, { body: { skuId, productId, spec } });
      if (!sku.ok) return sku;
      const name = { zh: warehouseId, en: warehouseId };
      const warehouse = await api('putWarehouse', {}, { body: { warehouseId, name } });
      if (!warehouse.ok) return warehouse;
      return api('setWarehouseStock', { warehouseId, skuId }, { body: { onHand, reason: 'console' } });
    });
    if (done !== null) console.say(words.made(skuId));
  };
  const id = (name: 'productId' | 'skuId' | 'warehouse', label: string) => (
    <TextField label={label} value={fields[name]} invalid={fields[name].value !== '' && !isId(fields[name].value)} />
  );
  return (
    <form class="box" onSubmit={submitting(submit)}>
      <h2>{words.newSku}</h2>
      <div class="field-row">
        {id('productId', words.productId)}
        {id('skuId', words.skuId)}
      </div>
      <div class="field-row">
        <TextField label={words.titleZh} value={fields.titleZh} maxLength={200} />
        <TextField label={words.titleEn} value={fields.titleEn} maxLength={200} />
      </div>
      <div class="field-row">
        <TextField label={words.specName} value={fields.specName} maxLength={200} />
        <TextField label={words.specValue} value={fields.specValue} maxLength={200} />
      </div>
      <div class="field-row">
        {id('warehouse', words.warehouse)}
        <TextField
          label={words.onHand}
          value={fields.onHand}
          numeric
          invalid={fields.onHand.value !== '' && onHand === undefined}
        />
      </div>
      <ErrorNote error={action.error.value} language={console.language.value} />
      <button type="submit" class="button button-quiet" aria-disabled={unusable || action.busy.value}>
        {action.busy.value ? console.words.value.saving : words.newSku}
      </button>
    </form>
  );
}
