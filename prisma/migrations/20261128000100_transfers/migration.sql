-- Units that went from one pool to another: docs/spec/livestreams.md, LS-31 to LS-34.
CREATE TABLE "stock_transfers" (
    "livestream_id" TEXT COLLATE "C" NOT NULL,
    "id" TEXT COLLATE "C" NOT NULL,
    "sku_id" TEXT COLLATE "C" NOT NULL,
    "from_kind" TEXT NOT NULL,
    "from_channel_id" TEXT COLLATE "C",
    "to_kind" TEXT NOT NULL,
    "to_channel_id" TEXT COLLATE "C",
    "quantity" INTEGER NOT NULL,
    "from_before" INTEGER NOT NULL,
    "from_after" INTEGER NOT NULL,
    "to_before" INTEGER NOT NULL,
    "to_after" INTEGER NOT NULL,
    "reason" TEXT NOT NULL,
    "actor" TEXT NOT NULL,
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "stock_transfers_pkey" PRIMARY KEY ("livestream_id", "id"),
    CONSTRAINT "stock_transfers_kinds" CHECK ("from_kind" IN ('livestream', 'channel', 'unallotted') AND "to_kind" IN ('livestream', 'channel', 'unallotted')),
    CONSTRAINT "stock_transfers_sides" CHECK (("from_kind" = 'livestream') <> ("to_kind" = 'livestream')),
    CONSTRAINT "stock_transfers_channels" CHECK (("from_channel_id" IS NOT NULL) = ("from_kind" = 'channel') AND ("to_channel_id" IS NOT NULL) = ("to_kind" = 'channel')),
    -- The total is the same before and after.
    CONSTRAINT "stock_transfers_conserve" CHECK ("quantity" > 0 AND "from_before" - "from_after" = "quantity" AND "to_after" - "to_before" = "quantity" AND "from_after" >= 0 AND "to_before" >= 0)
);

CREATE INDEX "stock_transfers_livestream_id_sku_id_created_at_idx" ON "stock_transfers"("livestream_id", "sku_id", "created_at");

CREATE TRIGGER "stock_transfers_append_only" BEFORE UPDATE OR DELETE ON "stock_transfers"
    FOR EACH ROW EXECUTE FUNCTION stockcast_refuse_rewriting();
