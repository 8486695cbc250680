"""Who may do what: groups, functions, tables, the journal, and the ways in over the network."""

from __future__ import annotations

import psycopg
import pytest

from .stores import LOGINS, PASSWORDS, Store

READ = {
    "allowed",
    "delta",
    "delta_size",
    "extent",
    "head",
    "newest",
    "packed",
    "packed_after",
    "state",
    "whois",
}
WRITE = {"allowed", "ban", "entries", "head", "replace", "state", "unban", "whois"}
MAINTAIN = {"expire", "maintain", "statistics"}
ADMINISTER = {"allow", "configure", "disallow", "history", "replace_allow", "replace_lists", "withdraw"}
MAY_CALL = {
    "reader": READ,
    "writer": WRITE,
    "admin": WRITE | MAINTAIN | ADMINISTER,
}
NOBODY_MAY = [
    "SELECT * FROM ipban.ban",
    "SELECT * FROM ipban.in_force",
    "INSERT INTO ipban.list VALUES ('mine')",
    "UPDATE ipban.ban SET reason = 'x'",
    "DELETE FROM ipban.ban",
    "SELECT * FROM ipban.journal",
    "UPDATE ipban.journal SET actor = 'somebody else'",
    "DELETE FROM ipban.journal",
    "TRUNCATE ipban.journal",
    "UPDATE ipban.setting SET list_limit = 1",
    "UPDATE ipban.generation SET generation = 0",
    "SELECT ipban.publish(99)",
    "SELECT ipban.next_generation()",
    "SET ROLE ipban_owner",
    "SET ROLE postgres",
    "CREATE TABLE ipban.mine ()",
    "CREATE FUNCTION ipban.ban(text) RETURNS int LANGUAGE sql AS 'SELECT 1'",
    "CREATE TABLE public.mine ()",
    "CREATE TEMPORARY TABLE mine ()",
    "CREATE SCHEMA mine",
    "SELECT pg_read_file('/etc/passwd')",
    "COPY (SELECT 1) TO PROGRAM 'true'",
]


@pytest.mark.parametrize("who", MAY_CALL)
def test_functions_by_group(either_store: Store, who: str) -> None:
    query = """
        SELECT DISTINCT proname::text FROM pg_proc
        WHERE pronamespace = 'ipban'::regnamespace AND has_function_privilege(oid, 'EXECUTE')"""
    found = {name for (name,) in either_store.connect(who).execute(query).fetchall()}
    assert found == MAY_CALL[who]


def test_functions_of_the_timers(either_store: Store) -> None:
    query = """
        SELECT string_agg(DISTINCT proname, ' ' ORDER BY proname) FROM pg_proc
        WHERE pronamespace = 'ipban'::regnamespace
          AND has_function_privilege('groundwork-ipban-store', oid, 'EXECUTE')"""
    assert set(either_store.sql(query).split()) == MAINTAIN


@pytest.mark.parametrize("who", LOGINS)
def test_what_nobody_may(either_store: Store, who: str) -> None:
    connection = either_store.connect(who)
    for statement in NOBODY_MAY:
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute(statement)


def test_functions_that_run_as_their_owner_have_a_fixed_search_path(either_store: Store) -> None:
    query = """
        SELECT string_agg(proname, ' ') FROM pg_proc
        WHERE pronamespace = 'ipban'::regnamespace AND prosecdef
          AND NOT coalesce(proconfig, '{}') @> ARRAY['search_path=pg_catalog, pg_temp']"""
    assert either_store.sql(query) == ""


def test_a_temporary_object_takes_no_part(either_store: Store) -> None:
    admin = either_store.connect("admin")
    admin.execute("SET search_path = pg_temp, public")
    assert admin.execute("SELECT ipban.ban('{192.0.2.1}', 'a test')").fetchone() == (1,)


@pytest.mark.parametrize(
    "statement",
    ["UPDATE ipban.journal SET actor = 'x'", "DELETE FROM ipban.journal", "TRUNCATE ipban.journal"],
)
def test_not_even_the_owner_changes_the_journal(either_store: Store, statement: str) -> None:
    either_store.call("SELECT ipban.ban('{192.0.2.1}', 'a test')")
    script = f"SET ROLE ipban_owner; {statement};"
    done = either_store.host.run("runuser -u postgres -- psql -qX -v ON_ERROR_STOP=1 -d ipban", stdin=script)
    assert done.returncode != 0
    assert "the journal is append-only" in done.stderr
    assert either_store.sql("SELECT count(*) FROM ipban.journal") == "1"


def test_the_journal_has_login_and_actor(either_store: Store) -> None:
    either_store.call(
        "SELECT ipban.ban('{192.0.2.1}', 'scans', actor => 'alice', expires_at => '2999-01-01Z')",
        who="writer",
    )
    query = """
        SELECT login, actor, action, source, list, reason, networks::text, count, expires_at > now()
        FROM ipban.history()"""
    row = either_store.connect("admin").execute(query).fetchone()
    assert row == (LOGINS["writer"], "alice", "ban", "operator", "all", "scans", "{192.0.2.1/32}", 1, True)


def test_history_is_searched(either_store: Store) -> None:
    either_store.call("SELECT ipban.ban('{192.0.2.1}', 'one', source => 'feed')")
    either_store.call("SELECT ipban.ban('{198.51.100.1}', 'two')")
    query = "SELECT string_agg(reason, ' ' ORDER BY reason) FROM ipban.history({})"
    for arguments, expected in {
        "": "one two",
        "source => 'feed'": "one",
        "network => '198.51.0.0/16'": "two",
        "since => now() + '1 hour'": None,
        '"limit" => 1': "two",
    }.items():
        assert either_store.call(query.format(arguments)) == expected


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"sslmode": "disable", "channel_binding": ""}, "no encryption"),
        ({"password": "something else entirely"}, "password authentication failed"),
        ({"user": "postgres"}, "rejects connection"),
        ({"user": "groundwork-ipban-store"}, "rejects connection"),
        ({"user": "ipban_owner"}, "rejects connection"),
        ({"dbname": "postgres"}, "no pg_hba.conf entry"),
        ({"ssl_max_protocol_version": "TLSv1.2", "ssl_min_protocol_version": "TLSv1.2"}, "protocol version"),
    ],
)
def test_ways_in_that_are_closed(either_store: Store, changes: dict[str, str], said: str) -> None:
    with pytest.raises(psycopg.OperationalError, match=said):
        either_store.connect("writer", **changes)


def test_a_connection_is_encrypted_and_bound_to_the_certificate(either_store: Store) -> None:
    connection = either_store.connect("reader", channel_binding="require")
    row = connection.execute("SELECT ssl, version FROM pg_stat_ssl WHERE pid = pg_backend_pid()").fetchone()
    assert row == (True, "TLSv1.3")
    assert either_store.connect("reader", host=either_store.host.spec.address6).pgconn.ssl_in_use


def test_the_server_knows_verifiers_only(either_store: Store) -> None:
    query = "SELECT left(rolpassword, 14) FROM pg_authid WHERE rolname ~ '^(agent|operator|admin)_test$'"
    assert either_store.sql(query).split() == ["SCRAM-SHA-256$"] * 3
    for password in PASSWORDS.values():
        places = "/var/log /etc /var/lib/postgresql /var/lib/groundwork /run"
        found = either_store.host.run(f"grep -rlF -- {password} {places}")
        assert found.stdout.split() == ["/etc/groundwork/ipban_store/secrets.json"]
        assert either_store.host.run(f"journalctl --no-pager | grep -cF -- {password}").stdout.strip() == "0"
    assert (
        either_store.host.output("stat -c '%a %U' /etc/groundwork/ipban_store/secrets.json").strip()
        == "600 root"
    )
