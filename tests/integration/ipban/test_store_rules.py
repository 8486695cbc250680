"""Bad input: each is refused with the element and the rule, and nothing is changed."""

from __future__ import annotations

from typing import Any

import psycopg
import pytest

from .stores import Store

FINGERPRINT = """
SELECT (SELECT row(g.*)::text FROM ipban.generation AS g), (SELECT count(*) FROM ipban.journal),
    (SELECT count(*) FROM ipban.ban), (SELECT count(*) FROM ipban.allow),
    (SELECT count(*) FROM ipban.tally)"""

NO_NETWORKS = {
    "": "must be an address or a network",
    "10": "must be written in full, as 10.0.0.0/8",
    "192.0.2": "must be written in full, as 192.0.2.0/24",
    "192.0.2/24": "must be written in full, as 192.0.2.0/24",
    "192.0.2.010": "must be written in full, as 192.0.2.10/32",
    "192.0.2.256": "must be an address or a network",
    "192.0.2.1/24": "must not have host bits set; its network is 192.0.2.0/24",
    "2001:db8::1/64": "must not have host bits set; its network is 2001:db8::/64",
    "192.0.2.0/33": "must be an address or a network",
    "192.0.2.0/255.255.255.0": "must be an address or a network",
    "192.0.2.1 ": "must be an address or a network",
    "192.0.2.1\n": 'networks[2] is "192.0.2.1?": must be an address or a network',
    "fe80::1%eth0": "must be an address or a network",
    "example.com": "must be an address or a network",
    "<!DOCTYPE html><html>": "must be an address or a network",
}
NOT_BANNABLE = {
    "0.0.0.0/0": "must not be wider than /8 (IPv4) or /19 (IPv6)",
    "128.0.0.0/7": "must not be wider than /8 (IPv4) or /19 (IPv6)",
    "2000::/18": "must not be wider than /8 (IPv4) or /19 (IPv6)",
    "::/0": "must not be wider than /8 (IPv4) or /19 (IPv6)",
    "10.0.0.0/8": "wider than /16 (IPv4) or /32 (IPv6) needs a wide_reason",
    "10.0.0.0/15": "wider than /16 (IPv4) or /32 (IPv6) needs a wide_reason",
    "2001:db0::/31": "wider than /16 (IPv4) or /32 (IPv6) needs a wide_reason",
    "0.0.0.0/32": "must not touch unspecified, loopback",
    "127.0.0.1": "must not touch unspecified, loopback",
    "169.254.1.0/24": "must not touch unspecified, loopback",
    "224.0.0.1": "must not touch unspecified, loopback",
    "::": "must not touch unspecified, loopback",
    "::1": "must not touch unspecified, loopback",
    "fe80::1": "must not touch unspecified, loopback",
    "ff02::1": "must not touch unspecified, loopback",
    "::ffff:192.0.2.1": "must not touch unspecified, loopback",
}


def refusal(store: Store, query: str, *arguments: Any, who: str = "writer") -> psycopg.Error:
    """The error of a call that must change nothing."""
    before = store.sql(FINGERPRINT)
    with pytest.raises(psycopg.Error) as refused:
        store.call(query, *arguments, who=who)
    assert store.sql(FINGERPRINT) == before
    return refused.value


@pytest.mark.parametrize("network", [*NO_NETWORKS, *NOT_BANNABLE])
def test_all_or_nothing(either_store: Store, network: str) -> None:
    rule = {**NO_NETWORKS, **NOT_BANNABLE}[network]
    for query in ("SELECT ipban.ban(%s, 'a test')", "SELECT ipban.replace(%s, 'feed', 'all', 'a test')"):
        error = refusal(either_store, query, ["198.51.100.1", network, "198.51.100.2"])
        assert error.sqlstate == "22023"
        assert rule in str(error)
        assert network.strip() in str(error)


def test_no_element(either_store: Store) -> None:
    assert "networks[1] is NULL: must be an address or a network" in str(
        refusal(either_store, "SELECT ipban.ban(ARRAY[NULL::text], 'a test')")
    )
    assert "networks is NULL: must be an array" in str(
        refusal(either_store, "SELECT ipban.ban(NULL, 'a test')")
    )


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ("''", 'reason is "": must be one line'),
        ("' '", 'reason is " ": must be one line'),
        ("NULL", "reason is NULL: must be one line"),
        ("E'two\\nlines'", "must be one line of 1 to 500 characters"),
        ("repeat('x', 501)", "must be one line of 1 to 500 characters"),
        ("'x', list => 'nope'", 'list is "nope": must be one of all, ssh, web'),
        ("'x', list => NULL", "list is NULL: must be one of"),
        ("'x', source => 'Not Good'", 'source is "Not Good": must be of lower case letters'),
        ("'x', source => ''", 'source is "": must be of lower case letters'),
        ("'x', expires_at => now() - interval '1 s'", "must be in the future"),
        ("'x', actor => ''", 'actor is "": must be one line'),
        ("'x', wide_reason => ''", 'wide_reason is "": must be one line'),
    ],
)
def test_what_belongs_to_a_ban(either_store: Store, arguments: str, said: str) -> None:
    error = refusal(either_store, f"SELECT ipban.ban('{{192.0.2.1}}', {arguments})")
    assert error.sqlstate == "22023"
    assert said in str(error)


def test_a_wide_network_needs_a_reason_and_an_administrator(either_store: Store) -> None:
    query = "SELECT ipban.ban('{10.0.0.0/8, 2001::/19}', 'a test', wide_reason => 'an attack from all of it')"
    assert "needs the role ipban_admin, which operator_test is not" in str(refusal(either_store, query))
    assert "needs a wide_reason" in str(
        refusal(either_store, "SELECT ipban.ban('{10.0.0.0/8}', 'a test')", who="admin")
    )
    assert either_store.call(query, who="admin") == 2


def test_the_tables_refuse_wide_networks_too(either_store: Store) -> None:
    either_store.call("SELECT ipban.ban('{192.0.2.1}', 'a test')")
    for network, rule in (("10.0.0.0/8", "wide_needs_a_reason"), ("0.0.0.0/0", "never_wider_than_8_and_19")):
        script = f"UPDATE ipban.ban SET network = '{network}'"  # noqa: S608
        done = either_store.host.run(
            "runuser -u postgres -- psql -qX -v ON_ERROR_STOP=1 -d ipban", stdin=script
        )
        assert done.returncode != 0
        assert rule in done.stderr


@pytest.mark.parametrize("network", ["0.0.0.0/0", "128.0.0.0/7", "::/0", "2000::/18"])
def test_an_allow_entry_that_covers_everything(either_store: Store, network: str) -> None:
    error = refusal(either_store, "SELECT ipban.allow(%s, 'a test')", ["192.0.2.1", network], who="admin")
    assert f'network is "{network}": an allow entry must not be wider than /8 (IPv4) or /19 (IPv6)' in str(
        error
    )


@pytest.mark.parametrize("given", ["0", "-1", "'NaN'"])
def test_a_change_needs_a_measure(either_store: Store, given: str) -> None:
    error = refusal(
        either_store, f"SELECT ipban.replace('{{192.0.2.1}}', 'feed', 'all', 'x', max_change => {given})"
    )
    assert "max_change is" in str(error)
    assert "must be greater than 0" in str(error)


def test_limits_of_lists_and_sources(either_store: Store) -> None:
    either_store.sql("UPDATE ipban.setting SET list_limit = 3, source_limit = 2")
    ban = "SELECT ipban.ban(%s, 'a test', source => %s, list => %s)"
    either_store.call(ban, ["192.0.2.1", "192.0.2.2"], "feed", "all")
    error = refusal(either_store, ban, ["192.0.2.3"], "feed", "ssh")
    assert (error.sqlstate, "source feed would have 3 bans: must not have more than 2" in str(error)) == (
        "IB002",
        True,
    )
    error = refusal(either_store, ban, ["192.0.2.3", "192.0.2.4"], "operator", "all")
    assert (error.sqlstate, "list all would have 4 bans: must not have more than 3" in str(error)) == (
        "IB002",
        True,
    )
    assert either_store.call("SELECT ipban.unban('{192.0.2.1}')") == 1
    assert either_store.call(ban, ["192.0.2.3", "192.0.2.4"], "operator", "all") == 2


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("SELECT ipban.unban('{192.0.2.1/24}')", "must not have host bits set"),
        ("SELECT ipban.unban('{192.0.2.1}', list => 'nope')", 'list is "nope"'),
        ("SELECT ipban.unban('{192.0.2.1}', source => 'A')", 'source is "A"'),
        ("SELECT * FROM ipban.whois('nobody')", "must be an address or a network"),
        ("SELECT * FROM ipban.entries(list => 'nope')", 'list is "nope"'),
        ("SELECT * FROM ipban.state('{nope}')", 'list is "nope"'),
    ],
)
def test_questions_and_unbans(either_store: Store, query: str, said: str) -> None:
    error = refusal(either_store, query)
    assert error.sqlstate == "22023"
    assert said in str(error)


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("SELECT * FROM ipban.packed(5, 'host', '{}')", 'family is "5": must be 4 or 6'),
        ("SELECT * FROM ipban.packed(4, 'some', '{}')", 'kind is "some": must be host or network'),
        (
            "SELECT * FROM ipban.packed(4, 'host', '{all,nope}')",
            'list is "nope": must be one of all, ssh, web',
        ),
    ],
)
def test_questions_of_readers(either_store: Store, query: str, said: str) -> None:
    assert said in str(refusal(either_store, query, who="reader"))
