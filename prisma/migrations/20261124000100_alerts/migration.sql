-- Alerts and plans. The tables are those of schema.prisma, with ids that compare by bytes (COLLATE "C") as everywhere.
-- AL-n are the rules of docs/spec/alerts.md.

-- CreateEnum
CREATE TYPE "alert_basis" AS ENUM ('coverage', 'consumption', 'sold_out');

-- CreateEnum
CREATE TYPE "alert_tier" AS ENUM ('yellow', 'orange', 'red');

-- CreateEnum
CREATE TYPE "alert_state" AS ENUM ('raised', 'acknowledged', 'resolved');

-- CreateTable
CREATE TABLE "alert_books" (
    "livestream_id" TEXT COLLATE "C" NOT NULL,
    "rev" INTEGER NOT NULL DEFAULT 1,
    "planned_end_at" TIMESTAMPTZ(3),

    CONSTRAINT "alert_books_pkey" PRIMARY KEY ("livestream_id")
);

-- CreateTable
CREATE TABLE "item_plans" (
    "livestream_id" TEXT COLLATE "C" NOT NULL,
    "sku_id" TEXT COLLATE "C" NOT NULL,
    "estimate" INTEGER CHECK ("estimate" >= 0),
    "confidence" TEXT NOT NULL DEFAULT 'high',
    "lead_time_days" INTEGER NOT NULL DEFAULT 3,
    "curve_class" TEXT NOT NULL DEFAULT 'steady',
    "core" BOOLEAN NOT NULL DEFAULT false,
    "red_policy" TEXT NOT NULL DEFAULT 'ask',
    "dynamic_line" BOOLEAN NOT NULL DEFAULT true,
    "yellow_percent" INTEGER NOT NULL DEFAULT 80,
    "orange_percent" INTEGER NOT NULL DEFAULT 100,
    "red_percent" INTEGER NOT NULL DEFAULT 120,
    "updated_at" TIMESTAMPTZ(3) NOT NULL,

    CONSTRAINT "item_plans_pkey" PRIMARY KEY ("livestream_id","sku_id"),
    CONSTRAINT "item_plans_tiers_ascend" CHECK ("yellow_percent" < "orange_percent" AND "orange_percent" < "red_percent")
);

-- CreateTable
CREATE TABLE "plan_changes" (
    "seq" BIGSERIAL NOT NULL,
    "livestream_id" TEXT COLLATE "C" NOT NULL,
    "sku_id" TEXT COLLATE "C",
    "at" TIMESTAMPTZ(3) NOT NULL,
    "actor" TEXT NOT NULL,
    "plan" JSONB NOT NULL,
    "reasons" JSONB NOT NULL DEFAULT '[]',

    CONSTRAINT "plan_changes_pkey" PRIMARY KEY ("seq")
);

-- CreateTable
CREATE TABLE "item_watches" (
    "livestream_id" TEXT COLLATE "C" NOT NULL,
    "sku_id" TEXT COLLATE "C" NOT NULL,
    "opened_at" TIMESTAMPTZ(3),
    "original_estimate" INTEGER,
    "line_move" TEXT NOT NULL DEFAULT 'none',
    "line_moved_at" TIMESTAMPTZ(3),
    "coverage_generation" INTEGER NOT NULL DEFAULT 0,
    "sold_out_generation" INTEGER NOT NULL DEFAULT 0,

    CONSTRAINT "item_watches_pkey" PRIMARY KEY ("livestream_id","sku_id")
);

-- CreateTable
CREATE TABLE "alert_crossings" (
    "livestream_id" TEXT COLLATE "C" NOT NULL,
    "sku_id" TEXT COLLATE "C" NOT NULL,
    "basis" "alert_basis" NOT NULL,
    "generation" INTEGER NOT NULL,
    "tier" "alert_tier" NOT NULL,
    "alert_id" TEXT COLLATE "C" NOT NULL,
    "at" TIMESTAMPTZ(3) NOT NULL,

    CONSTRAINT "alert_crossings_pkey" PRIMARY KEY ("livestream_id","sku_id","basis","generation","tier")
);

-- CreateTable
CREATE TABLE "alerts" (
    "id" TEXT COLLATE "C" NOT NULL,
    "livestream_id" TEXT COLLATE "C" NOT NULL,
    "sku_id" TEXT COLLATE "C" NOT NULL,
    "basis" "alert_basis" NOT NULL,
    "tier" "alert_tier" NOT NULL,
    "state" "alert_state" NOT NULL DEFAULT 'raised',
    "raised_at" TIMESTAMPTZ(3) NOT NULL,
    "tier_raised_at" TIMESTAMPTZ(3) NOT NULL,
    "acknowledged_at" TIMESTAMPTZ(3),
    "acknowledged_by" TEXT,
    "resolved_at" TIMESTAMPTZ(3),
    "silenced_until" TIMESTAMPTZ(3),
    "assigned_to" TEXT,
    "escalation" INTEGER NOT NULL DEFAULT 0,
    "muted" BOOLEAN NOT NULL DEFAULT false,
    "facts" JSONB NOT NULL DEFAULT '{}',
    "reasons" JSONB NOT NULL DEFAULT '[]',
    "escalate_at" TIMESTAMPTZ(3),
    "unack_at" TIMESTAMPTZ(3),
    "due_at" TIMESTAMPTZ(3),

    CONSTRAINT "alerts_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "alert_events" (
    "seq" BIGSERIAL NOT NULL,
    "alert_id" TEXT COLLATE "C" NOT NULL,
    "at" TIMESTAMPTZ(3) NOT NULL,
    "kind" TEXT NOT NULL,
    "actor" TEXT NOT NULL,
    "note" TEXT NOT NULL DEFAULT '',

    CONSTRAINT "alert_events_pkey" PRIMARY KEY ("seq")
);

-- CreateTable
CREATE TABLE "replenishment_tasks" (
    "id" TEXT COLLATE "C" NOT NULL,
    "livestream_id" TEXT COLLATE "C" NOT NULL,
    "sku_id" TEXT COLLATE "C" NOT NULL,
    "quantity" INTEGER NOT NULL CHECK ("quantity" >= 0),
    "state" TEXT NOT NULL DEFAULT 'open',
    "created_at" TIMESTAMPTZ(3) NOT NULL,
    "done_at" TIMESTAMPTZ(3),
    "note" TEXT NOT NULL DEFAULT '',

    CONSTRAINT "replenishment_tasks_pkey" PRIMARY KEY ("id")
);

-- CreateIndex
CREATE INDEX "plan_changes_livestream_id_sku_id_seq_idx" ON "plan_changes"("livestream_id", "sku_id", "seq");

-- CreateIndex
CREATE INDEX "alerts_livestream_id_raised_at_idx" ON "alerts"("livestream_id", "raised_at");

-- CreateIndex
CREATE INDEX "alert_events_alert_id_seq_idx" ON "alert_events"("alert_id", "seq");

-- CreateIndex
CREATE INDEX "replenishment_tasks_livestream_id_created_at_idx" ON "replenishment_tasks"("livestream_id", "created_at");

-- AL-10: one open alert per item and basis. Prisma's schema knows no partial indexes; this one also serves the look at what is due.
CREATE UNIQUE INDEX "alerts_one_open" ON "alerts"("livestream_id", "sku_id", "basis") WHERE "state" <> 'resolved';
CREATE UNIQUE INDEX "replenishment_tasks_one_open" ON "replenishment_tasks"("livestream_id", "sku_id") WHERE "state" = 'open';

-- AL-19: what happened to an alert or a plan is kept as it was.
CREATE FUNCTION stockcast_refuse_rewriting() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% is append-only', TG_TABLE_NAME;
END $$;
CREATE TRIGGER "alert_events_append_only" BEFORE UPDATE OR DELETE ON "alert_events"
    FOR EACH ROW EXECUTE FUNCTION stockcast_refuse_rewriting();
CREATE TRIGGER "plan_changes_append_only" BEFORE UPDATE OR DELETE ON "plan_changes"
    FOR EACH ROW EXECUTE FUNCTION stockcast_refuse_rewriting();

CREATE FUNCTION stockcast_at(ms bigint) RETURNS timestamptz LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT timestamptz 'epoch' + ms * interval '1 millisecond'
$$;

-- The JSON of `Alert` in contract/alerts.ts, and what the desk keeps beside it.
CREATE FUNCTION stockcast_alert(a alerts) RETURNS jsonb LANGUAGE sql STABLE AS $$
    SELECT jsonb_build_object(
        'alertId', a.id, 'livestreamId', a.livestream_id, 'skuId', a.sku_id, 'basis', a.basis, 'tier', a.tier, 'state', a.state,
        'raisedAtMs', stockcast_ms(a.raised_at), 'tierRaisedAtMs', stockcast_ms(a.tier_raised_at),
        'acknowledgedAtMs', stockcast_ms(a.acknowledged_at), 'acknowledgedBy', a.acknowledged_by,
        'resolvedAtMs', stockcast_ms(a.resolved_at), 'silencedUntilMs', stockcast_ms(a.silenced_until), 'assignedTo', a.assigned_to,
        'escalation', a.escalation, 'muted', a.muted, 'facts', a.facts, 'reasons', a.reasons,
        'dueAtMs', stockcast_ms(a.due_at))
$$;

-- Takes the livestream's lock and tells every node to read its book again. First in everything that changes an alert's state,
-- so that all changes of a livestream's alerts are one after the other and no two can wait for each other.
CREATE FUNCTION stockcast_turn_page(p_livestream text) RETURNS int LANGUAGE sql AS $$
    INSERT INTO alert_books (livestream_id, rev) VALUES (p_livestream, 1)
        ON CONFLICT (livestream_id) DO UPDATE SET rev = alert_books.rev + 1 RETURNING rev
$$;

-- null: this tier does not escalate. p: {orangeMs, redMs}.
CREATE FUNCTION stockcast_escalate_at(p_tier alert_tier, p_from timestamptz, p jsonb) RETURNS timestamptz LANGUAGE sql IMMUTABLE AS $$
    SELECT CASE p_tier WHEN 'orange' THEN p_from + (p->>'orangeMs')::bigint * interval '1 millisecond'
                       WHEN 'red' THEN p_from + (p->>'redMs')::bigint * interval '1 millisecond' END
$$;

-- AL-12: an open red alert mutes the others of its item. Returns those whose muting changed.
CREATE FUNCTION stockcast_mute_item(p_livestream text, p_sku text, p_at timestamptz, p jsonb) RETURNS SETOF alerts LANGUAGE plpgsql AS $$
DECLARE
    red_open boolean := EXISTS (SELECT 1 FROM alerts o WHERE o.livestream_id = p_livestream AND o.sku_id = p_sku
                                    AND o.state <> 'resolved' AND o.tier = 'red');
BEGIN
    RETURN QUERY UPDATE alerts o SET
            muted = red_open AND o.tier <> 'red',
            escalate_at = CASE WHEN o.state = 'raised' AND NOT (red_open AND o.tier <> 'red') AND o.silenced_until IS NULL
                               THEN stockcast_escalate_at(o.tier, p_at, p) END
        WHERE o.livestream_id = p_livestream AND o.sku_id = p_sku AND o.state <> 'resolved'
          AND o.muted <> (red_open AND o.tier <> 'red')
        RETURNING o.*;
END $$;

-- AL-8, AL-9: raises tiers that were crossed, each at most once per generation, whoever asks and how often.
-- p: {livestreamId, atMs, leaseMs, orangeMs, redMs, crossings: [{skuId, basis, generation, tiers, alertId, facts, reasons, note,
-- task: {taskId, quantity, note} | null}]}. Returns {won: [tiers], alert} for each crossing and {won: [], alert} for what it muted.
CREATE FUNCTION stockcast_raise_alerts(p jsonb) RETURNS SETOF jsonb LANGUAGE plpgsql AS $$
DECLARE
    p_livestream text := p->>'livestreamId';
    p_at timestamptz := stockcast_at((p->>'atMs')::bigint);
    c jsonb;
    c_sku text;
    c_basis alert_basis;
    c_generation int;
    now_generation int;
    won alert_tier[];
    top alert_tier;
    known alerts;
    is_new boolean;
    other alerts;
BEGIN
    PERFORM stockcast_turn_page(p_livestream);
    FOR c IN SELECT * FROM jsonb_array_elements(p->'crossings') LOOP
        c_sku := c->>'skuId';
        c_basis := (c->>'basis')::alert_basis;
        c_generation := (c->>'generation')::int;
        INSERT INTO item_watches (livestream_id, sku_id) VALUES (p_livestream, c_sku) ON CONFLICT DO NOTHING;
        SELECT CASE c_basis WHEN 'coverage' THEN coverage_generation WHEN 'sold_out' THEN sold_out_generation ELSE 0 END
            INTO now_generation FROM item_watches WHERE livestream_id = p_livestream AND sku_id = c_sku;
        SELECT * INTO known FROM alerts a
            WHERE a.livestream_id = p_livestream AND a.sku_id = c_sku AND a.basis = c_basis AND a.state <> 'resolved';
        is_new := NOT FOUND;
        -- A node that has not heard yet that the basis was armed again looks at the book first.
        won := NULL;
        IF now_generation = c_generation THEN
            WITH fresh AS (
                INSERT INTO alert_crossings (livestream_id, sku_id, basis, generation, tier, alert_id, at)
                    SELECT p_livestream, c_sku, c_basis, c_generation, t.tier::alert_tier, coalesce(known.id, c->>'alertId'), p_at
                        FROM jsonb_array_elements_text(c->'tiers') AS t(tier)
                    ON CONFLICT DO NOTHING RETURNING tier)
            SELECT array_agg(tier ORDER BY tier) INTO won FROM fresh;
        END IF;
        IF won IS NULL THEN
            RETURN NEXT jsonb_build_object('won', '[]'::jsonb, 'alert', CASE WHEN NOT is_new THEN stockcast_alert(known) END);
            CONTINUE;
        END IF;
        top := won[array_upper(won, 1)];
        IF is_new THEN
            INSERT INTO alerts (id, livestream_id, sku_id, basis, tier, state, raised_at, tier_raised_at, facts, reasons, escalate_at, due_at)
                VALUES (c->>'alertId', p_livestream, c_sku, c_basis, top, 'raised', p_at, p_at, c->'facts', c->'reasons',
                        stockcast_escalate_at(top, p_at, p), p_at + (p->>'leaseMs')::bigint * interval '1 millisecond')
                RETURNING * INTO known;
        ELSIF top > known.tier THEN
            -- AL-11: nobody has seen this tier yet, whatever was done about the lower one.
            UPDATE alerts SET tier = top, state = 'raised', tier_raised_at = p_at, acknowledged_at = NULL, acknowledged_by = NULL,
                    silenced_until = NULL, unack_at = NULL, escalation = 0, facts = c->'facts', reasons = c->'reasons', muted = false,
                    escalate_at = stockcast_escalate_at(top, p_at, p), due_at = p_at + (p->>'leaseMs')::bigint * interval '1 millisecond'
                WHERE id = known.id RETURNING * INTO known;
        END IF;
        INSERT INTO alert_events (alert_id, at, kind, actor, note)
            SELECT known.id, p_at, CASE WHEN is_new AND t.n = 1 THEN 'raised' ELSE 'tier_raised' END, 'rule', t.tier || ': ' || (c->>'note')
                FROM unnest(won) WITH ORDINALITY AS t(tier, n);
        IF 'yellow' = ANY (won) AND c->'task' <> 'null'::jsonb THEN
            INSERT INTO replenishment_tasks (id, livestream_id, sku_id, quantity, created_at, note)
                VALUES (c#>>'{task,taskId}', p_livestream, c_sku, (c#>>'{task,quantity}')::int, p_at, c#>>'{task,note}')
                ON CONFLICT (livestream_id, sku_id) WHERE state = 'open'
                DO UPDATE SET quantity = greatest(replenishment_tasks.quantity, excluded.quantity);
            INSERT INTO alert_events (alert_id, at, kind, actor, note)
                VALUES (known.id, p_at, 'response', 'rule', 'replenishment task: ' || (c#>>'{task,quantity}') || ' units');
        END IF;
        FOR other IN SELECT * FROM stockcast_mute_item(p_livestream, c_sku, p_at, p) LOOP
            IF other.id = known.id THEN
                -- Born beside a red one: shown, not sent.
                UPDATE alerts SET due_at = NULL WHERE id = known.id RETURNING * INTO known;
            ELSE
                RETURN NEXT jsonb_build_object('won', '[]'::jsonb, 'alert', stockcast_alert(other));
            END IF;
        END LOOP;
        RETURN NEXT jsonb_build_object('won', to_jsonb(won), 'alert', stockcast_alert(known));
    END LOOP;
END $$;

-- AL-13: a basis has cleared. Its tiers may fire again, its open alert is resolved; once, whichever node asks.
-- p: {livestreamId, skuId, basis, generation, atMs, note, orangeMs, redMs}. Returns changed alerts.
CREATE FUNCTION stockcast_clear_basis(p jsonb) RETURNS SETOF jsonb LANGUAGE plpgsql AS $$
DECLARE
    p_at timestamptz := stockcast_at((p->>'atMs')::bigint);
    one alerts;
BEGIN
    PERFORM stockcast_turn_page(p->>'livestreamId');
    UPDATE item_watches SET
            coverage_generation = coverage_generation + (CASE WHEN p->>'basis' = 'coverage' THEN 1 ELSE 0 END),
            sold_out_generation = sold_out_generation + (CASE WHEN p->>'basis' = 'sold_out' THEN 1 ELSE 0 END)
        WHERE livestream_id = p->>'livestreamId' AND sku_id = p->>'skuId'
          AND (p->>'generation')::int = CASE p->>'basis' WHEN 'coverage' THEN coverage_generation WHEN 'sold_out' THEN sold_out_generation END;
    IF NOT FOUND THEN RETURN; END IF;
    UPDATE alerts SET state = 'resolved', resolved_at = p_at, escalate_at = NULL, unack_at = NULL, due_at = NULL
        WHERE livestream_id = p->>'livestreamId' AND sku_id = p->>'skuId' AND basis = (p->>'basis')::alert_basis AND state <> 'resolved'
        RETURNING * INTO one;
    IF NOT FOUND THEN RETURN; END IF;
    INSERT INTO alert_events (alert_id, at, kind, actor, note) VALUES (one.id, p_at, 'resolved', 'rule', p->>'note');
    RETURN NEXT stockcast_alert(one);
    RETURN QUERY SELECT stockcast_alert(m) FROM stockcast_mute_item(p->>'livestreamId', p->>'skuId', p_at, p) AS m;
END $$;

-- Everything else that happens to an alert; each kind only in the states that it is meant for, so that of several nodes one does it.
-- p: {livestreamId, alertId, kind, atMs, actor, note, leaseMs, orangeMs, redMs, …what the kind needs}.
-- Returns {outcome: done | unchanged | conflict, alert} first, then {outcome: muting, alert} of others; nothing for an unknown alert.
CREATE FUNCTION stockcast_change_alert(p jsonb) RETURNS SETOF jsonb LANGUAGE plpgsql AS $$
DECLARE
    p_at timestamptz := stockcast_at((p->>'atMs')::bigint);
    lease timestamptz := p_at + (p->>'leaseMs')::bigint * interval '1 millisecond';
    kind text := p->>'kind';
    a alerts;
    outcome text := 'done';
BEGIN
    PERFORM stockcast_turn_page(p->>'livestreamId');
    SELECT * INTO a FROM alerts WHERE id = p->>'alertId' AND livestream_id = p->>'livestreamId' FOR UPDATE;
    IF NOT FOUND THEN RETURN; END IF;

    IF kind = 'acknowledged' THEN
        IF a.state = 'resolved' THEN outcome := 'conflict';
        ELSIF a.state = 'acknowledged' THEN outcome := 'unchanged';
        ELSE
            a.state := 'acknowledged'; a.acknowledged_at := p_at; a.acknowledged_by := p->>'actor'; a.escalate_at := NULL;
            a.unack_at := p_at + (p->>'unackMs')::bigint * interval '1 millisecond';
        END IF;
    ELSIF kind = 'unacknowledged' THEN
        IF a.state = 'resolved' THEN outcome := 'conflict';
        -- `forgotten`: by time; an action since then has moved the moment.
        ELSIF a.state = 'raised' OR (p->>'forgotten' = 'true' AND a.unack_at > p_at) THEN outcome := 'unchanged';
        ELSE
            a.state := 'raised'; a.acknowledged_at := NULL; a.acknowledged_by := NULL; a.unack_at := NULL; a.escalation := 0;
            IF NOT a.muted AND a.silenced_until IS NULL THEN
                a.escalate_at := stockcast_escalate_at(a.tier, p_at, p); a.due_at := lease;
            END IF;
        END IF;
    ELSIF kind = 'silenced' THEN
        IF a.state = 'resolved' THEN outcome := 'conflict';
        ELSE
            a.silenced_until := stockcast_at((p->>'untilMs')::bigint); a.escalate_at := NULL;
            IF a.unack_at IS NOT NULL THEN a.unack_at := p_at + (p->>'unackMs')::bigint * interval '1 millisecond'; END IF;
        END IF;
    ELSIF kind = 'unsilenced' THEN
        IF a.state = 'resolved' OR a.silenced_until IS NULL OR a.silenced_until > p_at THEN outcome := 'unchanged';
        ELSE
            a.silenced_until := NULL;
            IF a.state = 'raised' AND NOT a.muted THEN a.escalate_at := stockcast_escalate_at(a.tier, p_at, p); a.due_at := lease; END IF;
        END IF;
    ELSIF kind = 'assigned' THEN
        a.assigned_to := p->>'personId';
        IF a.unack_at IS NOT NULL THEN a.unack_at := p_at + (p->>'unackMs')::bigint * interval '1 millisecond'; END IF;
    ELSIF kind = 'resolved' THEN
        IF a.state = 'resolved' THEN outcome := 'unchanged';
        ELSE a.state := 'resolved'; a.resolved_at := p_at; a.escalate_at := NULL; a.unack_at := NULL; a.due_at := NULL;
        END IF;
    ELSIF kind = 'escalated' THEN
        IF a.state <> 'raised' OR a.muted OR a.silenced_until IS NOT NULL OR a.escalate_at IS NULL OR a.escalate_at > p_at
                OR a.escalation <> (p->>'step')::int THEN outcome := 'unchanged';
        ELSE
            a.escalation := a.escalation + 1; a.due_at := lease;
            a.escalate_at := CASE WHEN a.escalation < (p->>'stepsMax')::int THEN stockcast_escalate_at(a.tier, p_at, p) END;
        END IF;
    ELSIF kind = 'claimed' THEN
        IF a.state = 'resolved' OR a.due_at IS NULL OR a.due_at > p_at THEN outcome := 'unchanged'; ELSE a.due_at := lease; END IF;
    ELSE
        RAISE EXCEPTION 'unknown change of an alert: %', kind;
    END IF;

    IF outcome = 'done' THEN
        UPDATE alerts SET state = a.state, acknowledged_at = a.acknowledged_at, acknowledged_by = a.acknowledged_by,
                resolved_at = a.resolved_at, silenced_until = a.silenced_until, assigned_to = a.assigned_to, escalation = a.escalation,
                escalate_at = a.escalate_at, unack_at = a.unack_at, due_at = a.due_at WHERE id = a.id;
        IF kind <> 'claimed' THEN
            INSERT INTO alert_events (alert_id, at, kind, actor, note) VALUES (a.id, p_at, kind, p->>'actor', p->>'note');
        END IF;
    END IF;
    RETURN NEXT jsonb_build_object('outcome', outcome, 'alert', stockcast_alert(a));
    IF outcome = 'done' AND kind = 'resolved' THEN
        RETURN QUERY SELECT jsonb_build_object('outcome', 'muting', 'alert', stockcast_alert(m))
            FROM stockcast_mute_item(a.livestream_id, a.sku_id, p_at, p) AS m;
    END IF;
END $$;

-- AL-14: what a raise asked for is done: the lease ends, unless something newer has begun one of its own.
CREATE FUNCTION stockcast_finish_alert(p jsonb) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    UPDATE alerts SET due_at = NULL WHERE id = p->>'alertId' AND due_at = stockcast_at((p->>'dueAtMs')::bigint);
    INSERT INTO alert_events (alert_id, at, kind, actor, note)
        SELECT p->>'alertId', stockcast_at((p->>'atMs')::bigint), e->>'kind', e->>'actor', e->>'note'
            FROM jsonb_array_elements(p->'events') AS e;
END $$;

-- AL-15: something was done about an item: its acknowledgements count from now.
CREATE FUNCTION stockcast_alert_action(p_livestream text, p_sku text, p_until timestamptz) RETURNS void LANGUAGE sql AS $$
    UPDATE alerts SET unack_at = p_until
        WHERE livestream_id = p_livestream AND sku_id = p_sku AND state = 'acknowledged'
$$;

-- AL-3: the moment when an item was first seen on sale, and the estimate of that moment.
CREATE FUNCTION stockcast_open_watch(p_livestream text, p_sku text, p_at timestamptz) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    PERFORM stockcast_turn_page(p_livestream);
    INSERT INTO item_watches (livestream_id, sku_id, opened_at, original_estimate)
        VALUES (p_livestream, p_sku, p_at, (SELECT estimate FROM item_plans WHERE livestream_id = p_livestream AND sku_id = p_sku))
        ON CONFLICT (livestream_id, sku_id) DO UPDATE SET
            opened_at = coalesce(item_watches.opened_at, excluded.opened_at),
            original_estimate = coalesce(item_watches.original_estimate, excluded.original_estimate);
END $$;

-- AL-6: the first hour moves a line once. p: {livestreamId, skuId, move, atMs, actor, plan, reasons}. True: this call did it.
CREATE FUNCTION stockcast_move_line(p jsonb) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
    PERFORM stockcast_turn_page(p->>'livestreamId');
    UPDATE item_watches SET line_move = p->>'move', line_moved_at = stockcast_at((p->>'atMs')::bigint)
        WHERE livestream_id = p->>'livestreamId' AND sku_id = p->>'skuId' AND line_move = 'none';
    IF NOT FOUND THEN RETURN false; END IF;
    IF p->>'move' <> 'kept' THEN
        INSERT INTO plan_changes (livestream_id, sku_id, at, actor, plan, reasons)
            VALUES (p->>'livestreamId', p->>'skuId', stockcast_at((p->>'atMs')::bigint), p->>'actor', p->'plan', p->'reasons');
    END IF;
    RETURN true;
END $$;

-- AL-18: a plan with the record of its change. p: {livestreamId, skuId, atMs, actor, plan, reasons}.
CREATE FUNCTION stockcast_put_plan(p jsonb) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    p_at timestamptz := stockcast_at((p->>'atMs')::bigint);
BEGIN
    PERFORM stockcast_turn_page(p->>'livestreamId');
    INSERT INTO item_plans (livestream_id, sku_id, estimate, confidence, lead_time_days, curve_class, core, red_policy, dynamic_line,
                            yellow_percent, orange_percent, red_percent, updated_at)
        SELECT p->>'livestreamId', p->>'skuId', x.estimate, x.confidence, x."leadTimeDays", x."curveClass", x.core, x."redPolicy",
               x."dynamicLine", x."yellowPercent", x."orangePercent", x."redPercent", p_at
            FROM jsonb_to_record(p->'plan') AS x(estimate int, confidence text, "leadTimeDays" int, "curveClass" text, core boolean,
                "redPolicy" text, "dynamicLine" boolean, "yellowPercent" int, "orangePercent" int, "redPercent" int)
        ON CONFLICT (livestream_id, sku_id) DO UPDATE SET
            estimate = excluded.estimate, confidence = excluded.confidence, lead_time_days = excluded.lead_time_days,
            curve_class = excluded.curve_class, core = excluded.core, red_policy = excluded.red_policy,
            dynamic_line = excluded.dynamic_line, yellow_percent = excluded.yellow_percent, orange_percent = excluded.orange_percent,
            red_percent = excluded.red_percent, updated_at = excluded.updated_at;
    UPDATE item_watches SET original_estimate = (p#>>'{plan,estimate}')::int
        WHERE livestream_id = p->>'livestreamId' AND sku_id = p->>'skuId' AND opened_at IS NOT NULL AND original_estimate IS NULL;
    INSERT INTO plan_changes (livestream_id, sku_id, at, actor, plan, reasons)
        VALUES (p->>'livestreamId', p->>'skuId', p_at, p->>'actor', p->'plan', p->'reasons');
END $$;

-- AL-18: the planned end, null to take it back.
CREATE FUNCTION stockcast_put_planned_end(p_livestream text, p_end timestamptz, p_at timestamptz, p_actor text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    PERFORM stockcast_turn_page(p_livestream);
    UPDATE alert_books SET planned_end_at = p_end WHERE livestream_id = p_livestream;
    INSERT INTO plan_changes (livestream_id, sku_id, at, actor, plan)
        VALUES (p_livestream, NULL, p_at, p_actor, jsonb_build_object('plannedEndAtMs', stockcast_ms(p_end)));
END $$;
