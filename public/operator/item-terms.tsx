import { type Signal, useSignal } from '@preact/signals';
import type { DisplayPolicy } from '../../contract/levels.ts';
import type { ItemInfo, PurchaseLimits, SalePolicy } from '../../contract/livestreams.ts';
import { SelectField, TextField } from './fields.tsx';
import { boundsOf, countOf, limitOf, majorText, minorOf } from './form-values.ts';
import { useConsole } from './store.ts';

/** Fields of price, limits, sale policy and display: of an item there is, or of a new one. */
export type TermsForm = {
  readonly currency: Signal<string>;
  readonly price: Signal<string>;
  readonly perOrder: Signal<string>;
  readonly perBuyer: Signal<string>;
  readonly perDevice: Signal<string>;
  readonly policy: Signal<SalePolicy['kind']>;
  readonly threshold: Signal<string>;
  readonly display: Signal<DisplayPolicy['kind']>;
  readonly below: Signal<string>;
  readonly bounds: Signal<string>;
};

export type Terms = {
  readonly unitPriceMinor: number;
  readonly limits: PurchaseLimits;
  readonly salePolicy: SalePolicy;
  readonly display: DisplayPolicy;
};

type Known = Pick<ItemInfo, 'unitPriceMinor' | 'currency' | 'limits' | 'salePolicy' | 'display'>;

export function useTerms(known: Known | null): TermsForm {
  const [policy, display] = [known?.salePolicy, known?.display];
  return {
    currency: useSignal(known?.currency ?? 'CNY'),
    price: useSignal(known === null ? '' : majorText(known.unitPriceMinor, known.currency)),
    perOrder: useSignal(text(known?.limits.perOrder)),
    perBuyer: useSignal(text(known?.limits.perBuyer)),
    perDevice: useSignal(text(known?.limits.perDevice)),
    policy: useSignal(policy?.kind ?? 'deduct_on_order'),
    threshold: useSignal(policy?.kind === 'hold_below' ? String(policy.threshold) : '50'),
    display: useSignal(display?.kind ?? 'exact'),
    below: useSignal(display?.kind === 'low_only' ? String(display.below) : '20'),
    bounds: useSignal(display?.kind === 'band' ? display.bounds.join(', ') : '1, 10, 100'),
  };
}

const text = (value: number | null | undefined): string => (value === null || value === undefined ? '' : String(value));

/** null: something is not usable; the fields say which. */
export function termsOf(form: TermsForm): Terms | null {
  const unitPriceMinor = minorOf(form.price.value, form.currency.value);
  const [perOrder, perBuyer, perDevice] = [form.perOrder, form.perBuyer, form.perDevice].map(({ value }) =>
    limitOf(value),
  );
  const [salePolicy, display] = [policyOf(form), displayOf(form)];
  if (unitPriceMinor === undefined || salePolicy === undefined || display === undefined) return null;
  if (perOrder === undefined || perBuyer === undefined || perDevice === undefined) return null;
  return { unitPriceMinor, limits: { perOrder, perBuyer, perDevice }, salePolicy, display };
}

function policyOf({ policy, threshold }: TermsForm): SalePolicy | undefined {
  if (policy.value !== 'hold_below') return { kind: policy.value };
  const units = countOf(threshold.value);
  return units === undefined ? undefined : { kind: 'hold_below', threshold: units };
}

function displayOf({ display, below, bounds }: TermsForm): DisplayPolicy | undefined {
  if (display.value === 'exact') return { kind: 'exact' };
  if (display.value === 'low_only') {
    const units = countOf(below.value);
    return units === undefined ? undefined : { kind: 'low_only', below: units };
  }
  const ascending = boundsOf(bounds.value);
  return ascending === undefined ? undefined : { kind: 'band', bounds: ascending };
}

export function TermsFields({ form }: { form: TermsForm }) {
  const words = useConsole().words.value.panel;
  return (
    <>
      <TextField
        label={`${words.price} (${form.currency.value})`}
        value={form.price}
        numeric
        required
        invalid={form.price.value !== '' && minorOf(form.price.value, form.currency.value) === undefined}
      />
      <fieldset>
        <legend>{words.limits}</legend>
        <div class="field-row field-row-tight">
          {(['perOrder', 'perBuyer', 'perDevice'] as const).map((name) => (
            <TextField
              key={name}
              label={words[name]}
              value={form[name]}
              numeric
              placeholder={words.noLimit}
              invalid={limitOf(form[name].value) === undefined}
            />
          ))}
        </div>
      </fieldset>
      <div class="field-row">
        <SelectField
          label={words.salePolicy}
          value={form.policy.value}
          options={words.policy}
          onPick={(next) => (form.policy.value = next)}
        />
        {form.policy.value === 'hold_below' && (
          <TextField
            label={words.threshold}
            value={form.threshold}
            numeric
            invalid={countOf(form.threshold.value) === undefined}
          />
        )}
      </div>
      <div class="field-row">
        <SelectField
          label={words.display}
          value={form.display.value}
          options={words.displayKind}
          onPick={(next) => (form.display.value = next)}
        />
        {form.display.value === 'low_only' && (
          <TextField label={words.below} value={form.below} numeric invalid={countOf(form.below.value) === undefined} />
        )}
        {form.display.value === 'band' && (
          <TextField label={words.bounds} value={form.bounds} invalid={boundsOf(form.bounds.value) === undefined} />
        )}
      </div>
    </>
  );
}
