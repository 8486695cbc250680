-- What takes only a part of a long list, such as an ingress, takes what was banned last.
SET LOCAL ROLE ipban_owner;

-- At most so many bans of the lists, newest first, each as inet_send() gives it, and how many they are. A network that
-- several sources or lists ban comes more than once. Read by the index of generations: the cost is that of the limit.
CREATE FUNCTION ipban.newest(lists text[], "limit" bigint, OUT networks bytea, OUT entries bigint)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
SET enable_seqscan = off SET enable_bitmapscan = off SET enable_sort = off
SET max_parallel_workers_per_gather = 0 AS $$
#variable_conflict use_column
DECLARE
    own constant text[] := ipban.taken(newest.lists);
BEGIN
    IF newest."limit" IS NULL OR newest."limit" < 1 THEN
        PERFORM ipban.refuse('limit', newest."limit"::text, 'must be at least 1');
    END IF;
    SELECT coalesce(string_agg(inet_send(network), ''), ''), count(*) INTO newest.networks, newest.entries
    FROM (
        SELECT b.network FROM ipban.ban AS b WHERE b.list = ANY (own) AND NOT b.removed
        ORDER BY b.generation DESC LIMIT newest."limit"
    ) AS found;
END
$$;

GRANT EXECUTE ON FUNCTION ipban.newest(text[], bigint) TO ipban_reader;
