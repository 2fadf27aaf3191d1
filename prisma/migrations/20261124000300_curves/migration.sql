-- CreateTable
CREATE TABLE "curve_points" (
    "livestream_id" TEXT NOT NULL,
    "sku_id" TEXT NOT NULL,
    "at" TIMESTAMPTZ(3) NOT NULL,
    "consumed" INTEGER NOT NULL,
    "available" INTEGER NOT NULL,
    "version" INTEGER NOT NULL,

    CONSTRAINT "curve_points_pkey" PRIMARY KEY ("livestream_id","sku_id","at")
);

-- CreateTable
CREATE TABLE "curve_markers" (
    "seq" BIGSERIAL NOT NULL,
    "livestream_id" TEXT NOT NULL,
    "key" TEXT NOT NULL,
    "at" TIMESTAMPTZ(3) NOT NULL,
    "sku_id" TEXT,
    "kind" TEXT NOT NULL,
    "tier" TEXT,
    "text_zh" TEXT NOT NULL,
    "text_en" TEXT NOT NULL,
    "internal" BOOLEAN NOT NULL,
    "actor" TEXT NOT NULL DEFAULT '',
    "note" TEXT NOT NULL DEFAULT '',

    CONSTRAINT "curve_markers_pkey" PRIMARY KEY ("seq")
);

-- CreateTable
CREATE TABLE "pace_leases" (
    "name" TEXT NOT NULL,
    "holder" TEXT NOT NULL,
    "expires_at" TIMESTAMPTZ(3) NOT NULL,

    CONSTRAINT "pace_leases_pkey" PRIMARY KEY ("name")
);

-- CreateIndex
CREATE INDEX "curve_markers_livestream_id_at_idx" ON "curve_markers"("livestream_id", "at");

-- CreateIndex
CREATE UNIQUE INDEX "curve_markers_livestream_id_key_key" ON "curve_markers"("livestream_id", "key");

-- Everything below is what Prisma's schema language cannot express.

ALTER TABLE "curve_points"
    ADD CONSTRAINT "curve_points_counts_check" CHECK ("consumed" >= 0 AND "available" >= 0 AND "version" >= 0),
    -- PA-16: one row a second, whichever node writes it.
    ADD CONSTRAINT "curve_points_second_check" CHECK ("at" = date_trunc('second', "at"));
-- PA-22: what is internal stays so, whoever writes it.
ALTER TABLE "curve_markers"
    ADD CONSTRAINT "curve_markers_internal_check" CHECK ("internal" OR "kind" NOT IN ('alert', 'decision'));
