"""What writers do: ban, unban, whole sources, expiry, and what is told of it."""

from __future__ import annotations

from ipaddress import ip_address
from typing import Any

import psycopg
import pytest

from .stores import LOGINS, Store

FEED = [f"198.51.100.{number}" for number in range(20)]


def generation(store: Store) -> int:
    return int(store.call("SELECT generation FROM ipban.head()"))


def banned(store: Store, *lists: str) -> set[str]:
    """What a reader of the lists gets in a full load, as text."""
    found = set()
    with psycopg.connect(store.conninfo("reader"), autocommit=True) as reader:
        for family, size in ((4, 4), (6, 16)):
            for kind, width in (("host", size), ("network", size + 1)):
                query = "SELECT * FROM ipban.packed(%s, %s, %s)"
                for (chunk,) in reader.execute(query, (family, kind, list(lists)), binary=True):
                    entries = [chunk[at : at + width] for at in range(0, len(chunk), width)]
                    assert entries == sorted(set(entries))
                    found |= {unpacked(entry, size) for entry in entries}
    return found


def unpacked(entry: bytes, size: int) -> str:
    address = ip_address(entry[:size])
    return f"{address}/{entry[size]}" if len(entry) > size else str(address)


def test_a_ban_is_there_for_readers_of_its_list(either_store: Store) -> None:
    ban = "SELECT ipban.ban(%s, 'a test', list => %s)"
    assert (
        either_store.call(
            ban, ["192.0.2.1", "192.0.2.0/28", "2001:db8::1", "2001:db8:1::/48"], "all", who="writer"
        )
        == 4
    )
    assert either_store.call(ban, ["192.0.2.2"], "ssh", who="writer") == 1
    everywhere = {"192.0.2.1", "192.0.2.0/28", "2001:db8::1", "2001:db8:1::/48"}
    assert banned(either_store) == everywhere
    assert banned(either_store, "web", "all") == everywhere
    assert banned(either_store, "ssh") == everywhere | {"192.0.2.2"}
    state = either_store.connect("reader").execute("SELECT * FROM ipban.state('{ssh}')").fetchone()
    assert state is not None
    assert state[3:8] == (2, 1, 1, 1, 0)


def test_a_full_load_is_held_against_what_writers_have_counted(either_store: Store) -> None:
    def extent(*lists: str) -> Any:
        return (
            either_store.connect("reader")
            .execute("SELECT at_least, at_most FROM ipban.extent(%s)", [list(lists)])
            .fetchone()
        )

    ban = "SELECT ipban.ban(%s, 'a test', source => %s, list => %s)"
    assert extent() == (0, 0)
    either_store.call(ban, ["192.0.2.1", "192.0.2.2"], "one", "all")
    assert extent() == (2, 2)
    either_store.call(ban, ["192.0.2.2", "2001:db8::2", "198.51.100.0/24"], "two", "all")
    either_store.call(ban, ["192.0.2.9"], "one", "ssh")
    assert (extent(), extent("ssh")) == ((3, 5), (3, 6))
    assert len(banned(either_store, "ssh")) == 5
    either_store.call("SELECT ipban.unban(%s)", ["192.0.2.2"])
    assert extent() == (2, 3)
    either_store.call("SELECT ipban.withdraw('two')")
    assert extent() == (1, 1)


def test_an_element_twice_is_one_ban(either_store: Store) -> None:
    given = ["192.0.2.1", "192.0.2.1/32", "2001:db8::1", "2001:DB8:0::1"]
    assert either_store.call("SELECT ipban.ban(%s, 'a test')", given) == 2


def test_the_same_ban_again_takes_no_generation(either_store: Store) -> None:
    either_store.call("SELECT ipban.ban('{192.0.2.1}', 'a test')")
    before = generation(either_store)
    assert either_store.call("SELECT ipban.ban('{192.0.2.1}', 'a test')") == 0
    assert generation(either_store) == before
    assert either_store.call("SELECT count(*) FROM ipban.history()") == 1


def test_a_new_reason_or_expiry_is_written_and_concerns_no_host(either_store: Store) -> None:
    either_store.call("SELECT ipban.ban('{192.0.2.1}', 'a test')")
    before = generation(either_store)
    assert (
        either_store.call("SELECT ipban.ban('{192.0.2.1}', 'another', expires_at => now() + '1 hour')") == 1
    )
    assert generation(either_store) == before
    assert either_store.call("SELECT reason FROM ipban.whois('192.0.2.1')") == "another"
    assert either_store.call("SELECT expires_at > now() FROM ipban.whois('192.0.2.1')") is True


def test_a_network_is_open_when_no_source_bans_it_any_more(either_store: Store) -> None:
    for source in ("operator", "feed", "sshd"):
        either_store.call("SELECT ipban.ban('{192.0.2.1}', 'a test', source => %s)", source)
    assert either_store.call("SELECT ipban.unban('{192.0.2.1}', source => 'feed')") == 1
    assert banned(either_store) == {"192.0.2.1"}
    assert either_store.call("SELECT ipban.unban('{192.0.2.1}')") == 2
    assert banned(either_store) == set()
    before = generation(either_store)
    assert either_store.call("SELECT ipban.unban('{192.0.2.1}')") == 0
    assert generation(either_store) == before


def test_an_unban_can_be_about_one_list(either_store: Store) -> None:
    for of_list in ("all", "ssh"):
        either_store.call("SELECT ipban.ban('{192.0.2.1}', 'a test', list => %s)", of_list)
    assert either_store.call("SELECT ipban.unban('{192.0.2.1}', list => 'all')") == 1
    assert (banned(either_store), banned(either_store, "ssh")) == (set(), {"192.0.2.1"})


def test_a_banned_network_that_was_open_begins_anew(either_store: Store) -> None:
    either_store.call("SELECT ipban.ban('{192.0.2.1}', 'first')")
    first = either_store.call("SELECT created_at FROM ipban.whois('192.0.2.1')")
    either_store.call("SELECT ipban.unban('{192.0.2.1}')")
    assert either_store.call("SELECT ipban.ban('{192.0.2.1}', 'second')") == 1
    assert either_store.call("SELECT created_at FROM ipban.whois('192.0.2.1')") > first
    assert banned(either_store) == {"192.0.2.1"}


def replace(store: Store, networks: list[str], max_change: float | None = 0.5) -> int:
    query = "SELECT ipban.replace(%s, 'feed', 'all', 'on the feed', max_change => %s)"
    return int(store.call(query, networks, max_change, who="writer"))


def test_replace_makes_a_source_what_it_says(either_store: Store) -> None:
    either_store.call("SELECT ipban.ban('{198.51.100.1}', 'by hand')")
    assert replace(either_store, FEED) == 20
    before = generation(either_store)
    assert replace(either_store, FEED) == 0
    assert generation(either_store) == before
    assert replace(either_store, [*FEED[2:], "192.0.2.9"]) == 3
    assert generation(either_store) == before + 1
    assert banned(either_store) == {*FEED[2:], "192.0.2.9", "198.51.100.1"}


@pytest.mark.parametrize(
    ("networks", "said"),
    [
        (
            [f"192.0.2.{number}" for number in range(200)],
            "would change by 220 networks (200 banned, 20 opened), it usually has 20",
        ),
        (FEED[:4], "would change by 16 networks (0 banned, 16 opened)"),
        ([], "comes up empty"),
    ],
)
def test_an_unusual_feed_changes_nothing(either_store: Store, networks: list[str], said: str) -> None:
    replace(either_store, FEED)
    before = generation(either_store)
    with pytest.raises(psycopg.Error, match="must not change") as refused:
        replace(either_store, networks)
    assert refused.value.sqlstate == "IB003"
    assert said in str(refused.value)
    assert generation(either_store) == before
    assert banned(either_store) == set(FEED)


def test_the_usual_size_outlives_the_expiry_of_a_feed(either_store: Store) -> None:
    replace(either_store, FEED)
    either_store.sql("UPDATE ipban.ban SET expires_at = now() - interval '1 s'; SELECT ipban.expire()")
    assert banned(either_store) == set()
    with pytest.raises(psycopg.Error, match="must not change by more than"):
        replace(either_store, [f"192.0.2.{number}" for number in range(200)])


def test_without_a_limit_everything_is_usual(either_store: Store) -> None:
    replace(either_store, FEED)
    assert replace(either_store, [], None) == 20


def test_withdraw_opens_all_of_a_source_and_nothing_else(either_store: Store) -> None:
    replace(either_store, FEED)
    either_store.call("SELECT ipban.ban('{192.0.2.1,198.51.100.1}', 'by hand')")
    either_store.call("SELECT ipban.ban('{192.0.2.7}', 'feed', source => 'feed', list => 'ssh')")
    assert either_store.call("SELECT ipban.withdraw('feed', 'alice')") == 21
    assert banned(either_store, "ssh") == {"192.0.2.1", "198.51.100.1"}
    row = (
        either_store.connect("admin")
        .execute("SELECT login, actor, action, source, count FROM ipban.history()")
        .fetchone()
    )
    assert row == (LOGINS["admin"], "alice", "withdraw", "feed", 21)


def test_what_has_expired_is_opened_in_one_generation(either_store: Store) -> None:
    soon = "SELECT ipban.ban(%s, 'a test', source => %s, expires_at => clock_timestamp() + '0.2 s')"
    either_store.call(soon, ["192.0.2.1", "192.0.2.2"], "operator")
    either_store.call(soon, ["192.0.2.1"], "feed")
    either_store.call("SELECT ipban.ban('{192.0.2.3}', 'a test', expires_at => now() + '1 hour')")
    either_store.call("SELECT ipban.allow('{192.0.2.99}', 'for a moment', clock_timestamp() + '0.2 s')")
    before = generation(either_store)
    either_store.sql("SELECT pg_sleep(0.3)")
    # The host's own timer may have been quicker.
    either_store.call("SELECT ipban.expire()")
    assert generation(either_store) == before + 1
    assert banned(either_store) == {"192.0.2.3"}
    assert either_store.call("SELECT count(*) FROM ipban.allowed()") == 0
    assert either_store.call("SELECT ipban.expire()") == 0
    assert generation(either_store) == before + 1


def test_whois_tells_of_everything_that_covers_an_address(either_store: Store) -> None:
    either_store.call(
        "SELECT ipban.ban('{192.0.2.0/24}', 'the network', source => 'feed', list => 'ssh', actor => 'alice')"
    )
    either_store.call("SELECT ipban.ban('{192.0.2.1}', 'the address', expires_at => '2999-01-01Z')")
    either_store.call("SELECT ipban.ban('{192.0.2.2}', 'a neighbour')")
    either_store.call("SELECT ipban.ban('{192.0.2.1}', 'over', source => 'over')")
    either_store.call("SELECT ipban.unban('{192.0.2.1}', source => 'over')")
    either_store.call("SELECT ipban.allow('{192.0.0.0/16}', 'ours')")
    expected = [
        ("allow", "192.0.0.0/16", None, "operator", "ours", LOGINS["admin"]),
        ("ban", "192.0.2.1/32", "all", "operator", "the address", LOGINS["admin"]),
        ("ban", "192.0.2.0/24", "ssh", "feed", "the network", "alice"),
    ]
    query = "SELECT kind, text(network), list, source, reason, actor FROM ipban.whois('192.0.2.1')"
    for who in ("reader", "writer"):
        assert either_store.connect(who).execute(query).fetchall() == expected
    assert either_store.call("SELECT count(*) FROM ipban.whois('2001:db8::1')") == 0


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ("", {"192.0.2.1/32", "192.0.2.2/32", "2001:db8::/48"}),
        ("source => 'feed'", {"192.0.2.2/32"}),
        ("list => 'ssh'", {"2001:db8::/48"}),
        ("search => '192.0.2.0/24'", {"192.0.2.1/32", "192.0.2.2/32"}),
        ("search => '2001:db8::7'", {"2001:db8::/48"}),
        ("search => 'SCANS'", {"192.0.2.1/32"}),
        ('"limit" => 1', {"2001:db8::/48"}),
    ],
)
def test_entries_are_found(either_store: Store, arguments: str, expected: set[str]) -> None:
    either_store.call("SELECT ipban.ban('{192.0.2.1}', 'scans ports')")
    either_store.call("SELECT ipban.ban('{192.0.2.2}', 'listed', source => 'feed')")
    either_store.call("SELECT ipban.ban('{2001:db8::/48}', 'logs in', list => 'ssh')")
    query = f"SELECT text(network) FROM ipban.entries({arguments})"  # noqa: S608  # because they are the test's own
    found: list[tuple[Any, ...]] = either_store.connect("writer").execute(query).fetchall()
    assert {network for (network,) in found} == expected


def test_the_allow_list_has_sources_too(either_store: Store) -> None:
    either_store.call("SELECT ipban.allow('{192.0.2.0/24}', 'office')")
    either_store.call(
        'SELECT ipban.replace_allow(\'[{"network": "192.0.2.0/24", "reason": "x"}]\', \'inventory\')'
    )
    assert either_store.call("SELECT ipban.replace_allow('[]', 'inventory')") == 1
    assert either_store.call("SELECT text(allowed) FROM ipban.allowed()", who="reader") == "192.0.2.0/24"
    assert either_store.call("SELECT ipban.disallow('{192.0.2.0/24}')") == 1
    assert either_store.call("SELECT count(*) FROM ipban.allowed()", who="reader") == 0


def test_chunks_hold_at_most_65536_entries(either_store: Store) -> None:
    networks = [f"10.{high}.{low // 256}.{low % 256}" for high in (1, 2, 3) for low in range(30000)]
    either_store.call("SELECT ipban.ban(%s, 'many')", networks)
    chunks = (
        either_store.connect("reader")
        .execute("SELECT length(c) FROM ipban.packed(4, 'host', '{}') AS c")
        .fetchall()
    )
    assert chunks == [(4 * 65536,), (4 * (90000 - 65536),)]
    assert banned(either_store) == set(networks)
