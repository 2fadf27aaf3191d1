-- People, notification channels and deliveries: docs/spec/notifications.md. Generated from schema.prisma; ids compare by bytes (COLLATE "C").

-- CreateEnum
CREATE TYPE "delivery_state" AS ENUM ('waiting', 'sent', 'failed');

-- CreateTable
CREATE TABLE "people" (
    "id" TEXT COLLATE "C" NOT NULL,
    "name" TEXT NOT NULL,
    "phone" TEXT,
    "email" TEXT,
    "channel_ids" TEXT[],

    CONSTRAINT "people_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "on_call" (
    "livestream_id" TEXT COLLATE "C" NOT NULL,
    "position" INTEGER NOT NULL,
    "person_id" TEXT COLLATE "C" NOT NULL,

    CONSTRAINT "on_call_pkey" PRIMARY KEY ("livestream_id","position")
);

-- CreateTable
CREATE TABLE "suppliers" (
    "id" TEXT COLLATE "C" NOT NULL,
    "name" TEXT NOT NULL,
    "contact" TEXT NOT NULL,
    "product_ids" TEXT[],

    CONSTRAINT "suppliers_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "notification_channels" (
    "id" TEXT COLLATE "C" NOT NULL,
    "kind" TEXT NOT NULL,
    "name" TEXT NOT NULL,
    "enabled" BOOLEAN NOT NULL DEFAULT true,
    "min_tier" TEXT NOT NULL,
    "settings" JSONB NOT NULL,
    "throttled_until" TIMESTAMPTZ(3),
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "notification_channels_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "notification_attempts" (
    "seq" BIGSERIAL NOT NULL,
    "channel_id" TEXT COLLATE "C" NOT NULL,
    "callee" TEXT COLLATE "C" NOT NULL DEFAULT '',
    "at" TIMESTAMPTZ(3) NOT NULL,

    CONSTRAINT "notification_attempts_pkey" PRIMARY KEY ("seq")
);

-- CreateTable
CREATE TABLE "deliveries" (
    "id" TEXT COLLATE "C" NOT NULL,
    "channel_id" TEXT COLLATE "C" NOT NULL,
    "person_id" TEXT COLLATE "C",
    "alert_ids" TEXT[],
    "tier" TEXT NOT NULL,
    "state" "delivery_state" NOT NULL DEFAULT 'waiting',
    "attempts" INTEGER NOT NULL DEFAULT 0,
    "error" TEXT,
    "message" JSONB NOT NULL,
    "worker" TEXT NOT NULL DEFAULT '',
    "lease_until" TIMESTAMPTZ(3) NOT NULL,
    "created_at" TIMESTAMPTZ(3) NOT NULL,
    "changed_at" TIMESTAMPTZ(3) NOT NULL,

    CONSTRAINT "deliveries_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "push_subscriptions" (
    "endpoint" TEXT COLLATE "C" NOT NULL,
    "livestream_id" TEXT COLLATE "C" NOT NULL,
    "p256dh" TEXT NOT NULL,
    "auth" TEXT NOT NULL,
    "created_at" TIMESTAMPTZ(3) NOT NULL,

    CONSTRAINT "push_subscriptions_pkey" PRIMARY KEY ("endpoint")
);

-- CreateTable
CREATE TABLE "used_acknowledge_links" (
    "id" TEXT COLLATE "C" NOT NULL,
    "expires_at" TIMESTAMPTZ(3) NOT NULL,

    CONSTRAINT "used_acknowledge_links_pkey" PRIMARY KEY ("id")
);

-- CreateIndex
CREATE INDEX "notification_attempts_channel_id_callee_at_idx" ON "notification_attempts"("channel_id", "callee", "at");

-- CreateIndex
CREATE INDEX "deliveries_channel_id_created_at_idx" ON "deliveries"("channel_id", "created_at");

-- CreateIndex
CREATE INDEX "deliveries_state_lease_until_idx" ON "deliveries"("state", "lease_until");

-- CreateIndex
CREATE INDEX "deliveries_alert_ids_idx" ON "deliveries" USING GIN ("alert_ids");

-- CreateIndex
CREATE INDEX "push_subscriptions_livestream_id_idx" ON "push_subscriptions"("livestream_id");

-- CreateIndex
CREATE INDEX "used_acknowledge_links_expires_at_idx" ON "used_acknowledge_links"("expires_at");

-- AddForeignKey
ALTER TABLE "on_call" ADD CONSTRAINT "on_call_person_id_fkey" FOREIGN KEY ("person_id") REFERENCES "people"("id") ON DELETE RESTRICT ON UPDATE CASCADE;

-- Takes one request's room in a channel's rate limits (NO-31, NO-33), on all nodes together: 0 when it was taken, else the milliseconds until there
-- is room, -1 when there is no such channel. `p_windows` is [{ms, max}]: at most `max` requests within any `ms`, per callee.
CREATE FUNCTION stockcast_take_send(p_channel text, p_callee text, p_windows jsonb, p_now timestamptz) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    throttled timestamptz;
    waits bigint := 0;
    span record;
    eldest timestamptz;
BEGIN
    -- The lock makes nodes take turns; the counts below are later statements and see what the one before has taken.
    SELECT throttled_until INTO throttled FROM notification_channels WHERE id = p_channel FOR NO KEY UPDATE;
    IF NOT FOUND THEN RETURN -1; END IF;
    IF throttled > p_now THEN waits := ceil(extract(epoch FROM throttled - p_now) * 1000); END IF;
    FOR span IN SELECT * FROM jsonb_to_recordset(p_windows) AS x(ms bigint, max int) LOOP
        SELECT a.at INTO eldest FROM notification_attempts a
            WHERE a.channel_id = p_channel AND a.callee = p_callee AND a.at > p_now - span.ms * interval '1 millisecond'
            ORDER BY a.at DESC OFFSET span.max - 1 LIMIT 1;
        IF FOUND THEN waits := greatest(waits, ceil(extract(epoch FROM eldest - p_now) * 1000)::bigint + span.ms); END IF;
    END LOOP;
    IF waits > 0 THEN RETURN waits; END IF;
    INSERT INTO notification_attempts (channel_id, callee, at) VALUES (p_channel, p_callee, p_now);
    DELETE FROM notification_attempts WHERE channel_id = p_channel AND at < p_now - interval '25 hours';
    RETURN 0;
END $$;
