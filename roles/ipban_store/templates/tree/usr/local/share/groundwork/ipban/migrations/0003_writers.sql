-- ban() and unban(). All writers work alike: check the text, take the generation's lock, change rows, count, write the
-- journal, and publish the generation if anything was banned or opened.
SET LOCAL ROLE ipban_owner;

-- Takes the lock of all writers until the end of the transaction, and tells the number that the change will have.
CREATE FUNCTION ipban.next_generation() RETURNS bigint
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    RETURN (SELECT generation + 1 FROM ipban.generation FOR UPDATE);
END
$$;

CREATE FUNCTION ipban.publish(next bigint) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    new_stamp constant uuid := gen_random_uuid();
BEGIN
    UPDATE ipban.generation SET generation = next, stamp = new_stamp;
    INSERT INTO ipban.generation_log (generation, stamp, at) VALUES (next, new_stamp, clock_timestamp());
    PERFORM pg_notify('ipban', next::text);
END
$$;

-- Adds to a source's count. Raises IB002 when the list or the source would have more rows than the settings allow.
CREATE FUNCTION ipban.count_in(list text, source text, added bigint) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_column
DECLARE
    limits record;
    in_list bigint;
    of_source bigint;
BEGIN
    INSERT INTO ipban.tally AS t (list, source, active) VALUES (count_in.list, count_in.source, added)
    ON CONFLICT (list, source) DO UPDATE SET active = t.active + added;
    SELECT list_limit, source_limit INTO limits FROM ipban.setting;
    SELECT sum(active) FILTER (WHERE list = count_in.list), sum(active) FILTER (WHERE source = count_in.source)
    INTO in_list, of_source
    FROM ipban.tally WHERE list = count_in.list OR source = count_in.source;
    IF in_list > limits.list_limit THEN
        RAISE EXCEPTION 'list % would have % bans: must not have more than %', count_in.list, in_list, limits.list_limit
            USING ERRCODE = 'IB002';
    END IF;
    IF of_source > limits.source_limit THEN
        RAISE EXCEPTION 'source % would have % bans: must not have more than %', count_in.source, of_source, limits.source_limit
            USING ERRCODE = 'IB002';
    END IF;
END
$$;

-- Bans what is not banned yet by this source, and renews reason and expiry where they differ.
-- changed: the newly banned and the renewed; added: how many are newly banned. Renewals take no generation, since no host
-- has to know. The settings, and OFFSET 0, hold the planner to one look into the index for each network, which is right
-- for one as for a million: a plan made while the table was small would be kept otherwise.
CREATE FUNCTION ipban.put(
    wanted cidr[], reason text, source text, list text, expires_at timestamptz, actor text, wide_reason text, next bigint,
    OUT changed cidr[], OUT added bigint)
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
SET enable_seqscan = off SET enable_bitmapscan = off AS $$
#variable_conflict use_column
DECLARE
    now_at constant timestamptz := clock_timestamp();
    unknown cidr[];
    outdated cidr[];
    revived bigint := 0;
BEGIN
    SELECT array_agg(w.network) FILTER (WHERE b.network IS NULL), array_agg(w.network) FILTER (WHERE b.network IS NOT NULL)
    INTO unknown, outdated
    FROM unnest(put.wanted) AS w (network)
    LEFT JOIN LATERAL (
        SELECT * FROM ipban.ban AS known
        WHERE known.network = w.network AND known.list = put.list AND known.source = put.source
        OFFSET 0
    ) AS b ON true
    WHERE b.network IS NULL OR b.removed OR b.reason <> put.reason OR b.expires_at IS DISTINCT FROM put.expires_at
       OR ipban.is_wide(b.network) AND b.wide_reason IS DISTINCT FROM put.wide_reason;
    IF unknown IS NOT NULL THEN
        INSERT INTO ipban.ban (network, list, source, reason, wide_reason, actor, created_at, expires_at, generation)
        SELECT w.network, put.list, put.source, put.reason, CASE WHEN ipban.is_wide(w.network) THEN put.wide_reason END,
            put.actor, now_at, put.expires_at, put.next
        FROM unnest(unknown) AS w (network);
    END IF;
    IF outdated IS NOT NULL THEN
        WITH renewed AS (
            UPDATE ipban.ban AS b SET
                reason = put.reason,
                wide_reason = CASE WHEN ipban.is_wide(b.network) THEN put.wide_reason END,
                actor = put.actor,
                expires_at = put.expires_at,
                created_at = CASE WHEN b.removed THEN now_at ELSE b.created_at END,
                generation = CASE WHEN b.removed THEN put.next ELSE b.generation END,
                removed = false
            WHERE b.network = ANY (outdated) AND b.list = put.list AND b.source = put.source
            RETURNING b.generation
        )
        SELECT count(*) INTO revived FROM renewed WHERE generation = put.next;
    END IF;
    put.changed := coalesce(unknown, '{}') || coalesce(outdated, '{}');
    put.added := coalesce(cardinality(unknown), 0) + revived;
    IF put.added > 0 THEN
        PERFORM ipban.count_in(put.list, put.source, put.added);
    END IF;
END
$$;

CREATE FUNCTION ipban.note(
    action text, actor text, source text, list text, reason text, expires_at timestamptz, networks cidr[], opened cidr[],
    generation bigint)
RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    INSERT INTO ipban.journal (at, login, actor, action, source, list, reason, expires_at, networks, opened, count, generation)
    VALUES (clock_timestamp(), session_user, note.actor, note.action, note.source, note.list, note.reason, note.expires_at,
        note.networks, note.opened, cardinality(note.networks) + cardinality(note.opened), note.generation);
END
$$;

CREATE FUNCTION ipban.ban(
    networks text[], reason text, source text DEFAULT 'operator', list text DEFAULT 'all',
    expires_at timestamptz DEFAULT NULL, actor text DEFAULT NULL, wide_reason text DEFAULT NULL)
RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    who constant text := ipban.acting(actor);
    until constant timestamptz := ipban.expiry(expires_at);
    wanted cidr[];
    done record;
    next bigint;
BEGIN
    PERFORM ipban.check_text('reason', reason);
    PERFORM ipban.check_source(source);
    IF wide_reason IS NOT NULL THEN
        PERFORM ipban.check_text('wide_reason', wide_reason);
    END IF;
    wanted := ipban.parsed(networks);
    PERFORM ipban.check_bannable(wanted, wide_reason);
    next := ipban.next_generation();
    PERFORM ipban.check_list(list);
    done := ipban.put(wanted, reason, source, list, until, who, wide_reason, next);
    IF cardinality(done.changed) > 0 THEN
        PERFORM ipban.note('ban', who, source, list, reason, until, done.changed, '{}',
            CASE WHEN done.added > 0 THEN next END);
    END IF;
    IF done.added > 0 THEN
        PERFORM ipban.publish(next);
    END IF;
    RETURN cardinality(done.changed);
END
$$;

-- Turns the networks' bans into tombstones, those of the source and the list (all when NULL), and, with due, only those that
-- have expired by then. opened: the networks that had such bans; count: how many bans.
CREATE FUNCTION ipban.tombstone(
    networks cidr[], source text, list text, due timestamptz, next bigint, OUT opened cidr[], OUT count bigint)
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
SET enable_seqscan = off SET enable_bitmapscan = off AS $$
#variable_conflict use_column
BEGIN
    WITH gone AS (
        UPDATE ipban.ban AS b SET removed = true, generation = tombstone.next
        WHERE b.network = ANY (tombstone.networks) AND NOT b.removed
          AND (tombstone.source IS NULL OR b.source = tombstone.source)
          AND (tombstone.list IS NULL OR b.list = tombstone.list)
          AND (tombstone.due IS NULL OR b.expires_at <= tombstone.due)
        RETURNING b.network, b.list, b.source
    ), counted AS (
        UPDATE ipban.tally AS t SET active = t.active - g.rows
        FROM (SELECT list, source, pg_catalog.count(*) AS rows FROM gone GROUP BY list, source) AS g
        WHERE t.list = g.list AND t.source = g.source
    )
    SELECT coalesce(array_agg(DISTINCT network), '{}'), pg_catalog.count(*) INTO tombstone.opened, tombstone.count FROM gone;
END
$$;

CREATE FUNCTION ipban.unban(
    networks text[], source text DEFAULT NULL, list text DEFAULT NULL, reason text DEFAULT NULL, actor text DEFAULT NULL)
RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    who constant text := ipban.acting(actor);
    wanted cidr[];
    done record;
    next bigint;
BEGIN
    IF reason IS NOT NULL THEN
        PERFORM ipban.check_text('reason', reason);
    END IF;
    IF source IS NOT NULL THEN
        PERFORM ipban.check_source(source);
    END IF;
    wanted := ipban.parsed(networks);
    next := ipban.next_generation();
    IF list IS NOT NULL THEN
        PERFORM ipban.check_list(list, true);
    END IF;
    done := ipban.tombstone(wanted, source, list, NULL, next);
    IF done.count > 0 THEN
        PERFORM ipban.note('unban', who, source, list, reason, NULL, done.opened, '{}', next);
        PERFORM ipban.publish(next);
    END IF;
    RETURN done.count;
END
$$;

GRANT EXECUTE ON FUNCTION
    ipban.ban(text[], text, text, text, timestamptz, text, text),
    ipban.unban(text[], text, text, text, text)
TO ipban_writer;
