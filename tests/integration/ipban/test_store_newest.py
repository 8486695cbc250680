"""What takes only a part of the list: the bans that came last, as of one moment."""

from __future__ import annotations

from ipaddress import ip_network

import psycopg
import pytest
from ipban.model import StoreError
from ipban.packed import pack_network
from ipban.store import PostgresStore

from .stores import Store


def reader(store: Store, *lists: str) -> PostgresStore:
    made = PostgresStore(store.conninfo("reader"), ["all", *lists])
    made.connect()
    return made


def packed(*networks: str) -> list[bytes]:
    return [pack_network(ip_network(network)) for network in networks]


def ban(store: Store, *networks: str, on: str = "all", source: str = "test") -> None:
    store.call("SELECT ipban.ban(%s::text[], 'a test', source => %s, list => %s)", list(networks), source, on)


def test_the_newest_come_first_and_each_once(either_store: Store) -> None:
    ban(either_store, "192.0.2.1")
    ban(either_store, "2001:db8::/48", on="web")
    ban(either_store, "198.51.100.0/24")
    ban(either_store, "192.0.2.1", source="feed")
    ban(either_store, "203.0.113.1")
    either_store.call("SELECT ipban.unban('{203.0.113.1}', source => 'test')")
    either_store.call("SELECT ipban.allow('{192.0.2.128/25}', 'a friend')")
    asked = reader(either_store, "web")
    found = asked.newest(100)
    assert found.banned == packed("192.0.2.1", "198.51.100.0/24", "2001:db8::/48")
    assert found.total == 3
    assert found.allowed.networks[4] == packed("192.0.2.128/25")[0]
    assert found.position == asked.head()
    asked.close()


def test_a_limit_leaves_the_oldest_out_and_tells_how_many_there_are(either_store: Store) -> None:
    for last in range(5):
        ban(either_store, f"192.0.2.{last}")
    ban(either_store, "198.51.100.1", on="web")
    asked = reader(either_store)
    found = asked.newest(2)
    assert found.banned == packed("192.0.2.4", "192.0.2.3")
    assert found.total == 5
    asked.close()


def test_an_empty_list(either_store: Store) -> None:
    asked = reader(either_store)
    found = asked.newest(10)
    assert (found.banned, found.total) == ([], 0)
    asked.close()


def test_what_can_not_be_is_refused(either_store: Store) -> None:
    asked = reader(either_store, "nowhere")
    with pytest.raises(StoreError, match='list is "nowhere"'):
        asked.newest(10)
    asked.close()
    asked = reader(either_store)
    with pytest.raises(StoreError, match=r"limit is \S*0\S*: must be at least 1"):
        asked.newest(0)
    asked.close()
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        either_store.call("SELECT ipban.newest('{all}', 1)", who="writer")


def test_it_costs_what_the_limit_says(either_store: Store) -> None:
    """By the index of generations, however many bans there are."""
    ban(either_store, *(f"10.{number // 250}.{number % 250}.1" for number in range(5000)))
    ban(either_store, "192.0.2.1")
    either_store.sql("ANALYZE ipban.ban")
    told = either_store.sql(
        "SET enable_seqscan = off; SET enable_bitmapscan = off; SET enable_sort = off;"
        " EXPLAIN SELECT b.network FROM ipban.ban AS b WHERE b.list = ANY ('{all}') AND NOT b.removed"
        " ORDER BY b.generation DESC LIMIT 10"
    )
    assert "Index Scan Backward using ban_changed" in told
    asked = reader(either_store)
    assert asked.newest(1).banned == packed("192.0.2.1")
    asked.close()
