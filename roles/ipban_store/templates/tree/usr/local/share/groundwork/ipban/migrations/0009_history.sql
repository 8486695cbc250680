-- The journal for people, and networks found without a walk past all hosts.
SET LOCAL ROLE ipban_owner;

-- What was done, newest first: by a source, to a network (to it itself, to what lies in it or covers it), since a time.
CREATE FUNCTION ipban.history(
    source text DEFAULT NULL, network text DEFAULT NULL, since timestamptz DEFAULT NULL, "limit" bigint DEFAULT 100)
RETURNS SETOF ipban.journal
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    around cidr;
BEGIN
    IF history.network IS NOT NULL THEN
        around := (ipban.parsed(ARRAY[history.network]))[1];
    END IF;
    RETURN QUERY
    SELECT j.* FROM ipban.journal AS j
    WHERE (history.source IS NULL OR j.source = history.source)
      AND (history.since IS NULL OR j.at >= history.since)
      AND (around IS NULL OR around && ANY (j.networks) OR around && ANY (j.opened))
    ORDER BY j.id DESC LIMIT history."limit";
END
$$;
GRANT EXECUTE ON FUNCTION ipban.history(text, text, timestamptz, bigint) TO ipban_admin;

-- packed() asks for networks by the same words.
CREATE INDEX ban_network ON ipban.ban (network, list)
    WHERE NOT removed AND masklen(network) <> CASE family(network) WHEN 4 THEN 32 ELSE 128 END;

