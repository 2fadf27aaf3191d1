import { useId } from 'preact/hooks';
import type { ItemInfo } from '../../contract/livestreams.ts';
import type { Text } from '../../contract/primitives.ts';
import { textIn } from '../lib/languages.ts';
import { type Dimension, type Product, stateOfValue, valuesOf } from './specs.ts';
import { type ShownStatus, useViewer, type Viewer } from './store.ts';
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
  const { sku, state } = choice;
  const gone = state === 'sold_out';
  const note = sku === undefined ? null : noteOf(viewer, sku, last);
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

/** What stands beside a value: why it cannot be bought, or how few are left. */
function noteOf(viewer: Viewer, sku: ItemInfo, last: boolean): string | null {
  const words = viewer.words.value;
  const status = viewer.statusOf(sku);
  if (status === 'sold_out') return words.soldOutShort;
  if (status === 'not_open' || status === 'stopped' || status === 'ended') return words.status[status];
  const shown = viewer.level(sku.index).value?.shown;
  const left = last && shown !== undefined ? unitsLeftOf(shown, sku.display) : null;
  return left?.kind === 'low' ? words.left.low(left.units) : null;
}

/** A scheduled item can be chosen before it opens. */
const canSell = (status: ShownStatus): boolean =>
  status === 'on_sale' || status === 'scheduled' || status === 'loading';
