import type { Signal } from '@preact/signals';
import type { ComponentChildren } from 'preact';
import { useId } from 'preact/hooks';

type Shared = { readonly label: string; readonly hint?: ComponentChildren; readonly invalid?: boolean };

/** A labelled text field over a signal; what is wrong is said by `hint` and marked by `invalid`. */
export function TextField(
  props: Shared & {
    readonly value: Signal<string>;
    readonly type?: 'text' | 'search' | 'email' | 'tel' | 'datetime-local';
    readonly numeric?: boolean;
    readonly required?: boolean;
    readonly placeholder?: string;
    readonly maxLength?: number;
  },
) {
  const { label, hint, invalid = false, value, type = 'text', numeric = false, required = false } = props;
  const id = useId();
  return (
    <div class="field">
      <label for={id}>{label}</label>
      <input
        id={id}
        class={numeric ? 'number' : undefined}
        // oxlint-disable-next-line no-unnecessary-type-assertion -- tsc tells the types apart by attributes that are not used here
        type={type as 'text'}
        inputMode={numeric ? 'decimal' : undefined}
        autocomplete="off"
        required={required}
        placeholder={props.placeholder}
        maxLength={props.maxLength}
        value={value.value}
        aria-invalid={invalid}
        aria-describedby={hint === undefined ? undefined : `${id}-hint`}
        onInput={({ currentTarget }) => {
          value.value = currentTarget.value;
        }}
      />
      {hint !== undefined && (
        <p id={`${id}-hint`} class={invalid ? 'hint hint-bad' : 'hint'}>
          {hint}
        </p>
      )}
    </div>
  );
}

export function SelectField<Value extends string>({
  label,
  value,
  options,
  onPick,
}: Shared & {
  readonly value: Value;
  readonly options: Readonly<Record<Value, string>>;
  readonly onPick: (value: Value) => void;
}) {
  const id = useId();
  return (
    <div class="field">
      <label for={id}>{label}</label>
      <select id={id} value={value} onChange={({ currentTarget }) => onPick(currentTarget.value as Value)}>
        {(Object.entries(options) as [Value, string][]).map(([name, text]) => (
          <option key={name} value={name}>
            {text}
          </option>
        ))}
      </select>
    </div>
  );
}

export function CheckField({
  label,
  checked,
  onToggle,
}: {
  readonly label: string;
  readonly checked: boolean;
  readonly onToggle: (checked: boolean) => void;
}) {
  return (
    <label class="check">
      <input type="checkbox" checked={checked} onChange={({ currentTarget }) => onToggle(currentTarget.checked)} />
      <span>{label}</span>
    </label>
  );
}

export function AreaField({
  label,
  value,
  rows = 3,
  maxLength,
  placeholder,
}: Shared & {
  readonly value: Signal<string>;
  readonly rows?: number;
  readonly maxLength?: number;
  readonly placeholder?: string;
}) {
  const id = useId();
  return (
    <div class="field">
      <label for={id}>{label}</label>
      <textarea
        id={id}
        rows={rows}
        maxLength={maxLength}
        placeholder={placeholder}
        value={value.value}
        onInput={({ currentTarget }) => {
          value.value = currentTarget.value;
        }}
      />
    </div>
  );
}
