-- Answers for people: who banned an address and why, and what is in the list.
SET LOCAL ROLE ipban_owner;

-- list is NULL for kind allow, which is valid for all lists.
CREATE TYPE ipban.entry AS (
    kind text, network cidr, list text, source text, reason text, actor text, created_at timestamptz, expires_at timestamptz);

CREATE VIEW ipban.in_force AS
    SELECT 'ban' AS kind, b.network, b.list, b.source, b.reason, b.actor, b.created_at, b.expires_at
    FROM ipban.ban AS b WHERE NOT b.removed
    UNION ALL
    SELECT 'allow', a.network, NULL, a.source, a.reason, a.actor, a.created_at, a.expires_at
    FROM ipban.allow AS a WHERE NOT a.removed;

-- The network itself and all that it lies in.
CREATE FUNCTION ipban.covering(network cidr) RETURNS cidr[]
LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT array_agg(network(set_masklen($1::inet, length))) FROM generate_series(0, masklen($1)) AS every (length)
$$;

-- Everything that covers an address (or all of a network), newest first.
CREATE FUNCTION ipban.whois(address text) RETURNS SETOF ipban.entry
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET enable_seqscan = off AS $$
DECLARE
    covering constant cidr[] := ipban.covering((ipban.parsed(ARRAY[whois.address]))[1]);
BEGIN
    RETURN QUERY
    SELECT f.* FROM ipban.in_force AS f WHERE f.network = ANY (covering)
    ORDER BY f.created_at DESC, f.network, f.list, f.source;
END
$$;

-- Bans and allow entries, newest first, of a source and of a list (all when NULL; allow entries are in every list).
-- search is a network, for what lies in it or covers it, or a part of a reason or of an actor. NULL as limit is none.
CREATE FUNCTION ipban.entries(
    source text DEFAULT NULL, list text DEFAULT NULL, search text DEFAULT NULL, "limit" bigint DEFAULT 1000)
RETURNS SETOF ipban.entry
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    asked cidr;
BEGIN
    IF entries.list IS NOT NULL THEN
        PERFORM ipban.check_list(entries.list, true);
    END IF;
    IF entries.search IS NOT NULL AND ipban.is_network(entries.search) THEN
        asked := (ipban.parsed(ARRAY[entries.search]))[1];
        RETURN QUERY
        SELECT f.* FROM ipban.around(asked) AS f
        WHERE (entries.source IS NULL OR f.source = entries.source)
          AND (entries.list IS NULL OR f.list IS NULL OR f.list = entries.list)
        ORDER BY f.created_at DESC, f.network, f.list, f.source LIMIT entries."limit";
        RETURN;
    END IF;
    RETURN QUERY
    SELECT f.* FROM ipban.in_force AS f
    WHERE (entries.source IS NULL OR f.source = entries.source)
      AND (entries.list IS NULL OR f.list IS NULL OR f.list = entries.list)
      AND (entries.search IS NULL OR strpos(lower(f.reason || chr(10) || f.actor), lower(entries.search)) > 0)
    ORDER BY f.created_at DESC, f.network, f.list, f.source LIMIT entries."limit";
END
$$;

-- What covers a network or lies in it. Those that lie in it are, in the order of the index, between it and its last address.
CREATE FUNCTION ipban.around(asked cidr) RETURNS SETOF ipban.entry
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp SET enable_seqscan = off AS $$
DECLARE
    covering constant cidr[] := ipban.covering(asked);
    last constant cidr := set_masklen(broadcast(asked), CASE family(asked) WHEN 4 THEN 32 ELSE 128 END);
BEGIN
    RETURN QUERY
    SELECT f.* FROM ipban.in_force AS f WHERE f.network = ANY (covering)
    UNION ALL
    SELECT f.* FROM ipban.in_force AS f WHERE f.network > asked AND f.network <= last;
END
$$;

GRANT EXECUTE ON FUNCTION ipban.whois(text) TO ipban_reader, ipban_writer;
GRANT EXECUTE ON FUNCTION ipban.entries(text, text, text, bigint) TO ipban_writer;
