import type * as z from 'zod/mini';
import type {
  AddItem,
  ChangeItem,
  CreateChannel,
  CreateLivestream,
  CreateProduct,
  CreateSku,
  CreateWarehouse,
  LivestreamInfo,
  LivestreamState,
} from '../../contract/livestreams.ts';
import type { ItemPools, MoveUnits, StockTransfer } from '../../contract/pools.ts';
import type { ItemDefinition } from '../stock/stock-engine.ts';

/** Every way in which managing can be refused; `message` is for people, the code is stable. */
export type ManageRefusal = {
  readonly kind: 'refused';
  readonly code: 'not_found' | 'route_not_found' | 'conflict';
  /** Says what is in the way and what to do about it, in both languages. */
  readonly message: { readonly zh: string; readonly en: string };
};

/** What the gate has to take over after a committed change; null where it is not concerned. */
export type Managed = {
  readonly kind: 'done';
  readonly livestream: LivestreamInfo;
  readonly gate: { readonly items: readonly ItemDefinition[]; readonly infoRev: number } | null;
};

export type WarehouseStock = {
  readonly warehouseId: string;
  readonly skuId: string;
  readonly onHand: number;
  readonly reserved: number;
};

/** Where one SKU's units are: `sellable` = Σ(onHand − reserved), `unallotted` = sellable − what pools of livestreams and channels hold. */
export type SkuStock = {
  readonly skuId: string;
  readonly sellable: number;
  readonly unallotted: number;
  readonly warehouses: readonly WarehouseStock[];
  readonly livestreams: readonly {
    livestreamId: string;
    allotted: number;
    held: number;
    sold: number;
    available: number;
  }[];
  readonly channels: readonly { channelId: string; allotted: number; sold: number; available: number }[];
};

/**
 * Products, stock on hand, channels and livestreams with their items, in PostgreSQL. Every change runs in one transaction, checks that
 * pools never promise more than the warehouses have sellable (capability 15), writes an append-only stock ledger entry with before and
 * after where units move, names its actor, and raises `infoRev` where the public description changes.
 */
export type LivestreamCatalogue = {
  putProduct(input: z.infer<typeof CreateProduct>): Promise<void>;
  putSku(input: z.infer<typeof CreateSku>): Promise<{ kind: 'done' } | ManageRefusal>;
  putWarehouse(input: z.infer<typeof CreateWarehouse>): Promise<void>;
  putChannel(input: z.infer<typeof CreateChannel>): Promise<void>;
  setWarehouseStock(
    stock: WarehouseStock,
    actor: string,
    reason: string,
  ): Promise<{ kind: 'done'; stock: SkuStock } | ManageRefusal>;
  stockOfSku(skuId: string): Promise<SkuStock | null>;
  allotChannel(
    channelId: string,
    skuId: string,
    allotted: number,
    actor: string,
    reason: string,
  ): Promise<{ kind: 'done'; stock: SkuStock } | ManageRefusal>;
  /** One conditional statement; idempotent by saleId. `sold_out`: the channel's own pool has fewer units left. */
  sellInChannel(
    channelId: string,
    sale: { saleId: string; skuId: string; quantity: number },
  ): Promise<
    | { kind: 'sold' | 'duplicate'; available: number }
    | { kind: 'sold_out' | 'insufficient'; available: number }
    | ManageRefusal
  >;

  create(input: z.infer<typeof CreateLivestream>, actor: string): Promise<Managed | ManageRefusal>;
  schedule(livestreamId: string, scheduledAtMs: number, actor: string): Promise<Managed | ManageRefusal>;
  start(livestreamId: string, actor: string): Promise<Managed | ManageRefusal>;
  /** Closes every sale; holds run out by themselves. Idempotent. */
  end(livestreamId: string, actor: string): Promise<Managed | ManageRefusal>;
  addItem(livestreamId: string, input: z.infer<typeof AddItem>, actor: string): Promise<Managed | ManageRefusal>;
  changeItem(
    livestreamId: string,
    skuId: string,
    input: z.infer<typeof ChangeItem>,
    actor: string,
  ): Promise<Managed | ManageRefusal>;
  /** Opening needs a livestream that is live or scheduled. */
  changeSale(
    livestreamId: string,
    skuId: string,
    change: { action: 'open'; opensAtMs: number } | { action: 'stop'; reason: string } | { action: 'resume' },
    actor: string,
  ): Promise<Managed | ManageRefusal>;
  allotItem(
    livestreamId: string,
    skuId: string,
    allotted: number,
    actor: string,
    reason: string,
  ): Promise<Managed | ManageRefusal>;
  /**
   * Units from one pool to another in one transaction: both sides absolute, the total unchanged, nothing held or sold touched. Idempotent
   * by transferId.
   */
  moveUnits(
    livestreamId: string,
    skuId: string,
    move: MoveUnits,
    actor: string,
  ): Promise<(Managed & { readonly transfer: StockTransfer }) | ManageRefusal>;
  /** One moment's picture of the pools around an item, with what changed lately. */
  poolsOf(livestreamId: string, skuId: string): Promise<{ kind: 'done'; pools: ItemPools } | ManageRefusal>;
  pin(livestreamId: string, skuId: string | null, actor: string): Promise<Managed | ManageRefusal>;

  info(livestreamId: string): Promise<LivestreamInfo | null>;
  /** Whether viewers without a buyer's identity may join; null: there is no such livestream. */
  allowsAnonymous(livestreamId: string): Promise<boolean | null>;
  list(states: readonly LivestreamState[]): Promise<readonly LivestreamInfo[]>;
  /** Livestreams whose gate must exist: not draft, not archived. */
  active(): Promise<readonly { livestreamId: string; state: LivestreamState }[]>;
  /** After an ended livestream's last hold is gone: unsold units go back to unallotted, the livestream is archived. */
  archive(livestreamId: string): Promise<void>;
};
