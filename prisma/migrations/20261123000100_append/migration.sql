-- Orders as the ledger tells them: the JSON of `LedgerOrder` in server/orders/order-ledger.ts.
CREATE FUNCTION stockcast_ms(at timestamptz) RETURNS bigint LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT (extract(epoch FROM at) * 1000)::bigint
$$;

CREATE FUNCTION stockcast_order(o orders) RETURNS jsonb LANGUAGE sql STABLE AS $$
    SELECT jsonb_build_object(
        'orderId', o.id, 'livestreamId', o.livestream_id, 'state', o.state, 'totalMinor', o.total_minor, 'currency', o.currency,
        'createdAtMs', stockcast_ms(o.created_at), 'expiresAtMs', stockcast_ms(coalesce(o.expires_at, o.created_at)),
        'key', o.key, 'bodyHash', o.body_hash, 'takes', o.takes, 'buyerId', o.buyer_id, 'deviceId', o.device_id,
        'lines', (SELECT coalesce(jsonb_agg(jsonb_build_object('skuId', l.sku_id, 'quantity', l.quantity, 'unitPriceMinor', l.unit_price_minor)
                                            ORDER BY l.sku_id COLLATE "C"), '[]')
                    FROM order_lines l WHERE l.order_id = o.id))
$$;

-- O1, O2: appends a group of new orders in one transaction and answers each by itself.
--
-- Items come once each in p_item_*, orders in p_rid … p_ttl_ms (rids distinct; '' for no key, no device), their lines one after the other
-- in p_line_*: the lines of order n are p_first_line[n] … p_first_line[n + 1] - 1, and p_line_item points into p_item_*.
--
-- The items are locked first, in one order for everybody; every later statement then sees them as they are (READ COMMITTED, VOLATILE).
-- A running remainder per item decides, so that an order that does not fit never fails its neighbours, and an order of several items
-- gets all or nothing. Counters are raised by what was really inserted. An order whose rid or key is there already takes nothing, and
-- what it would have taken is offered again to those behind it.
--
-- Settings: tables grow by orders of magnitude under plans that were made when they were empty (the embedded database never analyzes),
-- so plans may use nothing but indexes and nested loops, which are right at any size here; and they are made once a session, not once a
-- call, which is most of the work of a group of one.
--
-- States while it works: 0 undecided, 1 fits, 2 fenced, 3 does not fit, 4 there already, 5 committed, 6 same rid, 7 same key.
CREATE FUNCTION stockcast_append(
    p_item_livestream text[], p_item_sku text[],
    p_rid text[], p_key text[], p_body_hash text[], p_livestream text[], p_epoch int[], p_buyer text[], p_device text[], p_pays int[],
    p_ttl_ms int[], p_first_line int[],
    p_line_rid text[], p_line_item int[], p_line_quantity int[]
) RETURNS text LANGUAGE plpgsql
    SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off SET jit = off SET plan_cache_mode = force_generic_plan
AS $$
DECLARE
    v_orders CONSTANT int := cardinality(p_rid);
    v_now timestamptz;
    v_epoch int[];
    v_free int[];
    v_held int[];
    v_price bigint[];
    v_currency text[];
    v_state int[] := array_fill(0, ARRAY[v_orders]);
    v_blame int[] := array_fill(0, ARRAY[v_orders]);
    v_total bigint[] := array_fill(0, ARRAY[v_orders]);
    -- The count of held units before each line; -1: the line is not written, -2: written, but it takes no units now.
    v_before int[] := array_fill(-1, ARRAY[cardinality(p_line_item)]);
    v_other text[] := array_fill(''::text, ARRAY[v_orders]);
    v_inserted text[];
    v_accepted int;
    v_lost boolean;
    v_refused boolean := false;
    v_verdict int;
    v_sum bigint;
    v_item int;
    v_found record;
    v_existing jsonb := '{}';
BEGIN
    PERFORM 1
        FROM unnest(p_item_livestream, p_item_sku) AS k(livestream, sku)
        JOIN livestream_items i ON i.livestream_id = k.livestream AND i.sku_id = k.sku
        ORDER BY i.livestream_id, i.sku_id
        FOR UPDATE OF i;
    v_now := date_trunc('milliseconds', clock_timestamp());

    SELECT array_agg(coalesce(i.epoch, -1) ORDER BY k.n), array_agg(coalesce(i.allotted - i.held - i.sold, 0) ORDER BY k.n),
           array_agg(coalesce(i.held, 0) ORDER BY k.n), array_agg(coalesce(i.unit_price_minor, 0) ORDER BY k.n),
           array_agg(coalesce(i.currency, '') ORDER BY k.n)
        INTO v_epoch, v_free, v_held, v_price, v_currency
        FROM unnest(p_item_livestream, p_item_sku) WITH ORDINALITY AS k(livestream, sku, n)
        LEFT JOIN livestream_items i ON i.livestream_id = k.livestream AND i.sku_id = k.sku;

    LOOP
        v_accepted := 0;
        FOR n IN 1..v_orders LOOP
            CONTINUE WHEN v_state[n] <> 0;
            v_verdict := 1;
            v_sum := 0;
            FOR l IN p_first_line[n]..p_first_line[n + 1] - 1 LOOP
                v_item := p_line_item[l];
                IF v_epoch[v_item] <> p_epoch[n] THEN
                    v_verdict := 2;
                    EXIT;
                END IF;
                IF v_verdict = 1 AND p_pays[n] = 0 AND v_free[v_item] < p_line_quantity[l] THEN
                    v_verdict := 3;
                    v_blame[n] := v_item;
                END IF;
                v_sum := v_sum + p_line_quantity[l] * v_price[v_item];
            END LOOP;
            IF v_verdict = 1 THEN
                v_accepted := v_accepted + 1;
                v_total[n] := v_sum;
                IF p_pays[n] = 0 THEN
                    FOR l IN p_first_line[n]..p_first_line[n + 1] - 1 LOOP
                        v_free[p_line_item[l]] := v_free[p_line_item[l]] - p_line_quantity[l];
                    END LOOP;
                END IF;
            ELSE
                v_refused := true;
            END IF;
            v_state[n] := v_verdict;
        END LOOP;
        EXIT WHEN v_accepted = 0;

        WITH fresh AS (
            INSERT INTO orders (id, key, body_hash, livestream_id, buyer_id, device_id, state, takes, total_minor, currency,
                                created_at, expires_at, changed_at)
            SELECT o.rid, nullif(o.key, ''), o.body_hash, o.livestream, o.buyer, nullif(o.device, ''),
                   CASE o.pays WHEN 0 THEN 'held' ELSE 'placed' END::order_state,
                   CASE o.pays WHEN 0 THEN 'hold' ELSE 'pay' END::order_takes,
                   v_total[o.n], v_currency[p_line_item[p_first_line[o.n]]],
                   v_now, v_now + o.ttl_ms * interval '1 millisecond', v_now
                FROM unnest(p_rid, p_key, p_body_hash, p_livestream, p_buyer, p_device, p_pays, p_ttl_ms)
                    WITH ORDINALITY AS o(rid, key, body_hash, livestream, buyer, device, pays, ttl_ms, n)
                WHERE v_state[o.n] = 1
                ORDER BY o.livestream, o.key, o.n
            ON CONFLICT DO NOTHING
            RETURNING id
        )
        SELECT array_agg(id) INTO v_inserted FROM fresh;
        v_lost := coalesce(cardinality(v_inserted), 0) < v_accepted;

        FOR n IN 1..v_orders LOOP
            CONTINUE WHEN v_state[n] <> 1;
            IF v_lost AND NOT p_rid[n] = ANY (coalesce(v_inserted, '{}')) THEN
                v_state[n] := 4;
                v_refused := true;
                IF p_pays[n] = 0 THEN
                    FOR l IN p_first_line[n]..p_first_line[n + 1] - 1 LOOP
                        v_free[p_line_item[l]] := v_free[p_line_item[l]] + p_line_quantity[l];
                    END LOOP;
                END IF;
            ELSE
                v_state[n] := 5;
                FOR l IN p_first_line[n]..p_first_line[n + 1] - 1 LOOP
                    IF p_pays[n] = 0 THEN
                        v_before[l] := v_held[p_line_item[l]];
                        v_held[p_line_item[l]] := v_held[p_line_item[l]] + p_line_quantity[l];
                    ELSE
                        v_before[l] := -2;
                    END IF;
                END LOOP;
            END IF;
        END LOOP;
        EXIT WHEN NOT v_lost OR NOT 3 = ANY (v_state);
        v_state := array_replace(v_state, 3, 0);
    END LOOP;

    INSERT INTO order_lines (order_id, sku_id, quantity, unit_price_minor)
        SELECT l.rid, p_item_sku[l.item], l.quantity, v_price[l.item]
            FROM unnest(p_line_rid, p_line_item, p_line_quantity, v_before) AS l(rid, item, quantity, before)
            WHERE l.before <> -1;
    INSERT INTO stock_entries (sku_id, livestream_id, type, bucket, before, after, ref_type, ref_id, actor, created_at)
        SELECT p_item_sku[l.item], p_item_livestream[l.item], 'HOLD', 'held', l.before, l.before + l.quantity, 'order', l.rid, 'buyer', v_now
            FROM unnest(p_line_rid, p_line_item, p_line_quantity, v_before) WITH ORDINALITY AS l(rid, item, quantity, before, n)
            WHERE l.before >= 0
            ORDER BY l.n;
    UPDATE livestream_items i SET held = v_held[k.n]
        FROM unnest(p_item_livestream, p_item_sku) WITH ORDINALITY AS k(livestream, sku, n)
        WHERE i.livestream_id = k.livestream AND i.sku_id = k.sku AND i.held <> v_held[k.n];

    -- O1: rid and key come before epoch and units. A refused order may be a repetition of one that is there.
    IF v_refused THEN
        FOR v_found IN
            SELECT o.n, r.id AS same_rid, k.id AS same_key, coalesce(r.id, k.id) AS id,
                   CASE WHEN r.id IS NULL THEN stockcast_order(k) ELSE stockcast_order(r) END AS found
                FROM unnest(p_rid, p_livestream, p_key) WITH ORDINALITY AS o(rid, livestream, key, n)
                LEFT JOIN orders r ON r.id = o.rid
                LEFT JOIN orders k ON k.livestream_id = o.livestream AND k.key = o.key
                WHERE v_state[o.n] IN (2, 3, 4)
        LOOP
            IF v_found.id IS NOT NULL THEN
                v_state[v_found.n] := CASE WHEN v_found.same_rid IS NULL THEN 7 ELSE 6 END;
                v_other[v_found.n] := v_found.id;
                v_existing := v_existing || jsonb_build_object(v_found.id, v_found.found);
            ELSIF v_state[v_found.n] = 4 THEN
                RAISE EXCEPTION 'order % conflicts with a row that is not there', p_rid[v_found.n] USING ERRCODE = 'serialization_failure';
            END IF;
        END LOOP;
    END IF;

    RETURN json_build_object(
        'atMs', stockcast_ms(v_now), 'states', to_json(v_state), 'blame', to_json(v_blame), 'other', to_json(v_other),
        'free', to_json(v_free), 'prices', to_json(v_price), 'currencies', to_json(v_currency), 'existing', v_existing)::text;
END $$;
