"""Figures of the store in the format of the node exporter's textfile collector."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import settings

if TYPE_CHECKING:
    import psycopg

PREFIX = "groundwork_ipban_store"
HELP = {
    "bans": "Bans in force, by list and source.",
    "allowed": "Entries of the allow list in force.",
    "journal_rows": "Entries of the journal.",
    "generation": "Number of the latest change.",
    "horizon": "Number of the oldest change that deltas reach back to.",
    "schema_version": "Version of the schema.",
    "database_bytes": "Size of the database.",
}


def stamp(verb: str) -> None:
    """Remember that a run has succeeded, by the time of a file."""
    Path(settings.STATE, verb).touch()


def write(connection: psycopg.Connection[Any] | None) -> None:
    """Write the metrics; without a connection only that the store does not answer, and when it last did."""
    rows = (
        connection.execute("SELECT figure, list, source, value FROM ipban.statistics()").fetchall()
        if connection
        else []
    )
    settings.write(
        f"{settings.STATE}/metrics.prom",
        "".join(f"{line}\n" for line in _lines(rows, connection is not None)),
        0o644,
    )


def _lines(rows: Iterable[tuple[str, str | None, str | None, int]], up: bool) -> Iterable[str]:
    yield from _metric("up", "Whether the store answers.", [("", int(up))])
    for verb in ("expire", "maintain"):
        try:
            at = int(Path(settings.STATE, verb).stat().st_mtime)
        except FileNotFoundError:
            continue
        yield from _metric(
            f"last_{verb}_timestamp_seconds", f"When the last {verb} run succeeded.", [("", at)]
        )
    rows = list(rows)
    for figure, text in HELP.items():
        # Names of lists and sources are of letters that need no escaping.
        found = [
            (f'{{list="{of_list}",source="{source}"}}' if source else "", value)
            for name, of_list, source, value in rows
            if name == figure
        ]
        if found:
            yield from _metric(figure, text, found)


def _metric(name: str, text: str, samples: Iterable[tuple[str, int]]) -> Iterable[str]:
    yield f"# HELP {PREFIX}_{name} {text}"
    yield f"# TYPE {PREFIX}_{name} gauge"
    for labels, value in samples:
        yield f"{PREFIX}_{name}{labels} {value}"
