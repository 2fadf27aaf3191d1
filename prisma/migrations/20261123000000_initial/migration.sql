-- Generated from schema.prisma, with two differences. Ids compare by bytes (COLLATE "C"): the same order for every lock on every server,
-- and indexes that need no rules of a language. And two foreign keys are left out, see below.

-- CreateSchema
CREATE SCHEMA IF NOT EXISTS "public";

-- CreateEnum
CREATE TYPE "livestream_state" AS ENUM ('draft', 'scheduled', 'live', 'ended');

-- CreateEnum
CREATE TYPE "sale_state" AS ENUM ('not_open', 'open', 'stopped', 'ended');

-- CreateEnum
CREATE TYPE "order_state" AS ENUM ('held', 'placed', 'void', 'paid', 'expired', 'cancelled', 'refund_due', 'refunded');

-- CreateEnum
CREATE TYPE "order_takes" AS ENUM ('hold', 'pay');

-- CreateEnum
CREATE TYPE "payment_state" AS ENUM ('accepted', 'refund_due', 'refunded');

-- CreateTable
CREATE TABLE "products" (
    "id" TEXT COLLATE "C" NOT NULL,
    "title_zh" TEXT NOT NULL,
    "title_en" TEXT NOT NULL,
    "image_url" TEXT,
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "products_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "skus" (
    "id" TEXT COLLATE "C" NOT NULL,
    "product_id" TEXT COLLATE "C" NOT NULL,
    "spec" JSONB NOT NULL DEFAULT '[]',
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "skus_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "warehouses" (
    "id" TEXT COLLATE "C" NOT NULL,
    "name_zh" TEXT NOT NULL,
    "name_en" TEXT NOT NULL,

    CONSTRAINT "warehouses_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "warehouse_stocks" (
    "warehouse_id" TEXT COLLATE "C" NOT NULL,
    "sku_id" TEXT COLLATE "C" NOT NULL,
    "on_hand" INTEGER NOT NULL,
    "reserved" INTEGER NOT NULL DEFAULT 0,
    "updated_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "warehouse_stocks_pkey" PRIMARY KEY ("warehouse_id","sku_id")
);

-- CreateTable
CREATE TABLE "channels" (
    "id" TEXT COLLATE "C" NOT NULL,
    "name_zh" TEXT NOT NULL,
    "name_en" TEXT NOT NULL,

    CONSTRAINT "channels_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "channel_pools" (
    "channel_id" TEXT COLLATE "C" NOT NULL,
    "sku_id" TEXT COLLATE "C" NOT NULL,
    "allotted" INTEGER NOT NULL,
    "sold" INTEGER NOT NULL DEFAULT 0,

    CONSTRAINT "channel_pools_pkey" PRIMARY KEY ("channel_id","sku_id")
);

-- CreateTable
CREATE TABLE "channel_sales" (
    "channel_id" TEXT COLLATE "C" NOT NULL,
    "sale_id" TEXT COLLATE "C" NOT NULL,
    "sku_id" TEXT COLLATE "C" NOT NULL,
    "quantity" INTEGER NOT NULL,
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "channel_sales_pkey" PRIMARY KEY ("channel_id","sale_id")
);

-- CreateTable
CREATE TABLE "livestreams" (
    "id" TEXT COLLATE "C" NOT NULL,
    "title_zh" TEXT NOT NULL,
    "title_en" TEXT NOT NULL,
    "state" "livestream_state" NOT NULL DEFAULT 'draft',
    "hold_ttl_ms" INTEGER NOT NULL DEFAULT 600000,
    "anonymous_viewers" BOOLEAN NOT NULL DEFAULT true,
    "pinned_sku_id" TEXT COLLATE "C",
    "info_rev" INTEGER NOT NULL DEFAULT 1,
    "epoch" INTEGER NOT NULL DEFAULT 0,
    "scheduled_at" TIMESTAMPTZ(3),
    "started_at" TIMESTAMPTZ(3),
    "ended_at" TIMESTAMPTZ(3),
    "archived_at" TIMESTAMPTZ(3),
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "livestreams_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "livestream_items" (
    "livestream_id" TEXT COLLATE "C" NOT NULL,
    "sku_id" TEXT COLLATE "C" NOT NULL,
    "index" INTEGER NOT NULL,
    "unit_price_minor" BIGINT NOT NULL,
    "currency" CHAR(3) NOT NULL,
    "limit_per_order" INTEGER,
    "limit_per_buyer" INTEGER,
    "limit_per_device" INTEGER,
    "sale_policy" JSONB NOT NULL,
    "display" JSONB NOT NULL,
    "sale" "sale_state" NOT NULL DEFAULT 'not_open',
    "opens_at" TIMESTAMPTZ(3),
    "allotted" INTEGER NOT NULL,
    "held" INTEGER NOT NULL DEFAULT 0,
    "sold" INTEGER NOT NULL DEFAULT 0,
    "returned" INTEGER NOT NULL DEFAULT 0,
    "epoch" INTEGER NOT NULL DEFAULT 0,
    "pool_rev" INTEGER NOT NULL DEFAULT 1,
    "terms_rev" INTEGER NOT NULL DEFAULT 1,

    CONSTRAINT "livestream_items_pkey" PRIMARY KEY ("livestream_id","sku_id")
);

-- CreateTable
CREATE TABLE "orders" (
    "id" TEXT COLLATE "C" NOT NULL,
    "key" TEXT COLLATE "C",
    "body_hash" TEXT NOT NULL DEFAULT '',
    "livestream_id" TEXT COLLATE "C" NOT NULL,
    "buyer_id" TEXT COLLATE "C" NOT NULL DEFAULT '',
    "device_id" TEXT COLLATE "C",
    "state" "order_state" NOT NULL,
    "takes" "order_takes" NOT NULL DEFAULT 'hold',
    "reacquires" TEXT COLLATE "C",
    "total_minor" BIGINT NOT NULL DEFAULT 0,
    "currency" VARCHAR(3) NOT NULL DEFAULT '',
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "expires_at" TIMESTAMPTZ(3),
    "changed_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "orders_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "order_lines" (
    "order_id" TEXT COLLATE "C" NOT NULL,
    "sku_id" TEXT COLLATE "C" NOT NULL,
    "quantity" INTEGER NOT NULL,
    "unit_price_minor" BIGINT NOT NULL,

    CONSTRAINT "order_lines_pkey" PRIMARY KEY ("order_id","sku_id")
);

-- CreateTable
CREATE TABLE "payments" (
    "id" TEXT COLLATE "C" NOT NULL,
    "order_id" TEXT COLLATE "C" NOT NULL,
    "amount_minor" BIGINT NOT NULL,
    "currency" CHAR(3) NOT NULL,
    "state" "payment_state" NOT NULL,
    "reason" TEXT,
    "received_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "refunded_at" TIMESTAMPTZ(3),

    CONSTRAINT "payments_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "stock_entries" (
    "seq" BIGSERIAL NOT NULL,
    "sku_id" TEXT COLLATE "C" NOT NULL,
    "livestream_id" TEXT COLLATE "C",
    "channel_id" TEXT COLLATE "C",
    "warehouse_id" TEXT COLLATE "C",
    "type" TEXT NOT NULL,
    "bucket" TEXT NOT NULL,
    "before" INTEGER NOT NULL,
    "after" INTEGER NOT NULL,
    "reason" TEXT NOT NULL DEFAULT '',
    "ref_type" TEXT NOT NULL DEFAULT '',
    "ref_id" TEXT COLLATE "C" NOT NULL DEFAULT '',
    "actor" TEXT NOT NULL,
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "stock_entries_pkey" PRIMARY KEY ("seq")
);

-- CreateIndex
CREATE INDEX "skus_product_id_idx" ON "skus"("product_id");

-- CreateIndex
CREATE INDEX "warehouse_stocks_sku_id_idx" ON "warehouse_stocks"("sku_id");

-- CreateIndex
CREATE INDEX "channel_pools_sku_id_idx" ON "channel_pools"("sku_id");

-- CreateIndex
CREATE INDEX "livestream_items_sku_id_idx" ON "livestream_items"("sku_id");

-- CreateIndex
CREATE UNIQUE INDEX "livestream_items_livestream_id_index_key" ON "livestream_items"("livestream_id", "index");

-- CreateIndex
CREATE INDEX "orders_livestream_id_buyer_id_idx" ON "orders"("livestream_id", "buyer_id");

-- CreateIndex
CREATE INDEX "orders_livestream_id_created_at_idx" ON "orders"("livestream_id", "created_at");

-- CreateIndex
CREATE UNIQUE INDEX "orders_livestream_id_key_key" ON "orders"("livestream_id", "key");

-- CreateIndex
CREATE INDEX "payments_order_id_idx" ON "payments"("order_id");

-- CreateIndex
CREATE INDEX "payments_state_idx" ON "payments"("state");

-- CreateIndex
CREATE INDEX "stock_entries_livestream_id_sku_id_seq_idx" ON "stock_entries"("livestream_id", "sku_id", "seq");

-- CreateIndex
CREATE INDEX "stock_entries_sku_id_seq_idx" ON "stock_entries"("sku_id", "seq");

-- CreateIndex
CREATE INDEX "stock_entries_ref_id_idx" ON "stock_entries"("ref_id");

-- AddForeignKey
ALTER TABLE "skus" ADD CONSTRAINT "skus_product_id_fkey" FOREIGN KEY ("product_id") REFERENCES "products"("id") ON DELETE RESTRICT ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "warehouse_stocks" ADD CONSTRAINT "warehouse_stocks_warehouse_id_fkey" FOREIGN KEY ("warehouse_id") REFERENCES "warehouses"("id") ON DELETE RESTRICT ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "warehouse_stocks" ADD CONSTRAINT "warehouse_stocks_sku_id_fkey" FOREIGN KEY ("sku_id") REFERENCES "skus"("id") ON DELETE RESTRICT ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "channel_pools" ADD CONSTRAINT "channel_pools_channel_id_fkey" FOREIGN KEY ("channel_id") REFERENCES "channels"("id") ON DELETE RESTRICT ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "channel_pools" ADD CONSTRAINT "channel_pools_sku_id_fkey" FOREIGN KEY ("sku_id") REFERENCES "skus"("id") ON DELETE RESTRICT ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "channel_sales" ADD CONSTRAINT "channel_sales_channel_id_fkey" FOREIGN KEY ("channel_id") REFERENCES "channels"("id") ON DELETE RESTRICT ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "livestream_items" ADD CONSTRAINT "livestream_items_livestream_id_fkey" FOREIGN KEY ("livestream_id") REFERENCES "livestreams"("id") ON DELETE RESTRICT ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "livestream_items" ADD CONSTRAINT "livestream_items_sku_id_fkey" FOREIGN KEY ("sku_id") REFERENCES "skus"("id") ON DELETE RESTRICT ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "payments" ADD CONSTRAINT "payments_order_id_fkey" FOREIGN KEY ("order_id") REFERENCES "orders"("id") ON DELETE RESTRICT ON UPDATE CASCADE;

-- Everything below is what Prisma's schema language cannot express.

-- OL-1, OL-2: the last defence of I1. Every statement that moves units checks first; these refuse what a mistake would let through.
ALTER TABLE "livestream_items"
    ADD CONSTRAINT "livestream_items_counts_check" CHECK ("held" >= 0 AND "sold" >= 0 AND "returned" >= 0 AND "held" + "sold" <= "allotted"),
    ADD CONSTRAINT "livestream_items_price_check" CHECK ("unit_price_minor" >= 0);
ALTER TABLE "warehouse_stocks"
    ADD CONSTRAINT "warehouse_stocks_counts_check" CHECK ("reserved" >= 0 AND "on_hand" >= "reserved");
ALTER TABLE "channel_pools"
    ADD CONSTRAINT "channel_pools_counts_check" CHECK ("sold" >= 0 AND "sold" <= "allotted");
ALTER TABLE "channel_sales"
    ADD CONSTRAINT "channel_sales_quantity_check" CHECK ("quantity" > 0);
ALTER TABLE "order_lines"
    ADD CONSTRAINT "order_lines_quantity_check" CHECK ("quantity" > 0);
ALTER TABLE "payments"
    ADD CONSTRAINT "payments_amount_check" CHECK ("amount_minor" >= 0);
-- A fence has no key and never expires; every other order is due at some moment.
ALTER TABLE "orders"
    ADD CONSTRAINT "orders_fence_check" CHECK (("state" <> 'void' AND "reacquires" IS NULL) OR "key" IS NULL),
    ADD CONSTRAINT "orders_due_check" CHECK ("state" NOT IN ('held', 'placed') OR "expires_at" IS NOT NULL);

-- A1: the sweep reads only orders that can still expire.
CREATE INDEX "orders_due_idx" ON "orders"("expires_at") WHERE "state" IN ('held', 'placed');
-- A3: what the gate has to follow. Not in the schema because new orders, which are most of all writes, are not in it.
CREATE INDEX "orders_moved_idx" ON "orders"("livestream_id", "changed_at") WHERE "state" NOT IN ('held', 'placed', 'void');
CREATE INDEX "orders_refund_due_idx" ON "orders"("livestream_id") WHERE "state" = 'refund_due';
CREATE INDEX "payments_refund_due_idx" ON "payments"("order_id") WHERE "state" = 'refund_due';
-- A4: the attempt whose units paid for an order.
CREATE INDEX "orders_reacquires_idx" ON "orders"("reacquires") WHERE "reacquires" IS NOT NULL;
-- Every order of a hot item writes its row: room on the same page keeps those versions out of the indexes.
ALTER TABLE "livestream_items" SET (fillfactor = 40);

-- orders → livestreams and order_lines → orders have no foreign key. stockcast_append is their only writer: it takes the livestream from an
-- item that it has locked, and writes an order with its lines in one transaction; nothing ever deletes either. The keys would cost a
-- fifth of an append, and every order of every node would lock its livestream's row.

-- OL-3: the history of units is append-only, for everybody.
CREATE FUNCTION stockcast_refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'stock_entries is append-only: write a correcting entry instead';
END $$;
CREATE TRIGGER "stock_entries_append_only" BEFORE UPDATE OR DELETE ON "stock_entries"
    FOR EACH ROW EXECUTE FUNCTION stockcast_refuse_change();
CREATE TRIGGER "stock_entries_never_truncated" BEFORE TRUNCATE ON "stock_entries"
    FOR EACH STATEMENT EXECUTE FUNCTION stockcast_refuse_change();

-- OL-4: a new item belongs to its livestream's present epoch, else its first orders would be fenced.
-- The lock orders this insert before or after a fence (B2), never beside it; it does not conflict with the key share of new orders.
CREATE FUNCTION stockcast_join_epoch() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    SELECT "epoch" INTO NEW."epoch" FROM "livestreams" WHERE "id" = NEW."livestream_id" FOR NO KEY UPDATE;
    IF NEW."epoch" IS NULL THEN NEW."epoch" := 0; END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER "livestream_items_join_epoch" BEFORE INSERT ON "livestream_items"
    FOR EACH ROW EXECUTE FUNCTION stockcast_join_epoch();
