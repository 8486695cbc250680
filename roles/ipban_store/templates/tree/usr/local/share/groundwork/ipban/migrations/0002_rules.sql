-- Rules of input. Each error names the element, its value and the rule (SQLSTATE 22023); nothing is changed then.
SET LOCAL ROLE ipban_owner;

CREATE FUNCTION ipban.refuse(element text, given text, rule text) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    RAISE EXCEPTION '% is %: %',
        element, coalesce('"' || regexp_replace(left(given, 80), '[[:cntrl:]]', '?', 'g') || '"', 'NULL'), rule
        USING ERRCODE = 'invalid_parameter_value';
END
$$;

-- Networks that no packet of a stranger comes from, or that a host could not live without.
CREATE FUNCTION ipban.reserved() RETURNS cidr[]
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT '{0.0.0.0/8, 127.0.0.0/8, 169.254.0.0/16, 224.0.0.0/4, ::/127, ::ffff:0:0/96, fe80::/10, ff00::/8}'::cidr[]
$$;

-- Networks that only an administrator bans, with a reason for it.
CREATE FUNCTION ipban.is_wide(network cidr) RETURNS boolean
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT masklen(network) < CASE family(network) WHEN 4 THEN 16 ELSE 32 END
$$;

-- Networks that nobody bans or allows.
CREATE FUNCTION ipban.is_too_wide(network cidr) RETURNS boolean
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT masklen(network) < CASE family(network) WHEN 4 THEN 8 ELSE 19 END
$$;

-- Why the text of one element is no network. Called only once it is known that it is none.
CREATE FUNCTION ipban.no_network(given text) RETURNS text
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    rule constant text := 'must be an address or a network, such as 192.0.2.7, 192.0.2.0/24 or 2001:db8::/48';
BEGIN
    IF given ~ '^[0-9]+(\.[0-9]+){3}(/[0-9]+)?$' OR given LIKE '%:%' THEN
        RETURN format('must not have host bits set; its network is %s', network(given::inet));
    END IF;
    RETURN rule;
EXCEPTION WHEN invalid_text_representation THEN
    RETURN rule;
END
$$;

CREATE FUNCTION ipban.is_network(given text) RETURNS boolean
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    PERFORM given::cidr;
    RETURN true;
EXCEPTION WHEN invalid_text_representation THEN
    RETURN false;
END
$$;

-- The networks of a text array, sorted, each once; all or nothing.
CREATE FUNCTION ipban.parsed(networks text[]) RETURNS cidr[]
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    typed cidr[];
    wrong record;
BEGIN
    IF networks IS NULL THEN
        PERFORM ipban.refuse('networks', NULL, 'must be an array of networks');
    END IF;
    BEGIN
        typed := networks::cidr[];
    EXCEPTION WHEN invalid_text_representation THEN
        SELECT position, element INTO wrong
        FROM unnest(networks) WITH ORDINALITY AS given (element, position)
        WHERE NOT ipban.is_network(element)
        ORDER BY position LIMIT 1;
        PERFORM ipban.refuse(format('networks[%s]', wrong.position), wrong.element, ipban.no_network(wrong.element));
    END;
    -- The type takes 10 for 10.0.0.0/8 and 010.1.1.1 for 10.1.1.1; others read these as something else.
    SELECT position, element, network INTO wrong
    FROM ROWS FROM (unnest(networks), unnest(typed)) WITH ORDINALITY AS given (element, network, position)
    WHERE element IS NULL OR (family(network) = 4 AND element <> host(network) AND element <> text(network))
    ORDER BY position LIMIT 1;
    IF FOUND THEN
        PERFORM ipban.refuse(
            format('networks[%s]', wrong.position), wrong.element,
            CASE WHEN wrong.element IS NULL THEN 'must be an address or a network'
                ELSE format('must be written in full, as %s', wrong.network) END);
    END IF;
    RETURN (
        SELECT coalesce(array_agg(network ORDER BY network), '{}')
        FROM (SELECT DISTINCT unnest(typed)) AS each_once (network));
END
$$;

-- Raises for the first network that must not be banned, or not by this login.
CREATE FUNCTION ipban.check_bannable(networks cidr[], wide_reason text) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    wrong cidr;
    may_be_wide boolean := coalesce(wide_reason, '') <> '' AND pg_has_role(session_user, 'ipban_admin', 'MEMBER');
BEGIN
    SELECT network INTO wrong FROM unnest(networks) AS wanted (network)
    WHERE network && ANY (ipban.reserved())
       OR ipban.is_wide(network) AND (ipban.is_too_wide(network) OR NOT may_be_wide)
    ORDER BY network LIMIT 1;
    IF NOT FOUND THEN
        RETURN;
    END IF;
    PERFORM ipban.refuse('network', text(wrong), CASE
        WHEN ipban.is_too_wide(wrong)
            THEN 'must not be wider than /8 (IPv4) or /19 (IPv6), whatever the reason'
        WHEN wrong && ANY (ipban.reserved())
            THEN 'must not touch unspecified, loopback, link-local, multicast or IPv4-mapped addresses'
        WHEN coalesce(wide_reason, '') = ''
            THEN 'wider than /16 (IPv4) or /32 (IPv6) needs a wide_reason'
        ELSE format('wider than /16 (IPv4) or /32 (IPv6) needs the role ipban_admin, which %s is not', session_user)
    END);
END
$$;

CREATE FUNCTION ipban.check_allowable(networks cidr[]) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    wrong cidr;
BEGIN
    SELECT network INTO wrong FROM unnest(networks) AS wanted (network)
    WHERE ipban.is_too_wide(network)
    ORDER BY network LIMIT 1;
    IF FOUND THEN
        PERFORM ipban.refuse('network', text(wrong), 'an allow entry must not be wider than /8 (IPv4) or /19 (IPv6)');
    END IF;
END
$$;

CREATE FUNCTION ipban.check_source(source text) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF source IS NULL OR source !~ '^[a-z0-9][a-z0-9_.:-]{0,62}$' THEN
        PERFORM ipban.refuse('source', source, 'must be of lower case letters, digits and _ . : - and at most 63 long');
    END IF;
END
$$;

-- A list that takes new bans, or, with retired_too, any that is known.
CREATE FUNCTION ipban.check_list(list text, retired_too boolean DEFAULT false) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF NOT EXISTS (SELECT FROM ipban.list AS known WHERE name = check_list.list AND (retired_too OR NOT retired)) THEN
        PERFORM ipban.refuse('list', list, format('must be one of %s', (
            SELECT string_agg(name, ', ' ORDER BY name) FROM ipban.list WHERE NOT retired)));
    END IF;
END
$$;

CREATE FUNCTION ipban.check_text(element text, given text) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF given IS NULL OR given !~ '\S' OR given ~ '[[:cntrl:]]' OR length(given) > 500 THEN
        PERFORM ipban.refuse(element, given, 'must be one line of 1 to 500 characters');
    END IF;
END
$$;

-- The expiry as it is stored: NULL for never.
CREATE FUNCTION ipban.expiry(expires_at timestamptz) RETURNS timestamptz
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF expires_at = 'infinity' THEN
        RETURN NULL;
    END IF;
    IF expires_at <= clock_timestamp() THEN
        PERFORM ipban.refuse('expires_at', expires_at::text, format('must be in the future; it is %s here', clock_timestamp()));
    END IF;
    RETURN expires_at;
END
$$;

-- Who acts: the name given by the caller, or the login. The journal has the login beside it.
CREATE FUNCTION ipban.acting(actor text) RETURNS text
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF actor IS NULL THEN
        RETURN session_user;
    END IF;
    PERFORM ipban.check_text('actor', actor);
    RETURN actor;
END
$$;
