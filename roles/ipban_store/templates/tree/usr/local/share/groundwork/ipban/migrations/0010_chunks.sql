-- A full load chunk by chunk, so that an agent fills the kernel while the next chunk is being read, and answers that cost
-- the same before the first ANALYZE as after it.
SET LOCAL ROLE ipban_owner;

-- The next chunk of packed() behind the entry that `after` ends with, and how many entries it has; NULL and 0 at the end.
CREATE FUNCTION ipban.packed_after(
    family int, kind text, lists text[], after bytea DEFAULT NULL, OUT chunk bytea, OUT entries bigint)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
SET enable_seqscan = off SET enable_bitmapscan = off SET enable_sort = off SET enable_hashagg = off
SET max_parallel_workers_per_gather = 0 AS $$
#variable_conflict use_column
DECLARE
    own constant text[] := ipban.taken(packed_after.lists);
    longest constant int := CASE packed_after.family WHEN 4 THEN 32 ELSE 128 END;
    last cidr := CASE packed_after.family WHEN 4 THEN '0.0.0.0/0' ELSE '::/0' END;
    final constant cidr :=
        CASE packed_after.family WHEN 4 THEN '255.255.255.255/32' ELSE 'ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff/128' END;
BEGIN
    IF packed_after.family IS NULL OR packed_after.family NOT IN (4, 6) THEN
        PERFORM ipban.refuse('family', packed_after.family::text, 'must be 4 or 6');
    END IF;
    IF packed_after.kind IS NULL OR packed_after.kind NOT IN ('host', 'network') THEN
        PERFORM ipban.refuse('kind', packed_after.kind, 'must be host or network');
    END IF;
    IF packed_after.after IS NOT NULL THEN
        last := ipban.last_of(packed_after.after, packed_after.family, packed_after.kind);
    END IF;
    -- inet_send() is family, prefix length, a flag and the number of bytes, one byte each, and the address.
    IF packed_after.kind = 'host' THEN
        SELECT string_agg(substring(inet_send(network) FROM 5), ''), count(*)
        INTO packed_after.chunk, packed_after.entries
        FROM (
            SELECT b.network FROM ipban.ban AS b
            WHERE b.network > last AND b.network <= final AND b.list = ANY (own) AND NOT b.removed
              AND masklen(b.network) = longest
            GROUP BY b.network ORDER BY b.network LIMIT 65536
        ) AS found;
    ELSE
        SELECT string_agg(substring(inet_send(network) FROM 5) || substring(inet_send(network) FROM 2 FOR 1), ''), count(*)
        INTO packed_after.chunk, packed_after.entries
        FROM (
            SELECT b.network FROM ipban.ban AS b
            WHERE b.network > last AND b.network <= final AND b.list = ANY (own) AND NOT b.removed
              AND masklen(b.network) <> CASE family(b.network) WHEN 4 THEN 32 ELSE 128 END
            GROUP BY b.network ORDER BY b.network LIMIT 65536
        ) AS found;
    END IF;
END
$$;

CREATE OR REPLACE FUNCTION ipban.packed(family int, kind text, lists text[]) RETURNS SETOF bytea
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    part record;
    last bytea;
BEGIN
    LOOP
        SELECT * INTO part FROM ipban.packed_after(packed.family, packed.kind, packed.lists, last);
        EXIT WHEN part.chunk IS NULL;
        RETURN NEXT part.chunk;
        last := part.chunk;
    END LOOP;
END
$$;

-- How many distinct networks are banned in the lists, at least and at most, by what writers have counted as they wrote:
-- a network may be in several lists and come from several sources. A full load is held against it, at no cost.
CREATE FUNCTION ipban.extent(lists text[], OUT at_least bigint, OUT at_most bigint)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    SELECT coalesce(max(t.active), 0), coalesce(sum(t.active), 0) INTO extent.at_least, extent.at_most
    FROM ipban.tally AS t WHERE t.list = ANY (ipban.taken(extent.lists));
END
$$;

-- What has changed is found first, by its index: without statistics, as after a bulk load, the planner would walk all bans.
CREATE OR REPLACE FUNCTION ipban.delta(since bigint, stamp uuid, lists text[]) RETURNS TABLE (network cidr, banned boolean)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
SET enable_seqscan = off SET enable_bitmapscan = off AS $$
#variable_conflict use_column
DECLARE
    own constant text[] := ipban.taken(delta.lists);
BEGIN
    PERFORM ipban.check_since(delta.since, delta.stamp);
    RETURN QUERY
    WITH after AS MATERIALIZED (
        SELECT b.network, b.list, b.removed FROM ipban.ban AS b WHERE b.generation > delta.since
    )
    -- Only what was opened has to be looked up: another source or list may ban it still.
    SELECT changed.network, changed.banned OR EXISTS (
        SELECT FROM ipban.ban AS b WHERE b.network = changed.network AND b.list = ANY (own) AND NOT b.removed)
    FROM (
        SELECT a.network, bool_or(NOT a.removed) AS banned FROM after AS a WHERE a.list = ANY (own) GROUP BY a.network
    ) AS changed;
END
$$;

CREATE OR REPLACE FUNCTION ipban.delta_size(since bigint) RETURNS bigint
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
SET enable_seqscan = off SET enable_bitmapscan = off AS $$
BEGIN
    RETURN (SELECT count(*) FROM ipban.ban AS b WHERE b.generation > delta_size.since);
END
$$;

GRANT EXECUTE ON FUNCTION ipban.packed_after(int, text, text[], bytea), ipban.extent(text[]) TO ipban_reader;
