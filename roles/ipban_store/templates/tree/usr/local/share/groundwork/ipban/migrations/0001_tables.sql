-- Tables of the ban list. Only ipban_owner reads and writes them; everybody else goes through its functions.
SET LOCAL ROLE ipban_owner;

DO $$
BEGIN
    EXECUTE format('REVOKE ALL ON DATABASE %I FROM PUBLIC', current_database());
    EXECUTE format('GRANT CONNECT ON DATABASE %I TO ipban_reader, ipban_writer, ipban_maintenance', current_database());
    -- Compiling a query takes longer here than any of them, a million rows included.
    EXECUTE format('ALTER DATABASE %I SET jit = off', current_database());
END
$$;

CREATE SCHEMA ipban;
GRANT USAGE ON SCHEMA ipban TO ipban_reader, ipban_writer, ipban_maintenance;
-- Who may call a function is said function by function.
ALTER DEFAULT PRIVILEGES REVOKE EXECUTE ON FUNCTIONS FROM PUBLIC;

CREATE TABLE ipban.migration (
    version integer PRIMARY KEY,
    applied_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE ipban.setting (
    only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    journal_retention interval NOT NULL DEFAULT '365 days' CHECK (journal_retention >= '1 day'),
    tombstone_horizon interval NOT NULL DEFAULT '7 days' CHECK (tombstone_horizon >= '1 hour'),
    list_limit bigint NOT NULL DEFAULT 2000000 CHECK (list_limit > 0),
    source_limit bigint NOT NULL DEFAULT 2000000 CHECK (source_limit > 0)
);
INSERT INTO ipban.setting DEFAULT VALUES;

-- A retired list takes no new bans and goes away with its last tombstone.
CREATE TABLE ipban.list (
    name text COLLATE "C" PRIMARY KEY CHECK (name ~ '^[a-z][a-z0-9_-]{0,30}$'),
    description text NOT NULL DEFAULT '',
    retired boolean NOT NULL DEFAULT false,
    CONSTRAINT all_is_never_retired CHECK (name <> 'all' OR NOT retired)
);
INSERT INTO ipban.list (name, description) VALUES ('all', 'Taken by every host');

-- The number of the latest change. A writing transaction takes the row's lock before it reads or writes anything else,
-- so numbers follow the order of commits: a reader that has seen number n never gets a later commit with a lower one.
-- A sequence could not promise that.
CREATE TABLE ipban.generation (
    only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    generation bigint NOT NULL,
    stamp uuid NOT NULL,
    horizon bigint NOT NULL,
    CONSTRAINT horizon_is_not_ahead CHECK (horizon BETWEEN 0 AND generation)
) WITH (fillfactor = 50);

-- Every generation has a random stamp. After the restore of an older dump the same number gets another one.
CREATE TABLE ipban.generation_log (
    generation bigint PRIMARY KEY,
    stamp uuid NOT NULL,
    at timestamptz NOT NULL
);
WITH first AS (
    INSERT INTO ipban.generation (generation, stamp, horizon) VALUES (0, gen_random_uuid(), 0) RETURNING generation, stamp
)
INSERT INTO ipban.generation_log (generation, stamp, at) SELECT generation, stamp, now() FROM first;

-- One row for each network, list and source: the network is open again when no source bans it any more.
-- generation is that of the row's last change between banned and open; a removed row is a tombstone for deltas.
-- There is no foreign key to list: its trigger would double the cost of a bulk ban, and functions are the only writers.
CREATE TABLE ipban.ban (
    generation bigint NOT NULL,
    created_at timestamptz NOT NULL,
    expires_at timestamptz,
    removed boolean NOT NULL DEFAULT false,
    network cidr NOT NULL,
    list text COLLATE "C" NOT NULL,
    source text COLLATE "C" NOT NULL,
    reason text NOT NULL CHECK (reason <> ''),
    wide_reason text,
    actor text NOT NULL,
    PRIMARY KEY (network, list, source) INCLUDE (removed),
    CONSTRAINT never_wider_than_8_and_19 CHECK (masklen(network) >= CASE family(network) WHEN 4 THEN 8 ELSE 19 END),
    CONSTRAINT wide_needs_a_reason CHECK (
        masklen(network) >= CASE family(network) WHEN 4 THEN 16 ELSE 32 END OR wide_reason IS NOT NULL)
);
CREATE INDEX ban_changed ON ipban.ban (generation);
CREATE INDEX ban_expiring ON ipban.ban (expires_at) WHERE NOT removed AND expires_at IS NOT NULL;

-- How many bans each source has in each list, and how many its last accepted replace() had.
CREATE TABLE ipban.tally (
    list text COLLATE "C" NOT NULL,
    source text COLLATE "C" NOT NULL,
    active bigint NOT NULL CHECK (active >= 0),
    usual bigint,
    PRIMARY KEY (list, source)
) WITH (fillfactor = 50);

CREATE TABLE ipban.allow (
    network cidr NOT NULL,
    source text COLLATE "C" NOT NULL,
    reason text NOT NULL CHECK (reason <> ''),
    actor text NOT NULL,
    created_at timestamptz NOT NULL,
    expires_at timestamptz,
    generation bigint NOT NULL,
    removed boolean NOT NULL DEFAULT false,
    PRIMARY KEY (network, source),
    CONSTRAINT never_wider_than_8_and_19 CHECK (masklen(network) >= CASE family(network) WHEN 4 THEN 8 ELSE 19 END)
);

-- What was done, by whom. networks holds what a call really changed (banned, opened, allowed, disallowed);
-- a replace() has those that it banned there and those that it opened in opened.
CREATE TABLE ipban.journal (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at timestamptz NOT NULL,
    login text NOT NULL,
    actor text NOT NULL,
    action text NOT NULL,
    source text,
    list text,
    reason text,
    expires_at timestamptz,
    networks cidr[] NOT NULL,
    opened cidr[] NOT NULL DEFAULT '{}',
    count bigint NOT NULL,
    generation bigint
);
CREATE INDEX journal_at ON ipban.journal (at);

CREATE FUNCTION ipban.keep_journal() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF TG_OP = 'DELETE' AND OLD.at < clock_timestamp() - (SELECT journal_retention FROM ipban.setting) THEN
        RETURN OLD;
    END IF;
    RAISE EXCEPTION 'the journal is append-only: % is refused before its retention is over', TG_OP
        USING ERRCODE = 'insufficient_privilege';
END
$$;
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON ipban.journal
    FOR EACH ROW EXECUTE FUNCTION ipban.keep_journal();
CREATE TRIGGER append_only_whole BEFORE TRUNCATE ON ipban.journal
    FOR EACH STATEMENT EXECUTE FUNCTION ipban.keep_journal();
