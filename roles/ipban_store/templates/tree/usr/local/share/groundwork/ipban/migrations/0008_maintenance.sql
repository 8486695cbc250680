-- Expiry and retention, run by a timer, and what the role sets: limits, lists and its part of the allow list.
SET LOCAL ROLE ipban_owner;

-- Opens what has expired, all of it in one generation. Nothing is locked while nothing is due.
CREATE FUNCTION ipban.expire() RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_column
DECLARE
    due constant timestamptz := clock_timestamp();
    expired cidr[];
    done record;
    disallowed cidr[];
    rows bigint;
    next bigint;
BEGIN
    IF NOT EXISTS (SELECT FROM ipban.ban AS b WHERE NOT b.removed AND b.expires_at <= due)
       AND NOT EXISTS (SELECT FROM ipban.allow AS a WHERE NOT a.removed AND a.expires_at <= due) THEN
        RETURN 0;
    END IF;
    next := ipban.next_generation();
    expired := ARRAY(SELECT DISTINCT b.network FROM ipban.ban AS b WHERE NOT b.removed AND b.expires_at <= due);
    done := ipban.tombstone(expired, NULL, NULL, due, next);
    WITH gone AS (
        UPDATE ipban.allow AS a SET removed = true, generation = next
        WHERE NOT a.removed AND a.expires_at <= due RETURNING a.network
    )
    SELECT coalesce(array_agg(network), '{}'), count(*) INTO disallowed, rows FROM gone;
    IF done.count > 0 THEN
        PERFORM ipban.note('expire', session_user, NULL, NULL, NULL, NULL, done.opened, '{}', next);
    END IF;
    IF rows > 0 THEN
        PERFORM ipban.note('expire allow', session_user, NULL, NULL, NULL, NULL, disallowed, '{}', next);
    END IF;
    IF done.count + rows > 0 THEN
        PERFORM ipban.publish(next);
    END IF;
    RETURN done.count + rows;
END
$$;

-- Removes what nobody needs any more: tombstones and stamps behind the horizon, the journal behind its retention.
-- An agent that was away for longer than the horizon loads everything anew. horizon NULL is that of the settings.
CREATE FUNCTION ipban.maintain(
    horizon interval DEFAULT NULL, OUT tombstones bigint, OUT generations bigint, OUT journal_rows bigint)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_column
DECLARE
    settings ipban.setting;
    behind bigint;
BEGIN
    IF maintain.horizon < '0' THEN
        PERFORM ipban.refuse('horizon', maintain.horizon::text, 'must not be negative');
    END IF;
    -- Before anything else, as all writers: so nobody waits for a lock while holding one that this needs.
    PERFORM ipban.next_generation();
    SELECT * INTO settings FROM ipban.setting;
    SELECT max(l.generation) INTO behind FROM ipban.generation_log AS l
    WHERE l.at <= clock_timestamp() - coalesce(maintain.horizon, settings.tombstone_horizon);
    UPDATE ipban.generation AS g SET horizon = behind WHERE g.horizon < behind;
    SELECT g.horizon INTO behind FROM ipban.generation AS g;
    DELETE FROM ipban.ban AS b WHERE b.removed AND b.generation <= behind;
    GET DIAGNOSTICS tombstones = ROW_COUNT;
    DELETE FROM ipban.allow AS a WHERE a.removed AND a.generation <= behind;
    -- The stamp of the horizon itself stays: an agent may stand there.
    DELETE FROM ipban.generation_log AS l WHERE l.generation < behind;
    GET DIAGNOSTICS generations = ROW_COUNT;
    DELETE FROM ipban.journal AS j WHERE j.at < clock_timestamp() - settings.journal_retention;
    GET DIAGNOSTICS journal_rows = ROW_COUNT;
    DELETE FROM ipban.list AS l WHERE l.retired AND NOT EXISTS (SELECT FROM ipban.ban AS b WHERE b.list = l.name);
    DELETE FROM ipban.tally AS t WHERE t.active = 0 AND t.usual IS NULL;
END
$$;

-- Figures for monitoring, a row for each.
CREATE FUNCTION ipban.statistics() RETURNS TABLE (figure text, list text, source text, value bigint)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT 'bans', t.list, t.source, t.active FROM ipban.tally AS t
    UNION ALL SELECT 'allowed', NULL, NULL, count(*) FROM ipban.allow AS a WHERE NOT a.removed
    UNION ALL SELECT 'journal_rows', NULL, NULL, count(*) FROM ipban.journal
    UNION ALL SELECT 'generation', NULL, NULL, g.generation FROM ipban.generation AS g
    UNION ALL SELECT 'horizon', NULL, NULL, g.horizon FROM ipban.generation AS g
    UNION ALL SELECT 'schema_version', NULL, NULL, max(m.version) FROM ipban.migration AS m
    UNION ALL SELECT 'database_bytes', NULL, NULL, pg_database_size(current_database())
$$;

CREATE FUNCTION ipban.configure(
    journal_retention interval, tombstone_horizon interval, list_limit bigint, source_limit bigint)
RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_column
BEGIN
    UPDATE ipban.setting AS s
    SET journal_retention = configure.journal_retention, tombstone_horizon = configure.tombstone_horizon,
        list_limit = configure.list_limit, source_limit = configure.source_limit
    WHERE (s.journal_retention, s.tombstone_horizon, s.list_limit, s.source_limit) IS DISTINCT FROM
        (configure.journal_retention, configure.tombstone_horizon, configure.list_limit, configure.source_limit);
    RETURN FOUND;
END
$$;

-- Makes the lists exactly these, and all. One that is not named any more is retired; it must not have bans then.
CREATE FUNCTION ipban.replace_lists(names text[], descriptions text[]) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_column
DECLARE
    wrong record;
    written bigint;
    retired_now bigint;
BEGIN
    PERFORM ipban.next_generation();
    SELECT t.list AS name, sum(t.active) AS active INTO wrong FROM ipban.tally AS t
    WHERE t.active > 0 AND t.list <> 'all' AND t.list <> ALL (names) GROUP BY t.list ORDER BY t.list LIMIT 1;
    IF FOUND THEN
        PERFORM ipban.refuse('list', wrong.name, format('still has %s bans; unban them before the list goes', wrong.active));
    END IF;
    INSERT INTO ipban.list AS l (name, description)
    SELECT given.name, given.description FROM ROWS FROM (unnest(names), unnest(descriptions)) AS given (name, description)
    ON CONFLICT (name) DO UPDATE SET description = excluded.description, retired = false
    WHERE l.description <> excluded.description OR l.retired;
    GET DIAGNOSTICS written = ROW_COUNT;
    UPDATE ipban.list AS l SET retired = true WHERE l.name <> 'all' AND l.name <> ALL (names) AND NOT l.retired;
    GET DIAGNOSTICS retired_now = ROW_COUNT;
    RETURN written + retired_now;
END
$$;

-- Makes a source's allow entries exactly these: an array of objects with network, reason and, if it ends, expires_at.
-- An entry whose time is over counts as one that is not there.
CREATE FUNCTION ipban.replace_allow(entries jsonb, source text, actor text DEFAULT NULL) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_column
DECLARE
    given record;
    keep text[] := '{}';
    gone text[];
    changed bigint := 0;
BEGIN
    PERFORM ipban.check_source(replace_allow.source);
    FOR given IN
        SELECT e.reason, e.expires_at, array_agg(e.network) AS networks
        FROM jsonb_to_recordset(replace_allow.entries) AS e (network text, reason text, expires_at timestamptz)
        WHERE e.expires_at IS NULL OR e.expires_at > clock_timestamp()
        GROUP BY e.reason, e.expires_at
    LOOP
        changed := changed
            + ipban.allow(given.networks, given.reason, given.expires_at, replace_allow.actor, replace_allow.source);
        keep := keep || given.networks;
    END LOOP;
    SELECT array_agg(text(a.network)) INTO gone FROM ipban.allow AS a
    WHERE NOT a.removed AND a.source = replace_allow.source AND a.network <> ALL (ipban.parsed(keep));
    IF gone IS NOT NULL THEN
        changed := changed + ipban.disallow(gone, NULL, replace_allow.actor, replace_allow.source);
    END IF;
    RETURN changed;
END
$$;

GRANT EXECUTE ON FUNCTION ipban.expire(), ipban.maintain(interval), ipban.statistics() TO ipban_maintenance;
GRANT EXECUTE ON FUNCTION
    ipban.configure(interval, interval, bigint, bigint), ipban.replace_lists(text[], text[]),
    ipban.replace_allow(jsonb, text, text)
TO ipban_admin;
