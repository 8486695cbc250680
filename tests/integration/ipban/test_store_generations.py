"""Generations: numbers follow commits, deltas skip nothing, and a history that was changed is noticed."""

from __future__ import annotations

import threading
from typing import Any

import psycopg
import pytest

from .stores import Store


class Reader:
    """An agent as far as the store is concerned: it has reached a generation and goes on from there."""

    def __init__(self, store: Store, lists: list[str] | None = None) -> None:
        self.connection = store.connect("reader")
        self.lists = lists or []
        self.at, self.stamp, _ = self.head()

    def head(self) -> Any:
        return self.connection.execute("SELECT * FROM ipban.head()").fetchone()

    def delta(self) -> dict[str, bool]:
        """What has changed since the last time."""
        with self.connection.transaction():
            self.connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
            at, stamp, _ = self.head()
            query = "SELECT text(network), banned FROM ipban.delta(%s, %s, %s)"
            found = self.connection.execute(query, (self.at, self.stamp, self.lists)).fetchall()
        self.at, self.stamp = at, stamp
        return dict(found)


def test_a_delta_has_the_present_state_of_what_changed(either_store: Store) -> None:
    either_store.call("SELECT ipban.ban('{192.0.2.1,192.0.2.2}', 'a test')")
    reader = Reader(either_store)
    either_store.call("SELECT ipban.unban('{192.0.2.1}')")
    either_store.call("SELECT ipban.ban('{192.0.2.3,2001:db8::/48}', 'a test')")
    either_store.call("SELECT ipban.ban('{192.0.2.4}', 'not mine', list => 'ssh')")
    either_store.call("SELECT ipban.ban('{192.0.2.2}', 'by another too', source => 'feed')")
    either_store.call("SELECT ipban.unban('{192.0.2.2}', source => 'feed')")
    expected = {"192.0.2.1/32": False, "192.0.2.2/32": True, "192.0.2.3/32": True, "2001:db8::/48": True}
    assert either_store.call("SELECT ipban.delta_size(%s)", reader.at, who="reader") == 5
    assert reader.delta() == expected
    assert reader.delta() == {}


def test_a_late_commit_is_never_skipped(either_store: Store) -> None:
    reader = Reader(either_store)
    slow, fast = either_store.connect(), either_store.connect()
    slow.execute("BEGIN")
    slow.execute("SELECT ipban.ban('{192.0.2.1}', 'slow')")
    waiting = threading.Thread(target=fast.execute, args=("SELECT ipban.ban('{192.0.2.2}', 'fast')",))
    waiting.start()
    waiting.join(0.5)
    assert waiting.is_alive(), "a second writer took a number before the first had committed"
    assert reader.delta() == {}
    slow.execute("COMMIT")
    waiting.join(5)
    assert reader.delta() == {"192.0.2.1/32": True, "192.0.2.2/32": True}
    numbers = (
        either_store.connect("admin")
        .execute("SELECT networks[1]::text, generation FROM ipban.history()")
        .fetchall()
    )
    assert [network for network, _ in sorted(numbers, key=lambda one: one[1])] == [
        "192.0.2.1/32",
        "192.0.2.2/32",
    ]


def test_a_writer_that_gives_up_leaves_no_gap(either_store: Store) -> None:
    reader = Reader(either_store)
    writer = either_store.connect()
    writer.execute("BEGIN")
    writer.execute("SELECT ipban.ban('{192.0.2.1}', 'a test')")
    writer.execute("ROLLBACK")
    either_store.call("SELECT ipban.ban('{192.0.2.2}', 'a test')")
    before = reader.at
    assert reader.delta() == {"192.0.2.2/32": True}
    assert reader.at == before + 1


def test_many_writers_at_once_and_a_reader_that_polls(either_store: Store) -> None:
    reader = Reader(either_store)
    seen: dict[str, bool] = {}

    def write(number: int) -> None:
        with psycopg.connect(either_store.conninfo(), autocommit=True) as connection:
            for last in range(40):
                network = [f"10.20.{number}.{last}"]
                connection.execute("SELECT ipban.ban(%s, 'a test', source => %s)", (network, f"w{number}"))
                if last % 2:
                    connection.execute("SELECT ipban.unban(%s)", (network,))

    writers = [threading.Thread(target=write, args=(number,)) for number in range(4)]
    for writer in writers:
        writer.start()
    while any(writer.is_alive() for writer in writers):
        seen |= reader.delta()
    seen |= reader.delta()
    assert seen == {f"10.20.{number}.{last}/32": not last % 2 for number in range(4) for last in range(40)}
    assert reader.at == either_store.call("SELECT generation FROM ipban.head()")


def test_a_notification_carries_the_generation(either_store: Store) -> None:
    listener = either_store.connect("reader")
    listener.execute("LISTEN ipban")
    either_store.call("SELECT ipban.ban('{192.0.2.1}', 'a test')")
    either_store.call("SELECT ipban.ban('{192.0.2.1}', 'no change')")
    either_store.call("SELECT ipban.allow('{192.0.2.9}', 'a test')")
    head = either_store.call("SELECT generation FROM ipban.head()")
    told = [int(notify.payload) for notify in listener.notifies(timeout=5, stop_after=2)]
    assert told == [head - 1, head]


@pytest.mark.parametrize(("ahead", "said"), [(1, "lies ahead of the database"), (None, "nothing is known")])
def test_a_place_that_is_none_needs_a_full_load(either_store: Store, ahead: int | None, said: str) -> None:
    reader = Reader(either_store)
    reader.at = ahead and reader.at + ahead
    with pytest.raises(psycopg.Error, match=said) as refused:
        reader.delta()
    assert refused.value.sqlstate == "IB001"


def test_an_older_dump_is_noticed_by_its_stamps(either_store: Store) -> None:
    host = either_store.host
    host.output("groundwork-ipban-store dump")
    assert host.output("stat -c %a /var/backups/groundwork-ipban-store/ipban.dump").strip() == "600"
    either_store.call("SELECT ipban.ban('{192.0.2.1}', 'after the dump')")
    reader, gone = Reader(either_store), Reader(either_store)
    assert reader.delta() == {}
    host.output(
        "runuser -u postgres -- pg_restore --clean --if-exists --exit-on-error --dbname=ipban"
        " < /var/backups/groundwork-ipban-store/ipban.dump"
    )
    with pytest.raises(psycopg.Error, match="lies ahead of the database") as refused:
        reader.delta()
    assert refused.value.sqlstate == "IB001"
    for last in range(3):
        either_store.call("SELECT ipban.ban(%s, 'after the restore')", [f"192.0.2.{10 + last}"])
    with pytest.raises(psycopg.Error, match="restored from an older state") as refused:
        gone.delta()
    assert refused.value.sqlstate == "IB001"
    with pytest.raises(psycopg.Error, match="permission denied"):
        either_store.call("SELECT * FROM ipban.ban", who="admin")
    assert Reader(either_store).delta() == {}


def test_tombstones_go_behind_the_horizon(either_store: Store) -> None:
    either_store.call("SELECT ipban.ban('{192.0.2.1,192.0.2.2}', 'a test')")
    early = Reader(either_store)
    either_store.call("SELECT ipban.unban('{192.0.2.1}')")
    late = Reader(either_store)
    either_store.sql("SELECT ipban.maintain()")
    assert early.delta() == {"192.0.2.1/32": False}, "within the horizon nothing goes"
    early.at, early.stamp = late.at - 1, early.stamp
    assert either_store.call("SELECT tombstones FROM ipban.maintain('0 s')") == 1
    with pytest.raises(psycopg.Error, match="lies behind the horizon") as refused:
        early.delta()
    assert refused.value.sqlstate == "IB001"
    assert late.delta() == {}, "the horizon itself is a place to go on from"
    either_store.call("SELECT ipban.ban('{192.0.2.3}', 'a test')")
    assert late.delta() == {"192.0.2.3/32": True}
    assert either_store.sql("SELECT count(*) FROM ipban.ban") == "2"


def test_the_journal_ends_with_its_retention(either_store: Store) -> None:
    either_store.sql(
        """
        SELECT ipban.ban('{192.0.2.1}', 'old');
        BEGIN; SET LOCAL session_replication_role = replica;
        UPDATE ipban.journal SET at = at - interval '400 days'; COMMIT;
        SELECT ipban.ban('{192.0.2.2}', 'new')"""
    )
    assert either_store.call("SELECT journal_rows FROM ipban.maintain()") == 1
    assert either_store.call("SELECT reason FROM ipban.history()") == "new"


def test_a_load_in_a_transaction_is_of_one_generation(either_store: Store) -> None:
    either_store.call("SELECT ipban.ban('{192.0.2.1,192.0.2.2}', 'a test')")
    reader = either_store.connect("reader")
    with reader.transaction():
        reader.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
        state = reader.execute("SELECT generation, hosts4, allowed FROM ipban.state('{}')").fetchone()
        either_store.call("SELECT ipban.unban('{192.0.2.1}')")
        either_store.call("SELECT ipban.allow('{192.0.2.9}', 'a test')")
        loaded = reader.execute("SELECT length(c) FROM ipban.packed(4, 'host', '{}') AS c").fetchall()
        allowed = reader.execute("SELECT count(*) FROM ipban.allowed()").fetchone()
        assert reader.execute("SELECT generation FROM ipban.head()").fetchone() == state[:1]
    assert (state[1:], loaded, allowed) == ((2, 0), [(8,)], (0,))
