"""The schema: upgraded under a reader, by two runners at once, and not at all by a migration that fails."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

from .stores import Store

LIBRARY = "/usr/local/libexec/groundwork/ipban_store"
MIGRATIONS = "/usr/local/share/groundwork/ipban/migrations"


def last_version(store: Store) -> int:
    return int(store.host.output(f"ls {MIGRATIONS} | wc -l"))


# The schema as it was one version ago, by the role's own runner with the last migration out of its sight.
VERSION_BEFORE = f"""
set -e
groundwork-ipban-store drop
rm -rf /root/earlier && mkdir /root/earlier && cp {MIGRATIONS}/*.sql /root/earlier/
rm "$(ls /root/earlier/*.sql | tail -n 1)"
exec python3 -EsB -c 'import sys; sys.path.insert(0, "{LIBRARY}")
import schema, store
schema.MIGRATIONS = "/root/earlier"
store.converge()'
"""


def test_the_schema_is_upgraded_under_a_reader(disposable_store: Store) -> None:
    disposable_store.host.output(VERSION_BEFORE)
    last = last_version(disposable_store)
    assert disposable_store.sql("SELECT max(version) FROM ipban.migration") == str(last - 1)
    disposable_store.call(
        "SELECT ipban.ban(%s, 'a test')", [f"10.1.{n // 250}.{n % 250}" for n in range(5000)]
    )
    disposable_store.call("SELECT ipban.ban('{192.0.2.0/24}', 'a network')")
    results: list[tuple[Any, ...]] = []
    poll_until(
        lambda: disposable_store.host.output("groundwork-ipban-store converge"), disposable_store, results
    )
    assert disposable_store.sql("SELECT max(version) FROM ipban.migration") == str(last)
    assert len(results) > 3
    assert set(results) == {(5001, 5000 * 4, 5)}


def poll_until(work: Callable[[], Any], store: Store, results: list[tuple[Any, ...]]) -> None:
    """Read as an agent does, on one connection, from before ``work`` until after it."""
    reader = store.connect("reader")
    at, stamp = reader.execute("SELECT generation - 2, NULL::uuid FROM ipban.head()").fetchone() or (0, None)
    stamp = store.sql(f"SELECT stamp FROM ipban.generation_log WHERE generation = {at}")  # noqa: S608
    worker = threading.Thread(target=work)
    worker.start()
    alive = True
    while alive:
        alive = worker.is_alive()
        row = reader.execute(
            """
            SELECT (SELECT count(*) FROM ipban.delta(%s, %s, '{}') WHERE banned),
                (SELECT sum(length(c)) FROM ipban.packed(4, 'host', '{}') AS c)::int,
                (SELECT sum(length(c)) FROM ipban.packed(4, 'network', '{}') AS c)::int""",
            (at, stamp),
        ).fetchone()
        assert row is not None
        results.append(row)


def test_two_runners_at_once_make_one_store(disposable_store: Store) -> None:
    disposable_store.host.output("groundwork-ipban-store drop")
    converge = "groundwork-ipban-store converge"
    done = disposable_store.host.output(
        f"{converge} > /tmp/one & {converge} > /tmp/two; wait $! && cat /tmp/one /tmp/two"
    )
    assert done.count("applied migration 1\n") == 1
    assert "Nothing to do." in done
    assert (
        disposable_store.connect("reader").execute("SELECT generation FROM ipban.head()").fetchone()
        is not None
    )


def test_a_failing_migration_changes_nothing(disposable_store: Store) -> None:
    number = last_version(disposable_store) + 1
    bad = f"{MIGRATIONS}/{number:04d}_bad.sql"
    disposable_store.host.run(f"cat > {bad}", stdin="DROP TABLE ipban.journal CASCADE; SELECT 1 / 0;")
    failed = disposable_store.host.run("groundwork-ipban-store converge")
    disposable_store.host.output(f"rm {bad}")
    assert failed.returncode == 1
    assert f"{number:04d}_bad.sql: division by zero" in failed.stderr
    assert disposable_store.host.output("groundwork-ipban-store converge").strip() == "Nothing to do."
    disposable_store.sql(f"INSERT INTO ipban.migration VALUES ({number})")  # noqa: S608
    newer = disposable_store.host.run("groundwork-ipban-store converge")
    assert f"the database is at version {number}, this role knows {number - 1}" in newer.stderr
    disposable_store.sql(f"DELETE FROM ipban.migration WHERE version = {number}")  # noqa: S608
