"""Group roles, the database, and its migrations: numbered files, each applied once, in a transaction."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from settings import DATABASE, SHARE, StoreError

if TYPE_CHECKING:
    import psycopg

MIGRATIONS = f"{SHARE}/migrations"
# Any number will do, as long as all runners take the same.
LOCK = 0x49504241
# A migration waits for a bulk write, and does not make all readers wait behind it for longer than that.
LOCK_TIMEOUT = "30s"


@dataclass(frozen=True)
class Migration:
    version: int
    path: Path

    def text(self) -> str:
        return self.path.read_text(encoding="utf-8")


def migrations() -> list[Migration]:
    """All files in order. Raises :exc:`StoreError` when their numbers do not run from 1 without a gap."""
    found = []
    for expected, path in enumerate(sorted(Path(MIGRATIONS).glob("*.sql")), 1):
        number = re.fullmatch(r"([0-9]{4})_[a-z0-9_]+\.sql", path.name)
        if not number or int(number[1]) != expected:
            raise StoreError(f"{path}: must be migration {expected:04d}")
        found.append(Migration(expected, path))
    return found


def ensure_database(admin: psycopg.Connection[Any]) -> list[str]:
    """Group roles and the empty database; what had to be made."""
    # Held until the connection is closed: two runners on an empty server would both make everything.
    admin.execute("SELECT pg_advisory_lock(%s)", (LOCK,))
    admin.execute(Path(SHARE, "roles.sql").read_text(encoding="utf-8"))
    if admin.execute("SELECT 1 FROM pg_database WHERE datname = %s", (DATABASE,)).fetchone():
        return []
    # The locale C, because nothing is sorted for people and comparing bytes is faster.
    admin.execute(
        f"CREATE DATABASE {DATABASE} OWNER ipban_owner TEMPLATE template0 ENCODING 'UTF8' LOCALE 'C'"
    )
    return [f"made the database {DATABASE}"]


def migrate(database: psycopg.Connection[Any]) -> list[str]:
    """Apply what is missing; what was applied.

    Two runners at a time take turns. A failing migration leaves the database at the version before it.
    """
    import psycopg

    known = migrations()
    done = []
    database.execute("SELECT pg_advisory_lock(%s)", (LOCK,))
    try:
        at = version(database)
        if at > len(known):
            raise StoreError(
                f"the database is at version {at}, this role knows {len(known)}: use a newer one"
            )
        for migration in known[at:]:
            try:
                with database.transaction():
                    database.execute(f"SET LOCAL lock_timeout = '{LOCK_TIMEOUT}'")
                    database.execute(migration.text())
                    database.execute(
                        "INSERT INTO ipban.migration (version) VALUES (%s)", (migration.version,)
                    )
            except psycopg.Error as error:
                raise StoreError(f"{migration.path}: {error}") from error
            done.append(f"applied migration {migration.version}")
    finally:
        if not database.closed:
            database.execute("SELECT pg_advisory_unlock(%s)", (LOCK,))
    return done


def version(database: psycopg.Connection[Any]) -> int:
    """The version of the schema, 0 for an empty database."""
    row = database.execute("SELECT to_regclass('ipban.migration') IS NOT NULL").fetchone()
    if not row or not row[0]:
        return 0
    row = database.execute("SELECT coalesce(max(version), 0) FROM ipban.migration").fetchone()
    return int(row[0]) if row else 0
