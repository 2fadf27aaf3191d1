-- AlterTable
ALTER TABLE "pace_leases" RENAME TO "leases";
ALTER TABLE "leases" RENAME CONSTRAINT "pace_leases_pkey" TO "leases_pkey";
ALTER TABLE "leases" ADD COLUMN "token" BIGINT NOT NULL DEFAULT 0;

-- Everything below is what Prisma's schema language cannot express.

-- LE-1: takes every lease of `p_names` that is free, over or the caller's own, for `p_ttl_ms` from now by this server's clock, and answers
-- for all of them. The token grows with every new tenure and never falls (LE-3): rows are never deleted. Sorted, so that two callers
-- cannot deadlock.
CREATE FUNCTION stockcast_take_leases(p_names text[], p_holder text, p_ttl_ms int)
RETURNS TABLE (name text, holder text, token bigint, left_ms float8) LANGUAGE sql AS $$
    WITH taken AS (
        INSERT INTO leases AS lease (name, holder, token, expires_at)
            SELECT wanted, p_holder, 1, clock_timestamp() + p_ttl_ms * interval '1 millisecond'
                FROM unnest(p_names) AS wanted ORDER BY wanted
        ON CONFLICT ON CONSTRAINT leases_pkey DO UPDATE
            SET holder = EXCLUDED.holder, expires_at = EXCLUDED.expires_at,
                token = lease.token + CASE WHEN lease.holder = EXCLUDED.holder AND lease.expires_at >= clock_timestamp() THEN 0 ELSE 1 END
            WHERE lease.holder = EXCLUDED.holder OR lease.expires_at < clock_timestamp()
        RETURNING lease.name, lease.holder, lease.token, lease.expires_at
    )
    SELECT t.name, t.holder, t.token, extract(epoch FROM t.expires_at - clock_timestamp())::float8 * 1000 FROM taken t
    UNION ALL
    SELECT l.name, l.holder, l.token, extract(epoch FROM l.expires_at - clock_timestamp())::float8 * 1000
        FROM leases l WHERE l.name = ANY (p_names) AND l.name NOT IN (SELECT t.name FROM taken t)
$$;

-- PA-18: what happened on the items of a livestream since `p_since`, second by second, for whoever follows its curves from now on: the
-- last state of each second in which something changed, counted back from the present one. Reads as many entries as that time has.
CREATE FUNCTION stockcast_seconds_since(p_livestream text, p_since timestamptz)
RETURNS TABLE (sku_id text, second bigint, consumed int, available int) LANGUAGE plpgsql STABLE AS $$
DECLARE
    item record;
    entry record;
    v_at bigint;
    v_allotted int;
BEGIN
    FOR item IN SELECT i.sku_id, i.held + i.sold AS consumed, i.allotted FROM livestream_items i WHERE i.livestream_id = p_livestream LOOP
        sku_id := item.sku_id;
        consumed := item.consumed;
        v_allotted := item.allotted;
        second := NULL;
        FOR entry IN
            SELECT e.type, e.bucket, e.before, e.after, e.created_at FROM stock_entries e
                WHERE e.livestream_id = p_livestream AND e.sku_id = item.sku_id ORDER BY e.seq DESC
        LOOP
            -- A transaction that waited for its locks is dated by its beginning: entries are in order but for that.
            EXIT WHEN entry.created_at < p_since - interval '5 seconds';
            v_at := floor(extract(epoch FROM entry.created_at));
            IF entry.created_at >= p_since AND (second IS NULL OR v_at < second) THEN
                second := v_at;
                available := greatest(0, v_allotted - consumed);
                RETURN NEXT;
            END IF;
            IF entry.bucket = 'allotted' THEN
                v_allotted := v_allotted - (entry.after - entry.before);
            ELSIF entry.type <> 'HOLD_POST' AND entry.bucket IN ('held', 'sold') THEN
                consumed := consumed - (entry.after - entry.before);
            END IF;
        END LOOP;
    END LOOP;
END $$;
