-- A2: every change of an order's state locks the order's items first, in one order for everybody (O2), then the order, and then looks at
-- the state in a statement of its own. The units stored on the order's lines are the units that move.

CREATE FUNCTION stockcast_lock_items_of(p_orders text[]) RETURNS void LANGUAGE plpgsql
    SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off SET jit = off SET plan_cache_mode = force_generic_plan
AS $$
BEGIN
    -- Lines never change once they are written: reading them before the lock is safe.
    PERFORM 1
        FROM (SELECT DISTINCT o.livestream_id, l.sku_id
                  FROM unnest(p_orders) AS q(id) JOIN orders o ON o.id = q.id JOIN order_lines l ON l.order_id = o.id) AS k
        JOIN livestream_items i ON i.livestream_id = k.livestream_id AND i.sku_id = k.sku_id
        ORDER BY i.livestream_id, i.sku_id
        FOR UPDATE OF i;
END $$;

-- Moves the units of orders whose items are locked: p_held, p_sold and p_returned are -1, 0 or 1 times the quantity of each line.
-- One entry a line tells the bucket's count before and after it. Refunded units make the pool anew (A5): pool_rev + 1.
CREATE FUNCTION stockcast_move(p_orders text[], p_type text, p_bucket text, p_held int, p_sold int, p_returned int, p_actor text, p_reason text)
RETURNS void LANGUAGE plpgsql
    SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off SET jit = off SET plan_cache_mode = force_generic_plan
AS $$
DECLARE
    v_sign CONSTANT int := CASE p_bucket WHEN 'held' THEN p_held ELSE p_sold END;
BEGIN
    WITH moved AS (
        SELECT o.livestream_id, l.sku_id, l.order_id, l.quantity,
               CASE p_bucket WHEN 'held' THEN i.held ELSE i.sold END + v_sign * (sum(l.quantity) OVER (
                   PARTITION BY o.livestream_id, l.sku_id ORDER BY l.order_id ROWS UNBOUNDED PRECEDING) - l.quantity)::int AS before
            FROM unnest(p_orders) AS q(id)
            JOIN orders o ON o.id = q.id
            JOIN order_lines l ON l.order_id = o.id
            JOIN livestream_items i ON i.livestream_id = o.livestream_id AND i.sku_id = l.sku_id
    ), written AS (
        INSERT INTO stock_entries (sku_id, livestream_id, type, bucket, before, after, reason, ref_type, ref_id, actor, created_at)
            SELECT sku_id, livestream_id, p_type, p_bucket, before, before + v_sign * quantity, p_reason, 'order', order_id, p_actor, clock_timestamp()
                FROM moved ORDER BY order_id, sku_id
    ), sums AS (
        SELECT livestream_id, sku_id, sum(quantity)::int AS units FROM moved GROUP BY livestream_id, sku_id
    )
    UPDATE livestream_items i
        SET held = i.held + p_held * s.units, sold = i.sold + p_sold * s.units, returned = i.returned + p_returned * s.units,
            pool_rev = i.pool_rev + abs(p_returned)
        FROM sums s
        WHERE i.livestream_id = s.livestream_id AND i.sku_id = s.sku_id;
END $$;

CREATE FUNCTION stockcast_set_state(p_orders text[], p_state order_state) RETURNS void LANGUAGE sql AS $$
    UPDATE orders SET state = p_state, changed_at = clock_timestamp() WHERE id = ANY (p_orders)
$$;

CREATE FUNCTION stockcast_order_of(p_id text) RETURNS jsonb LANGUAGE sql STABLE AS $$
    SELECT stockcast_order(o) FROM orders o WHERE o.id = p_id
$$;

-- held or placed → cancelled. null: no such order; `changed`: whether it was this call.
CREATE FUNCTION stockcast_cancel(p_order text, p_actor text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    v_state order_state;
BEGIN
    PERFORM stockcast_lock_items_of(ARRAY[p_order]);
    SELECT state INTO v_state FROM orders WHERE id = p_order AND state <> 'void' AND reacquires IS NULL FOR UPDATE;
    IF NOT FOUND THEN RETURN NULL; END IF;
    IF v_state IN ('held', 'placed') THEN
        PERFORM stockcast_set_state(ARRAY[p_order], 'cancelled');
        IF v_state = 'held' THEN
            PERFORM stockcast_move(ARRAY[p_order], 'HOLD_VOID', 'held', -1, 0, 0, p_actor, 'cancelled');
        END IF;
    END IF;
    RETURN json_build_object('order', stockcast_order_of(p_order), 'changed', v_state IN ('held', 'placed'))::text;
END $$;

-- A1: due orders by this server's clock. Several nodes may run it at once: what one has in hand, the others skip or find done.
CREATE FUNCTION stockcast_expire_due(p_limit int) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    v_due text[];
    v_mine text[];
    v_held text[];
BEGIN
    SELECT array_agg(id) INTO v_due FROM (
        SELECT id FROM orders WHERE state IN ('held', 'placed') AND expires_at <= now() ORDER BY expires_at LIMIT p_limit) AS due;
    IF v_due IS NULL THEN RETURN '[]'; END IF;
    PERFORM stockcast_lock_items_of(v_due);
    -- A payment or a cancellation may have been faster while this waited for the items.
    SELECT array_agg(id), array_agg(id) FILTER (WHERE state = 'held') INTO v_mine, v_held FROM (
        SELECT id, state FROM orders WHERE id = ANY (v_due) AND state IN ('held', 'placed') AND expires_at <= now()
            ORDER BY id FOR UPDATE SKIP LOCKED) AS mine;
    IF v_mine IS NULL THEN RETURN '[]'; END IF;
    PERFORM stockcast_set_state(v_mine, 'expired');
    IF v_held IS NOT NULL THEN
        PERFORM stockcast_move(v_held, 'HOLD_EXPIRE', 'held', -1, 0, 0, 'system', 'expired');
    END IF;
    RETURN (SELECT json_agg(stockcast_order(o) ORDER BY o.expires_at)::text FROM orders o WHERE o.id = ANY (v_mine));
END $$;

-- A2, A4: one payment, by p_mode: 'pay' settles a held order and asks for units for a placed or expired one; 'reacquire' settles those
-- with units reserved at the gate as p_rid; 'refuse' says that there are none. Money that cannot be used is `refund_due`.
-- Idempotent by payment: the first answer is the answer.
CREATE FUNCTION stockcast_pay(p_payment text, p_order text, p_amount bigint, p_currency text, p_mode text, p_rid text, p_epoch int)
RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    v_order orders;
    v_known payments;
    v_reason text;
    v_state order_state;
    v_fits boolean;
    v_current boolean;
    v_settled text;
BEGIN
    PERFORM stockcast_lock_items_of(ARRAY[p_order]);
    SELECT * INTO v_order FROM orders WHERE id = p_order AND state <> 'void' AND reacquires IS NULL FOR UPDATE;
    SELECT * INTO v_known FROM payments WHERE id = p_payment;
    IF v_known.id IS NOT NULL THEN
        RETURN json_build_object('kind', 'final', 'outcome', CASE WHEN v_known.reason IS NULL THEN 'paid' ELSE 'refund_due' END,
            'order', stockcast_order_of(v_known.order_id), 'settled', NULL, 'changed', false)::text;
    END IF;
    IF v_order.id IS NULL THEN RETURN json_build_object('kind', 'not_found')::text; END IF;

    v_state := v_order.state;
    v_reason := CASE
        WHEN v_state IN ('paid', 'refunded', 'refund_due') THEN 'second_payment'
        WHEN v_state = 'cancelled' THEN 'cancelled'
        WHEN p_amount <> v_order.total_minor OR p_currency <> v_order.currency THEN 'wrong_amount'
    END;

    IF v_reason IS NULL AND v_state = 'held' THEN
        v_settled := p_order;
        PERFORM stockcast_set_state(ARRAY[p_order], 'paid');
        PERFORM stockcast_move(ARRAY[p_order], 'HOLD_POST', 'sold', -1, 1, 0, 'payment', p_payment);
    ELSIF v_reason IS NULL AND p_mode = 'pay' THEN
        RETURN json_build_object('kind', 'needs_units', 'order', stockcast_order_of(p_order))::text;
    ELSIF v_reason IS NULL AND p_mode = 'reacquire' THEN
        SELECT bool_and(i.epoch = p_epoch), bool_and(i.held + i.sold + l.quantity <= i.allotted) INTO v_current, v_fits
            FROM order_lines l JOIN livestream_items i ON i.livestream_id = v_order.livestream_id AND i.sku_id = l.sku_id
            WHERE l.order_id = p_order;
        IF NOT v_current THEN RETURN json_build_object('kind', 'fenced')::text; END IF;
        IF v_fits THEN
            -- The fence answers for the units' attempt in resolve (O6). A void one there: resolve has given the units back already.
            INSERT INTO orders (id, livestream_id, buyer_id, device_id, state, takes, reacquires)
                VALUES (p_rid, v_order.livestream_id, v_order.buyer_id, v_order.device_id, 'paid', 'hold', p_order) ON CONFLICT DO NOTHING;
            IF NOT FOUND THEN RETURN json_build_object('kind', 'fenced')::text; END IF;
            v_settled := p_rid;
            -- From here on this order has taken its units at payment: nothing may ever settle its first attempt.
            UPDATE orders SET state = 'paid', takes = 'pay', changed_at = clock_timestamp() WHERE id = p_order;
            PERFORM stockcast_move(ARRAY[p_order], 'SALE', 'sold', 0, 1, 0, 'payment', p_payment);
        ELSE
            v_reason := 'no_units';
        END IF;
    ELSIF v_reason IS NULL THEN
        v_reason := 'no_units';
    END IF;

    IF v_reason IN ('cancelled', 'no_units') THEN
        PERFORM stockcast_set_state(ARRAY[p_order], 'refund_due');
    END IF;
    INSERT INTO payments (id, order_id, amount_minor, currency, state, reason)
        VALUES (p_payment, p_order, p_amount, p_currency, CASE WHEN v_reason IS NULL THEN 'accepted' ELSE 'refund_due' END::payment_state, v_reason);
    RETURN json_build_object('kind', 'final', 'outcome', CASE WHEN v_reason IS NULL THEN 'paid' ELSE 'refund_due' END,
        'order', stockcast_order_of(p_order), 'settled', v_settled, 'changed', v_settled IS NOT NULL OR v_reason IN ('cancelled', 'no_units'))::text;
END $$;

-- paid → refunded with its units sellable again; refund_due → refunded; in any other state only money that waits for its way back.
-- null: no such order, or nothing to refund.
CREATE FUNCTION stockcast_refund(p_order text, p_actor text, p_reason text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    v_order orders;
    v_refunded json;
BEGIN
    PERFORM stockcast_lock_items_of(ARRAY[p_order]);
    SELECT * INTO v_order FROM orders WHERE id = p_order AND state <> 'void' AND reacquires IS NULL FOR UPDATE;
    IF NOT FOUND THEN RETURN NULL; END IF;
    WITH back AS (
        UPDATE payments SET state = 'refunded', refunded_at = clock_timestamp()
            WHERE order_id = p_order AND (state = 'refund_due' OR (state = 'accepted' AND v_order.state = 'paid'))
            RETURNING id, amount_minor, currency
    )
    SELECT json_agg(json_build_object('paymentId', id, 'amountMinor', amount_minor, 'currency', currency) ORDER BY id) INTO v_refunded FROM back;
    IF v_refunded IS NULL AND v_order.state NOT IN ('paid', 'refund_due', 'refunded') THEN RETURN NULL; END IF;
    IF v_order.state IN ('paid', 'refund_due') THEN
        PERFORM stockcast_set_state(ARRAY[p_order], 'refunded');
    END IF;
    IF v_order.state = 'paid' THEN
        PERFORM stockcast_move(ARRAY[p_order], 'SALE_CANCEL', 'sold', 0, -1, 1, p_actor, p_reason);
    END IF;
    RETURN json_build_object('order', stockcast_order_of(p_order), 'refunded', coalesce(v_refunded, '[]'), 'items', coalesce((
        SELECT json_agg(stockcast_definition(i) ORDER BY i.index)
            FROM order_lines l JOIN livestream_items i ON i.livestream_id = v_order.livestream_id AND i.sku_id = l.sku_id
            WHERE l.order_id = p_order AND v_order.state = 'paid'), '[]'))::text;
END $$;

-- O6: a void row, or the state of the row that is there. Waits for an insert in flight, not longer than half a second; blocks a later one.
-- An attempt whose order was paid with units of another attempt has itself expired.
CREATE FUNCTION stockcast_resolve(p_livestream text, p_rids text[]) RETURNS text LANGUAGE plpgsql SET lock_timeout = '500ms' AS $$
BEGIN
    INSERT INTO orders (id, livestream_id, state)
        SELECT DISTINCT q.rid, p_livestream, 'void'::order_state FROM unnest(p_rids) AS q(rid) ORDER BY 1
        ON CONFLICT DO NOTHING;
    RETURN (
        SELECT coalesce(json_agg(json_build_object(
                   'rid', o.id, 'state', CASE WHEN o.state IN ('paid', 'refunded') AND o.takes = 'pay' THEN 'expired' ELSE o.state::text END,
                   'expiresAtMs', stockcast_ms(o.expires_at))), '[]')::text
            FROM orders o WHERE o.id = ANY (p_rids));
END $$;

-- B2: from here on appends of older epochs are fenced. Everything is read in later statements, behind the locks that every change of an
-- order has to take first: the picture is whole. null: no such livestream.
CREATE FUNCTION stockcast_fence(p_livestream text, p_key_window_ms bigint) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    v_livestream livestreams;
    v_epoch int;
BEGIN
    PERFORM 1 FROM livestream_items WHERE livestream_id = p_livestream ORDER BY livestream_id, sku_id FOR UPDATE;
    SELECT * INTO v_livestream FROM livestreams WHERE id = p_livestream FOR NO KEY UPDATE;
    IF NOT FOUND THEN RETURN NULL; END IF;
    SELECT greatest(v_livestream.epoch, max(epoch)) + 1 INTO v_epoch FROM livestream_items WHERE livestream_id = p_livestream;
    UPDATE livestream_items SET epoch = v_epoch WHERE livestream_id = p_livestream;
    UPDATE livestreams SET epoch = v_epoch WHERE id = p_livestream;
    RETURN stockcast_picture(p_livestream, v_epoch, v_livestream.info_rev, p_key_window_ms)::text;
END $$;
