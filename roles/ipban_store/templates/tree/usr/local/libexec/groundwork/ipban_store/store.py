"""What the commands do: bring the server to the data, expire, maintain, dump, drop."""

from __future__ import annotations

import datetime
import json
import os
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import logins
import metrics
import schema
from settings import (
    DATABASE,
    StoreError,
    connect_as_admin,
    connect_as_maintainer,
    say,
    secrets,
    settings,
)

if TYPE_CHECKING:
    import psycopg

BACKUPS = "/var/backups/groundwork-ipban-store"
# A server that was restarted a moment ago reads its log first.
PATIENCE = 60.0


def validate() -> None:
    """Read what the role has laid down, without the server. Raises :exc:`StoreError`."""
    schema.migrations()
    logins.wanted()
    for entry in settings()["allow"]:
        if entry.get("expires_at"):
            datetime.datetime.fromisoformat(entry["expires_at"].replace("Z", "+00:00"))


def converge() -> None:
    """Roles, database, schema, logins, lists, allow entries and limits as in the data."""
    with _patiently() as admin:
        _refuse_broken_files(admin)
        done = schema.ensure_database(admin)
        with connect_as_admin(DATABASE) as database:
            done += schema.migrate(database)
            done += logins.reconcile(admin)
            done += _reconcile_data(database)
    say("\n".join(done) or "Nothing to do.")


def expire() -> None:
    """Open what has expired, and write the metrics."""
    try:
        with connect_as_maintainer() as connection:
            count = _value(connection, "SELECT ipban.expire()")
            metrics.stamp("expire")
            metrics.write(connection)
    except Exception:
        metrics.write(None)
        raise
    if count:
        say(f"Opened {count}.")


def maintain() -> None:
    with connect_as_maintainer() as connection:
        row = connection.execute(
            "SELECT tombstones, generations, journal_rows FROM ipban.maintain()"
        ).fetchone()
    metrics.stamp("maintain")
    if row:
        say(f"Removed {row[0]} tombstones, {row[1]} generations and {row[2]} journal entries.")


def dump() -> None:
    """A dump in pg_dump's custom format, in place of the last one once it is whole."""
    folder = Path(BACKUPS)
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    folder.chmod(0o700)
    aside = folder / f"{DATABASE}.dump.new"
    command = ["pg_dump", "--format=custom"]
    environment = {key: value for key, value in os.environ.items() if not key.startswith("PG")}
    user = None
    if settings()["local"]:
        command += [
            "--host=/run/postgresql",
            f"--port={settings()['port']}",
            "--username=postgres",
            f"--dbname={DATABASE}",
        ]
        user = "postgres"
    else:
        command.append(f"--dbname={_without_password(environment)}")
    with os.fdopen(os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
        os.fchmod(file.fileno(), 0o600)
        done = subprocess.run(
            command,
            stdout=file,
            stderr=subprocess.PIPE,
            env=environment,
            user=user,
            group=user,
            extra_groups=[] if user else None,
            cwd="/",
            check=False,
        )
        os.fsync(file.fileno())
    if done.returncode != 0:
        aside.unlink()
        raise StoreError(
            f"pg_dump failed with code {done.returncode}: {done.stderr.decode(errors='replace').strip()}"
        )
    aside.rename(folder / f"{DATABASE}.dump")


def drop() -> None:
    """The database with everything in it, the logins and the groups. There is no way back but a backup."""
    with _patiently() as admin:
        with admin.transaction():
            logins.drop_all(admin)
        admin.execute(f"DROP DATABASE IF EXISTS {DATABASE} WITH (FORCE)")
        with admin.transaction():
            logins.drop_groups(admin)


def _reconcile_data(database: psycopg.Connection[Any]) -> list[str]:
    given = settings()
    done = []
    with database.transaction():
        # The administrator of a server elsewhere is a member of the owner, not of ipban_admin.
        database.execute("SET LOCAL ROLE ipban_owner")
        if _value(
            database,
            "SELECT ipban.configure(make_interval(days => %s), make_interval(days => %s), %s, %s)",
            *(given[key] for key in ("journal_days", "tombstone_days", "list_limit", "source_limit")),
        ):
            done.append("set limits and retention")
        names = [one["name"] for one in given["lists"]]
        descriptions = [one.get("description", "") for one in given["lists"]]
        if _value(database, "SELECT ipban.replace_lists(%s::text[], %s::text[])", names, descriptions):
            done.append("changed the lists")
        allow = [{key: value for key, value in entry.items() if value} for entry in given["allow"]]
        count = _value(
            database, "SELECT ipban.replace_allow(%s::jsonb, 'inventory', 'ipban_store')", json.dumps(allow)
        )
        if count:
            done.append(f"changed {count} allow entries")
    return done


def _refuse_broken_files(admin: psycopg.Connection[Any]) -> None:
    """A server that was asked to reload broken files goes on with the old ones and says so only here."""
    if not settings()["local"]:
        return
    broken = admin.execute(
        """
        SELECT 'pg_hba.conf, line ' || line_number || ': ' || error
        FROM pg_hba_file_rules WHERE error IS NOT NULL
        UNION ALL
        SELECT sourcefile || ', line ' || sourceline || ': ' || name || ': ' || error
        FROM pg_file_settings WHERE error IS NOT NULL"""
    ).fetchall()
    if broken:
        raise StoreError("; ".join(line for (line,) in broken))


def _patiently() -> psycopg.Connection[Any]:
    deadline = time.monotonic() + (PATIENCE if settings()["local"] else 0)
    while True:
        try:
            return connect_as_admin(None)
        except StoreError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.5)


def _without_password(environment: dict[str, str]) -> str:
    """The administrator's conninfo for an argument list; a password in it goes into the environment."""
    from psycopg.conninfo import conninfo_to_dict, make_conninfo

    parts = {**conninfo_to_dict(secrets()["admin_conninfo"]), "dbname": DATABASE}
    password = parts.pop("password", None)
    if password:
        environment["PGPASSWORD"] = str(password)
    return make_conninfo("", **{key: str(value) for key, value in parts.items()})


def _value(connection: psycopg.Connection[Any], query: str, *arguments: Any) -> Any:
    row = connection.execute(query, arguments).fetchone()
    return row[0] if row else None
