-- The JSON of `ItemDefinition` in server/stock/stock-engine.ts.
CREATE FUNCTION stockcast_definition(i livestream_items) RETURNS jsonb LANGUAGE sql STABLE AS $$
    SELECT jsonb_build_object(
        'skuId', i.sku_id,
        'pool', jsonb_build_object('rev', i.pool_rev, 'allotted', i.allotted, 'returned', i.returned),
        'terms', jsonb_build_object(
            'rev', i.terms_rev, 'sale', i.sale, 'opensAtMs', coalesce(stockcast_ms(i.opens_at), 0), 'salePolicy', i.sale_policy,
            'limits', jsonb_build_object('perOrder', i.limit_per_order, 'perBuyer', i.limit_per_buyer, 'perDevice', i.limit_per_device)))
$$;

-- The JSON of `GateSnapshot`. Call it behind the locks of stockcast_fence.
CREATE FUNCTION stockcast_picture(p_livestream text, p_epoch int, p_info_rev int, p_key_window_ms bigint) RETURNS json LANGUAGE sql STABLE AS $$
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
                      WHERE o.livestream_id = p_livestream AND o.state IN ('paid', 'refunded')
                      GROUP BY l.sku_id, o.buyer_id, o.device_id) AS c),
        'keys', (SELECT coalesce(json_agg(json_build_object(
                'key', o.key, 'rid', o.id, 'bodyHash', o.body_hash, 'takes', o.takes,
                'state', CASE WHEN o.state IN ('held', 'placed') THEN o.state::text
                              WHEN o.state IN ('paid', 'refunded') THEN 'settled' ELSE 'closed' END)), '[]')
            FROM orders o
            WHERE o.livestream_id = p_livestream AND o.key IS NOT NULL
              AND (o.created_at > now() - p_key_window_ms * interval '1 millisecond' OR o.state IN ('held', 'placed'))))
$$;

-- A3: what became of attempts lately, told so that each attempt is followed by its own state: the attempt whose units paid for another's
-- order is told as that order, taken as a hold; the order's first attempt is told as expired, because its units went that way.
CREATE FUNCTION stockcast_recent_transitions(p_livestream text, p_within_ms bigint) RETURNS text LANGUAGE sql STABLE AS $$
    SELECT coalesce(json_agg(json_build_object('rid', t.id, 'livestreamId', t.livestream_id, 'order', CASE
            WHEN t.reacquires IS NOT NULL THEN stockcast_order_of(t.reacquires) || '{"takes": "hold"}'
            WHEN t.takes = 'pay' AND t.state IN ('paid', 'refunded') THEN stockcast_order(t) || '{"state": "expired"}'
            ELSE stockcast_order(t) END) ORDER BY t.changed_at), '[]')::text
        FROM (SELECT * FROM orders
                  WHERE livestream_id = p_livestream AND state NOT IN ('held', 'placed', 'void')
                    AND changed_at >= now() - p_within_ms * interval '1 millisecond'
                  ORDER BY changed_at DESC LIMIT 10000) AS t
$$;

-- One statement, one snapshot: counters and the sums of the orders behind them are of the same moment.
CREATE FUNCTION stockcast_audit(p_livestream text) RETURNS text LANGUAGE sql STABLE AS $$
    SELECT json_build_object('epoch', s.epoch, 'infoRev', s.info_rev, 'items', (
            SELECT coalesce(json_agg(json_build_object(
                    'skuId', i.sku_id, 'allotted', i.allotted, 'held', i.held, 'sold', i.sold, 'returned', i.returned,
                    'heldByOrders', coalesce(u.held, 0), 'soldByOrders', coalesce(u.sold, 0),
                    'poolRev', i.pool_rev, 'termsRev', i.terms_rev) ORDER BY i.index), '[]')
                FROM livestream_items i
                LEFT JOIN (SELECT l.sku_id, sum(l.quantity) FILTER (WHERE o.state = 'held') AS held,
                                  sum(l.quantity) FILTER (WHERE o.state = 'paid') AS sold
                               FROM orders o JOIN order_lines l ON l.order_id = o.id
                               WHERE o.livestream_id = p_livestream AND o.state IN ('held', 'paid')
                               GROUP BY l.sku_id) AS u ON u.sku_id = i.sku_id
                WHERE i.livestream_id = p_livestream))::text
        FROM livestreams s WHERE s.id = p_livestream
$$;

CREATE FUNCTION stockcast_revisions(p_livestream text) RETURNS text LANGUAGE sql STABLE AS $$
    SELECT json_build_object('epoch', s.epoch, 'infoRev', s.info_rev, 'items', (
            SELECT coalesce(json_agg(json_build_object('skuId', i.sku_id, 'poolRev', i.pool_rev, 'termsRev', i.terms_rev) ORDER BY i.index), '[]')
                FROM livestream_items i WHERE i.livestream_id = p_livestream))::text
        FROM livestreams s WHERE s.id = p_livestream
$$;

CREATE FUNCTION stockcast_definitions(p_livestream text) RETURNS text LANGUAGE sql STABLE AS $$
    SELECT json_build_object('infoRev', s.info_rev, 'items', (
            SELECT coalesce(json_agg(stockcast_definition(i) ORDER BY i.index), '[]') FROM livestream_items i WHERE i.livestream_id = p_livestream))::text
        FROM livestreams s WHERE s.id = p_livestream
$$;
