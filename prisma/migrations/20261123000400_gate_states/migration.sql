-- An order ends as `refunded` in two ways: its units were sold and came back, or money arrived for which there were none (`refund_due`).
-- Only the first counts towards the limits, and only the first was ever sold at the gate. Its payment was taken for good once.
CREATE FUNCTION stockcast_had_units(o orders) RETURNS boolean LANGUAGE sql STABLE AS $$
    SELECT EXISTS (SELECT 1 FROM payments p WHERE p.order_id = o.id AND p.reason IS NULL)
$$;

-- What the gate has to do for one attempt: void, held, placed: as they are · paid: its units are sold · anything else: released.
-- An order that was paid with units of another attempt has given its own place back; the fence of that other attempt says paid.
CREATE FUNCTION stockcast_gate_state(o orders) RETURNS text LANGUAGE sql STABLE AS $$
    SELECT CASE
        WHEN o.state IN ('paid', 'refunded') AND o.takes = 'pay' THEN 'expired'
        WHEN o.state = 'refunded' THEN CASE WHEN stockcast_had_units(o) THEN 'paid' ELSE 'cancelled' END
        ELSE o.state::text
    END
$$;

-- The JSON of `Resolution` in server/orders/order-ledger.ts.
CREATE FUNCTION stockcast_resolution(o orders) RETURNS json LANGUAGE sql STABLE AS $$
    SELECT json_build_object('rid', o.id, 'state', stockcast_gate_state(o), 'expiresAtMs', stockcast_ms(o.expires_at))
$$;

-- O6: a void row, or the state of the row that is there. Waits for an insert in flight, not longer than half a second; blocks a later one.
CREATE OR REPLACE FUNCTION stockcast_resolve(p_livestream text, p_rids text[]) RETURNS text LANGUAGE plpgsql SET lock_timeout = '500ms' AS $$
BEGIN
    INSERT INTO orders (id, livestream_id, state)
        SELECT DISTINCT q.rid, p_livestream, 'void'::order_state FROM unnest(p_rids) AS q(rid) ORDER BY 1
        ON CONFLICT DO NOTHING;
    RETURN (SELECT coalesce(json_agg(stockcast_resolution(o)), '[]')::text FROM orders o WHERE o.id = ANY (p_rids));
END $$;

-- A3: what became of attempts lately, oldest first, 10,000 at most. Committed changes only, told by the moment of the change.
DROP FUNCTION stockcast_recent_transitions(text, bigint);
CREATE FUNCTION stockcast_recent_resolutions(p_livestream text, p_within_ms bigint) RETURNS text LANGUAGE sql STABLE AS $$
    SELECT coalesce(json_agg(stockcast_resolution(t) ORDER BY t.changed_at), '[]')::text
        FROM (SELECT * FROM orders
                  WHERE livestream_id = p_livestream AND state NOT IN ('held', 'placed', 'void')
                    AND changed_at >= now() - p_within_ms * interval '1 millisecond'
                  ORDER BY changed_at DESC LIMIT 10000) AS t
$$;

-- The JSON of `GateSnapshot`. Call it behind the locks of stockcast_fence.
CREATE OR REPLACE FUNCTION stockcast_picture(p_livestream text, p_epoch int, p_info_rev int, p_key_window_ms bigint) RETURNS json LANGUAGE sql STABLE AS $$
    SELECT json_build_object(
        'epoch', p_epoch,
        'infoRev', p_info_rev,
        'items', (SELECT coalesce(json_agg(stockcast_definition(i) || jsonb_build_object('sold', i.sold) ORDER BY i.index), '[]')
            FROM livestream_items i WHERE i.livestream_id = p_livestream),
        'holds', (SELECT coalesce(json_agg(json_build_object(
                'rid', o.id, 'state', o.state, 'takes', o.takes, 'buyerId', o.buyer_id, 'deviceId', o.device_id,
                'leaseEndsAtMs', stockcast_ms(o.expires_at),
                'lines', (SELECT json_agg(json_build_object('skuId', l.sku_id, 'quantity', l.quantity) ORDER BY l.sku_id COLLATE "C")
                              FROM order_lines l WHERE l.order_id = o.id))), '[]')
            FROM orders o WHERE o.livestream_id = p_livestream AND o.state IN ('held', 'placed')),
        'counted', (SELECT coalesce(json_agg(json_build_object(
                'skuId', c.sku_id, 'buyerId', c.buyer_id, 'deviceId', c.device_id, 'quantity', c.quantity)), '[]')
            FROM (SELECT l.sku_id, o.buyer_id, o.device_id, sum(l.quantity) AS quantity
                      FROM orders o JOIN order_lines l ON l.order_id = o.id
                      WHERE o.livestream_id = p_livestream
                        AND (o.state = 'paid' OR (o.state = 'refunded' AND stockcast_had_units(o)))
                      GROUP BY l.sku_id, o.buyer_id, o.device_id) AS c),
        'keys', (SELECT coalesce(json_agg(json_build_object(
                'key', o.key, 'rid', o.id, 'bodyHash', o.body_hash, 'takes', o.takes,
                'state', CASE WHEN o.state IN ('held', 'placed') THEN o.state::text
                              WHEN o.state IN ('paid', 'refunded') THEN 'settled' ELSE 'closed' END)), '[]')
            FROM orders o
            WHERE o.livestream_id = p_livestream AND o.key IS NOT NULL
              AND (o.created_at > now() - p_key_window_ms * interval '1 millisecond' OR o.state IN ('held', 'placed'))))
$$;
