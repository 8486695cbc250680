-- A source as a whole: an importer's run, and the withdrawal of a bad feed by one command.
SET LOCAL ROLE ipban_owner;

-- What the source bans in the list beside the networks. A nested loop, which the planner takes where it does not know the
-- size of the array, would compare each ban with each network.
CREATE FUNCTION ipban.others(networks cidr[], source text, list text) RETURNS cidr[]
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp SET enable_nestloop = off AS $$
BEGIN
    RETURN (
        SELECT coalesce(array_agg(b.network), '{}') FROM ipban.ban AS b
        WHERE NOT b.removed AND b.source = others.source AND b.list = others.list
          AND NOT EXISTS (SELECT FROM unnest(others.networks) AS w (network) WHERE w.network = b.network));
END
$$;

-- Makes the source's bans in the list exactly these networks. The change, newly banned and opened networks together, must
-- not be more than max_change times the usual size, which is that of the last accepted run (IB003); nor may a source that
-- had bans come up empty. With max_change NULL nothing is usual, as on a source's first run.
CREATE FUNCTION ipban.replace(
    networks text[], source text, list text, reason text, expires_at timestamptz DEFAULT NULL,
    max_change double precision DEFAULT NULL, actor text DEFAULT NULL)
RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_column
DECLARE
    who constant text := ipban.acting(replace.actor);
    until constant timestamptz := ipban.expiry(replace.expires_at);
    wanted cidr[];
    gone cidr[];
    put record;
    usual bigint;
    next bigint;
BEGIN
    PERFORM ipban.check_text('reason', replace.reason);
    PERFORM ipban.check_source(replace.source);
    IF replace.max_change <= 0 OR replace.max_change = 'NaN' THEN
        PERFORM ipban.refuse('max_change', replace.max_change::text, 'must be greater than 0');
    END IF;
    wanted := ipban.parsed(replace.networks);
    PERFORM ipban.check_bannable(wanted, NULL);
    next := ipban.next_generation();
    PERFORM ipban.check_list(replace.list);
    SELECT coalesce(nullif(t.usual, 0), t.active) INTO usual
    FROM ipban.tally AS t WHERE t.list = replace.list AND t.source = replace.source;

    gone := ipban.others(wanted, replace.source, replace.list);
    PERFORM ipban.tombstone(gone, replace.source, replace.list, NULL, next);
    put := ipban.put(wanted, replace.reason, replace.source, replace.list, until, who, NULL, next);

    IF usual > 0 AND cardinality(wanted) = 0 AND replace.max_change IS NOT NULL THEN
        RAISE EXCEPTION 'source % comes up empty, it usually has % networks: must not change by more than % times that',
            replace.source, usual, replace.max_change USING ERRCODE = 'IB003', HINT = 'withdraw() opens all of a source.';
    END IF;
    IF usual > 0 AND put.added + cardinality(gone) > replace.max_change * usual THEN
        RAISE EXCEPTION
            'source % would change by % networks (% banned, % opened), it usually has %: must not change by more than % times that',
            replace.source, put.added + cardinality(gone), put.added, cardinality(gone), usual, replace.max_change
            USING ERRCODE = 'IB003';
    END IF;

    IF cardinality(wanted) > 0 THEN
        INSERT INTO ipban.tally AS t (list, source, active, usual)
        VALUES (replace.list, replace.source, 0, cardinality(wanted))
        ON CONFLICT (list, source) DO UPDATE SET usual = excluded.usual WHERE t.usual IS DISTINCT FROM excluded.usual;
    END IF;
    IF cardinality(put.changed) + cardinality(gone) > 0 THEN
        PERFORM ipban.note('replace', who, replace.source, replace.list, replace.reason, until, put.changed, gone,
            CASE WHEN put.added + cardinality(gone) > 0 THEN next END);
    END IF;
    IF put.added + cardinality(gone) > 0 THEN
        PERFORM ipban.publish(next);
    END IF;
    RETURN cardinality(put.changed) + cardinality(gone);
END
$$;

-- Opens everything that a source has banned, in all lists, and forgets its usual size.
CREATE FUNCTION ipban.withdraw(source text, actor text DEFAULT NULL) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    who constant text := ipban.acting(withdraw.actor);
    banned cidr[];
    done record;
    next bigint;
BEGIN
    PERFORM ipban.check_source(withdraw.source);
    next := ipban.next_generation();
    banned := ARRAY(SELECT DISTINCT b.network FROM ipban.ban AS b WHERE NOT b.removed AND b.source = withdraw.source);
    done := ipban.tombstone(banned, withdraw.source, NULL, NULL, next);
    UPDATE ipban.tally AS t SET usual = NULL WHERE t.source = withdraw.source AND t.usual IS NOT NULL;
    IF done.count > 0 THEN
        PERFORM ipban.note('withdraw', who, withdraw.source, NULL, NULL, NULL, done.opened, '{}', next);
        PERFORM ipban.publish(next);
    END IF;
    RETURN done.count;
END
$$;

GRANT EXECUTE ON FUNCTION ipban.replace(text[], text, text, text, timestamptz, double precision, text) TO ipban_writer;
GRANT EXECUTE ON FUNCTION ipban.withdraw(text, text) TO ipban_admin;
