-- Money that goes back is asked of the payment provider: docs/spec/refunds.md.
CREATE TYPE "refund_state" AS ENUM ('pending', 'delivered', 'completed', 'failed', 'manual', 'settled');

CREATE TABLE "refund_requests" (
    "id" TEXT COLLATE "C" NOT NULL,
    "payment_id" TEXT COLLATE "C" NOT NULL,
    "order_id" TEXT COLLATE "C" NOT NULL,
    "livestream_id" TEXT COLLATE "C" NOT NULL,
    "amount_minor" BIGINT NOT NULL,
    "currency" CHAR(3) NOT NULL,
    "reason" TEXT NOT NULL,
    "actor" TEXT NOT NULL,
    "state" "refund_state" NOT NULL DEFAULT 'pending',
    "attempts" INTEGER NOT NULL DEFAULT 0,
    "error" TEXT,
    "next_attempt_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "lease_until" TIMESTAMPTZ(3),
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "changed_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "refund_requests_pkey" PRIMARY KEY ("id")
);

CREATE UNIQUE INDEX "refund_requests_payment_id_key" ON "refund_requests"("payment_id");
CREATE INDEX "refund_requests_livestream_id_created_at_idx" ON "refund_requests"("livestream_id", "created_at");
-- What is due; Prisma's schema knows no partial indexes.
CREATE INDEX "refund_requests_due_idx" ON "refund_requests"("next_attempt_at") WHERE "state" = 'pending';
CREATE INDEX "refund_requests_order_id_idx" ON "refund_requests"("order_id");

-- Refunds from before this table were announced in the log only: nobody knows whether they were paid back, and nothing is sent for them.
INSERT INTO "refund_requests" ("id", "payment_id", "order_id", "livestream_id", "amount_minor", "currency", "reason", "actor", "state", "created_at")
    SELECT 'rf-' || md5(p."id"), p."id", p."order_id", o."livestream_id", p."amount_minor", p."currency", '', 'system', 'manual', p."refunded_at"
        FROM "payments" p JOIN "orders" o ON o."id" = p."order_id" WHERE p."state" = 'refunded';

-- As before, and every payment that goes back leaves its request in the same transaction. p_payment: only this payment, which has no
-- units; the order keeps its state. null: no such order, or nothing to refund.
DROP FUNCTION stockcast_refund(text, text, text);
CREATE FUNCTION stockcast_refund(p_order text, p_actor text, p_reason text, p_payment text DEFAULT NULL) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    v_order orders;
    v_refunded json;
    v_whole boolean := p_payment IS NULL;
BEGIN
    PERFORM stockcast_lock_items_of(ARRAY[p_order]);
    SELECT * INTO v_order FROM orders WHERE id = p_order AND state <> 'void' AND reacquires IS NULL FOR UPDATE;
    IF NOT FOUND THEN RETURN NULL; END IF;
    -- The only money of an order without units: its way back is the order's.
    IF NOT v_whole AND v_order.state = 'refund_due'
       AND NOT EXISTS (SELECT 1 FROM payments WHERE order_id = p_order AND state = 'refund_due' AND id <> p_payment) THEN
        v_whole := EXISTS (SELECT 1 FROM payments WHERE order_id = p_order AND state = 'refund_due' AND id = p_payment);
    END IF;
    WITH back AS (
        UPDATE payments SET state = 'refunded', refunded_at = clock_timestamp()
            WHERE order_id = p_order AND (p_payment IS NULL OR id = p_payment)
              AND (state = 'refund_due' OR (v_whole AND state = 'accepted' AND v_order.state = 'paid'))
            RETURNING id, amount_minor, currency
    ), asked AS (
        INSERT INTO refund_requests (id, payment_id, order_id, livestream_id, amount_minor, currency, reason, actor)
            SELECT 'rf-' || md5(id), id, p_order, v_order.livestream_id, amount_minor, currency, p_reason, p_actor FROM back
            ON CONFLICT DO NOTHING
    )
    SELECT json_agg(json_build_object('paymentId', id, 'amountMinor', amount_minor, 'currency', currency) ORDER BY id) INTO v_refunded FROM back;
    IF v_refunded IS NULL AND (NOT v_whole OR v_order.state NOT IN ('paid', 'refund_due', 'refunded')) THEN RETURN NULL; END IF;
    IF v_whole AND v_order.state IN ('paid', 'refund_due') THEN
        PERFORM stockcast_set_state(ARRAY[p_order], 'refunded');
    END IF;
    IF v_whole AND v_order.state = 'paid' THEN
        PERFORM stockcast_move(ARRAY[p_order], 'SALE_CANCEL', 'sold', 0, -1, 1, p_actor, p_reason);
    END IF;
    RETURN json_build_object('order', stockcast_order_of(p_order), 'refunded', coalesce(v_refunded, '[]'), 'items', coalesce((
        SELECT json_agg(stockcast_definition(i) ORDER BY i.index)
            FROM order_lines l JOIN livestream_items i ON i.livestream_id = v_order.livestream_id AND i.sku_id = l.sku_id
            WHERE l.order_id = p_order AND v_whole AND v_order.state = 'paid'), '[]'))::text;
END $$;
