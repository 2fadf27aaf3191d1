import { useId } from 'preact/hooks';
import type { ItemInfo } from '../../contract/livestreams.ts';
import type { Text } from '../../contract/primitives.ts';
import { textIn } from '../lib/languages.ts';
import { type Dimension, type Product, stateOfValue, valuesOf } from './specs.ts';
import { useViewer } from './store.ts';
import { unitsLeftOf } from './units-left.ts';

type Props = { product: Product; item: ItemInfo; onChoose: (item: ItemInfo) => void };

/** One group of radio buttons for each choice; what is sold out is struck through and says so. */
export function SpecPicker({ product, item, onChoose }: Props) {
  return (
    <div class="specs">
      {product.dimensions.map((dimension, index) => (
        <DimensionPicker
          key={dimension.name.zh}
          dimension={dimension}
          index={index}
          product={product}
          item={item}
          onChoose={onChoose}
        />
      ))}
    </div>
  );
}

function DimensionPicker({
  dimension,
  index,
  product,
  item,
  onChoose,
}: Props & { dimension: Dimension; index: number }) {
  const viewer = useViewer();
  const name = useId();
  const own = valuesOf(product, item)[index];
  return (
    <fieldset class="spec">
      <legend>{textIn(viewer.language.value, dimension.name)}</legend>
      <div class="chips">
        {dimension.values.map((value) => (
          <ValueChip
            key={value.zh}
            name={name}
            value={value}
            checked={value.zh === own?.zh}
            choice={stateOfValue(product, item, { dimension: index, value }, (each) => canSell(viewer.statusOf(each)))}
            last={product.dimensions.length === 1}
            onChoose={onChoose}
          />
        ))}
      </div>
    </fieldset>
  );
}

type ChipProps = {
  name: string;
  value: Text;
  checked: boolean;
  choice: ReturnType<typeof stateOfValue>;
  /** The only choice of its product: the units left of a value are then those of one SKU. */
  last: boolean;
  onChoose: (item: ItemInfo) => void;
};

function ValueChip({ name, value, checked, choice, last, onChoose }: ChipProps) {
  const viewer = useViewer();
  const words = viewer.words.value;
  const { sku, state } = choice;
  const gone = state === 'sold_out';
  const status = sku === undefined ? 'loading' : viewer.statusOf(sku);
  const shown = sku === undefined ? undefined : viewer.level(sku.index).value?.shown;
  const left = sku === undefined || shown === undefined ? null : unitsLeftOf(shown, sku.display);
  const note =
    gone && status !== 'on_sale' && status !== 'scheduled' && status !== 'loading'
      ? status === 'sold_out'
        ? words.soldOutShort
        : words.status[status]
      : last && left?.kind === 'low'
        ? words.left.low(left.units)
        : null;
  return (
    <label class="chip" data-state={state} data-sku={sku?.skuId}>
      <input
        type="radio"
        name={name}
        checked={checked}
        // What is chosen stays reachable by keyboard when it sells out under the viewer's hand.
        disabled={gone && !checked}
        onChange={() => sku !== undefined && onChoose(sku)}
      />
      <span class="chip-face">
        <span class="chip-value">{textIn(viewer.language.value, value)}</span>
        {note !== null && <span class="chip-note number">{note}</span>}
      </span>
    </label>
  );
}

/** A scheduled item can be chosen before it opens. */
const canSell = (status: string): boolean => status === 'on_sale' || status === 'scheduled' || status === 'loading';
