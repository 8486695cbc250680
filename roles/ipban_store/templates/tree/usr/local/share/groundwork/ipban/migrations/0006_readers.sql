-- What agents read. Functions of this version keep their signatures and answers for agents of the version before.
SET LOCAL ROLE ipban_owner;

-- The lists that a host takes: those it names, and all.
CREATE FUNCTION ipban.taken(lists text[]) RETURNS text[]
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    wrong text;
BEGIN
    SELECT coalesce(given, 'NULL') INTO wrong FROM unnest(lists) AS t (given)
    WHERE NOT EXISTS (SELECT FROM ipban.list WHERE name = given) LIMIT 1;
    IF FOUND THEN
        PERFORM ipban.check_list(wrong, true);
    END IF;
    RETURN (SELECT array_agg(DISTINCT given) FROM unnest(array_append(lists, 'all')) AS t (given));
END
$$;

CREATE FUNCTION ipban.head(OUT generation bigint, OUT stamp uuid, OUT horizon bigint)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT g.generation, g.stamp, g.horizon FROM ipban.generation AS g
$$;

-- The generation with the number of distinct networks that are banned in the lists; a full load is held against them.
CREATE FUNCTION ipban.state(
    lists text[], OUT generation bigint, OUT stamp uuid, OUT horizon bigint, OUT hosts4 bigint, OUT networks4 bigint,
    OUT hosts6 bigint, OUT networks6 bigint, OUT allowed bigint, OUT server_time timestamptz)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_column
DECLARE
    own constant text[] := ipban.taken(state.lists);
BEGIN
    SELECT g.generation, g.stamp, g.horizon, clock_timestamp(),
        (SELECT count(DISTINCT a.network) FROM ipban.allow AS a WHERE NOT a.removed)
    INTO state.generation, state.stamp, state.horizon, state.server_time, state.allowed
    FROM ipban.generation AS g;
    SELECT count(*) FILTER (WHERE family(network) = 4 AND masklen(network) = 32),
        count(*) FILTER (WHERE family(network) = 4 AND masklen(network) < 32),
        count(*) FILTER (WHERE family(network) = 6 AND masklen(network) = 128),
        count(*) FILTER (WHERE family(network) = 6 AND masklen(network) < 128)
    INTO state.hosts4, state.networks4, state.hosts6, state.networks6
    FROM (SELECT DISTINCT b.network FROM ipban.ban AS b WHERE b.list = ANY (own) AND NOT b.removed) AS banned;
END
$$;

-- The network that the packed entries end with.
CREATE FUNCTION ipban.last_of(chunk bytea, family int, kind text) RETURNS cidr
LANGUAGE plpgsql IMMUTABLE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    bytes constant int := CASE family WHEN 4 THEN 4 ELSE 16 END;
    tail constant bytea := substring(chunk FROM length(chunk) - bytes + CASE kind WHEN 'host' THEN 1 ELSE 0 END);
    address inet;
BEGIN
    IF family = 4 THEN
        address := format('%s.%s.%s.%s', get_byte(tail, 0), get_byte(tail, 1), get_byte(tail, 2), get_byte(tail, 3));
    ELSE
        address := rtrim(regexp_replace(encode(substring(tail FOR 16), 'hex'), '(....)', '\1:', 'g'), ':');
    END IF;
    RETURN set_masklen(address, CASE kind WHEN 'host' THEN bytes * 8 ELSE get_byte(tail, bytes) END);
END
$$;

-- Distinct banned networks in binary, sorted, in chunks of at most 65,536 entries: a host is its 4 or 16 bytes,
-- a network is followed by one byte with its prefix length.
-- They are read in the order of an index that has everything in it; the settings keep the planner from sorting a million
-- rows where it expects a few thousand. Grouping is cheaper here than DISTINCT, and the end of the chunk than max().
CREATE FUNCTION ipban.packed(family int, kind text, lists text[]) RETURNS SETOF bytea
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
SET enable_seqscan = off SET enable_bitmapscan = off SET enable_sort = off SET enable_hashagg = off
SET max_parallel_workers_per_gather = 0 AS $$
#variable_conflict use_column
DECLARE
    own constant text[] := ipban.taken(packed.lists);
    longest constant int := CASE packed.family WHEN 4 THEN 32 ELSE 128 END;
    last cidr := CASE packed.family WHEN 4 THEN '0.0.0.0/0' ELSE '::/0' END;
    final constant cidr :=
        CASE packed.family WHEN 4 THEN '255.255.255.255/32' ELSE 'ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff/128' END;
    chunk bytea;
BEGIN
    IF packed.family IS NULL OR packed.family NOT IN (4, 6) THEN
        PERFORM ipban.refuse('family', packed.family::text, 'must be 4 or 6');
    END IF;
    IF packed.kind IS NULL OR packed.kind NOT IN ('host', 'network') THEN
        PERFORM ipban.refuse('kind', packed.kind, 'must be host or network');
    END IF;
    -- inet_send() is family, prefix length, a flag and the number of bytes, one byte each, and the address.
    LOOP
        IF packed.kind = 'host' THEN
            SELECT string_agg(substring(inet_send(network) FROM 5), '') INTO chunk
            FROM (
                SELECT b.network FROM ipban.ban AS b
                WHERE b.network > last AND b.network <= final AND b.list = ANY (own) AND NOT b.removed
                  AND masklen(b.network) = longest
                GROUP BY b.network ORDER BY b.network LIMIT 65536
            ) AS entries;
        ELSE
            SELECT string_agg(substring(inet_send(network) FROM 5) || substring(inet_send(network) FROM 2 FOR 1), '') INTO chunk
            FROM (
                SELECT b.network FROM ipban.ban AS b
                WHERE b.network > last AND b.network <= final AND b.list = ANY (own) AND NOT b.removed
                  AND masklen(b.network) <> CASE family(b.network) WHEN 4 THEN 32 ELSE 128 END
                GROUP BY b.network ORDER BY b.network LIMIT 65536
            ) AS entries;
        END IF;
        EXIT WHEN chunk IS NULL;
        RETURN NEXT chunk;
        last := ipban.last_of(chunk, packed.family, packed.kind);
    END LOOP;
END
$$;

-- Refuses a place in history from which no delta can be told.
CREATE FUNCTION ipban.check_since(since bigint, stamp uuid) RETURNS void
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_column
DECLARE
    now_at ipban.generation;
    why text;
BEGIN
    SELECT * INTO now_at FROM ipban.generation;
    why := CASE
        WHEN check_since.since IS NULL OR check_since.stamp IS NULL THEN 'nothing is known of the reader''s generation'
        WHEN check_since.since > now_at.generation
            THEN format('generation %s lies ahead of the database, which is at %s', check_since.since, now_at.generation)
        WHEN check_since.since < now_at.horizon
            THEN format('generation %s lies behind the horizon, which is at %s', check_since.since, now_at.horizon)
        WHEN NOT EXISTS (
            SELECT FROM ipban.generation_log AS l WHERE l.generation = check_since.since AND l.stamp = check_since.stamp)
            THEN format('generation %s has another stamp here: the database was restored from an older state', check_since.since)
    END;
    IF why IS NOT NULL THEN
        RAISE EXCEPTION 'a full load is needed: %', why USING ERRCODE = 'IB001';
    END IF;
END
$$;

-- Distinct networks that were banned or opened after the generation, and whether they are banned now.
CREATE FUNCTION ipban.delta(since bigint, stamp uuid, lists text[]) RETURNS TABLE (network cidr, banned boolean)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
SET enable_seqscan = off SET enable_bitmapscan = off AS $$
#variable_conflict use_column
DECLARE
    own constant text[] := ipban.taken(delta.lists);
BEGIN
    PERFORM ipban.check_since(delta.since, delta.stamp);
    RETURN QUERY
    SELECT changed.network, EXISTS (
        SELECT FROM ipban.ban AS b WHERE b.network = changed.network AND b.list = ANY (own) AND NOT b.removed)
    FROM (
        SELECT DISTINCT b.network FROM ipban.ban AS b WHERE b.generation > delta.since AND b.list = ANY (own)
    ) AS changed;
END
$$;

-- How many rows have changed after the generation, in all lists: whether a delta is worth while.
CREATE FUNCTION ipban.delta_size(since bigint) RETURNS bigint
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    RETURN (SELECT count(*) FROM ipban.ban AS b WHERE b.generation > delta_size.since);
END
$$;

CREATE FUNCTION ipban.allowed() RETURNS SETOF cidr
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT DISTINCT a.network FROM ipban.allow AS a WHERE NOT a.removed ORDER BY a.network
$$;

GRANT EXECUTE ON FUNCTION
    ipban.head(), ipban.state(text[]), ipban.packed(int, text, text[]), ipban.delta(bigint, uuid, text[]),
    ipban.delta_size(bigint), ipban.allowed()
TO ipban_reader;
GRANT EXECUTE ON FUNCTION ipban.head(), ipban.state(text[]), ipban.allowed() TO ipban_writer;
