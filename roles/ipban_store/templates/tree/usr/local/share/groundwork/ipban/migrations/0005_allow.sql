-- The allow list: what no host ever drops, whatever is banned. It is valid for all lists.
SET LOCAL ROLE ipban_owner;

CREATE FUNCTION ipban.allow(
    networks text[], reason text, expires_at timestamptz DEFAULT NULL, actor text DEFAULT NULL, source text DEFAULT 'operator')
RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_column
DECLARE
    who constant text := ipban.acting(allow.actor);
    until constant timestamptz := ipban.expiry(allow.expires_at);
    now_at constant timestamptz := clock_timestamp();
    wanted cidr[];
    changed cidr[];
    added bigint;
    next bigint;
BEGIN
    PERFORM ipban.check_text('reason', allow.reason);
    PERFORM ipban.check_source(allow.source);
    wanted := ipban.parsed(allow.networks);
    PERFORM ipban.check_allowable(wanted);
    next := ipban.next_generation();
    WITH touched AS (
        INSERT INTO ipban.allow AS a (network, source, reason, actor, created_at, expires_at, generation)
        SELECT w.network, allow.source, allow.reason, who, now_at, until, next FROM unnest(wanted) AS w (network)
        ON CONFLICT (network, source) DO UPDATE SET
            reason = excluded.reason,
            actor = excluded.actor,
            expires_at = excluded.expires_at,
            created_at = CASE WHEN a.removed THEN excluded.created_at ELSE a.created_at END,
            generation = CASE WHEN a.removed THEN excluded.generation ELSE a.generation END,
            removed = false
        WHERE a.removed OR (a.reason, a.expires_at) IS DISTINCT FROM (excluded.reason, excluded.expires_at)
        RETURNING a.network, a.generation
    )
    SELECT coalesce(array_agg(network), '{}'), count(*) FILTER (WHERE generation = next) INTO changed, added FROM touched;
    IF cardinality(changed) > 0 THEN
        PERFORM ipban.note('allow', who, allow.source, NULL, allow.reason, until, changed, '{}',
            CASE WHEN added > 0 THEN next END);
    END IF;
    IF added > 0 THEN
        PERFORM ipban.publish(next);
    END IF;
    RETURN cardinality(changed);
END
$$;

CREATE FUNCTION ipban.disallow(
    networks text[], reason text DEFAULT NULL, actor text DEFAULT NULL, source text DEFAULT NULL)
RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_column
DECLARE
    who constant text := ipban.acting(disallow.actor);
    wanted cidr[];
    changed cidr[];
    rows bigint;
    next bigint;
BEGIN
    IF disallow.reason IS NOT NULL THEN
        PERFORM ipban.check_text('reason', disallow.reason);
    END IF;
    IF disallow.source IS NOT NULL THEN
        PERFORM ipban.check_source(disallow.source);
    END IF;
    wanted := ipban.parsed(disallow.networks);
    next := ipban.next_generation();
    WITH gone AS (
        UPDATE ipban.allow AS a SET removed = true, generation = next
        WHERE a.network = ANY (wanted) AND NOT a.removed AND (disallow.source IS NULL OR a.source = disallow.source)
        RETURNING a.network
    )
    SELECT coalesce(array_agg(DISTINCT network), '{}'), count(*) INTO changed, rows FROM gone;
    IF rows > 0 THEN
        PERFORM ipban.note('disallow', who, disallow.source, NULL, disallow.reason, NULL, changed, '{}', next);
        PERFORM ipban.publish(next);
    END IF;
    RETURN rows;
END
$$;

GRANT EXECUTE ON FUNCTION
    ipban.allow(text[], text, timestamptz, text, text),
    ipban.disallow(text[], text, text, text)
TO ipban_admin;
