-- Tokens of overlays: read-only, of one livestream, kept as a hash only.
CREATE TABLE "overlay_tokens" (
    "id" TEXT COLLATE "C" NOT NULL,
    "livestream_id" TEXT COLLATE "C" NOT NULL,
    "audience" TEXT NOT NULL,
    "name" TEXT NOT NULL,
    "token_hash" TEXT COLLATE "C" NOT NULL,
    "created_by" TEXT NOT NULL,
    "created_at" TIMESTAMPTZ(3) NOT NULL,
    "last_used_at" TIMESTAMPTZ(3),
    "revoked_at" TIMESTAMPTZ(3),
    "revoked_by" TEXT,

    CONSTRAINT "overlay_tokens_pkey" PRIMARY KEY ("id"),
    CONSTRAINT "overlay_tokens_audience" CHECK ("audience" IN ('anchor', 'air')),
    -- SHA-256 in hex: whatever else lands here by mistake (the token itself, say) is refused.
    CONSTRAINT "overlay_tokens_hash" CHECK ("token_hash" ~ '^[0-9a-f]{64}$')
);

CREATE UNIQUE INDEX "overlay_tokens_token_hash_key" ON "overlay_tokens"("token_hash");
CREATE INDEX "overlay_tokens_livestream_id_created_at_idx" ON "overlay_tokens"("livestream_id", "created_at");
ALTER TABLE "overlay_tokens" ADD CONSTRAINT "overlay_tokens_livestream_id_fkey"
    FOREIGN KEY ("livestream_id") REFERENCES "livestreams"("id") ON DELETE RESTRICT ON UPDATE CASCADE;
