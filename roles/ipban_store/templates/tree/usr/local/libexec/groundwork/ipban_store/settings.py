"""What the role has laid down about the store, how its parts reach the database, and what they share."""

from __future__ import annotations

import functools
import json
import os
import pwd
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import psycopg

FOLDER = "/etc/groundwork/ipban_store"
SHARE = "/usr/local/share/groundwork/ipban"
STATE = "/var/lib/groundwork-ipban-store"
DATABASE = "ipban"
MAINTAINER = "groundwork-ipban-store"
APPLICATION = "groundwork-ipban-store"


class StoreError(Exception):
    """Something that the operator must know, in words that need no traceback."""


@functools.lru_cache
def settings() -> dict[str, Any]:
    """``settings.json`` of the role; its keys are those of the template. Nothing in it is secret."""
    return _read("settings.json")


@functools.lru_cache
def secrets() -> dict[str, Any]:
    """``secrets.json`` of the role, for root alone: logins, and how to reach a server elsewhere."""
    return _read("secrets.json")


def connect_as_admin(database: str | None) -> psycopg.Connection[Any]:
    """A connection in autocommit that may do everything: on this host as the server's own user.

    database: its name, or ``None`` for one that is there before the ban list's.
    """
    if not settings()["local"]:
        return _connect(secrets()["admin_conninfo"], **({"dbname": database} if database else {}))
    # Peer authentication looks at who connects, not at who uses the connection afterwards.
    account = pwd.getpwnam("postgres")
    os.setegid(account.pw_gid)
    os.seteuid(account.pw_uid)
    try:
        return _connect(_local("postgres", database or "postgres"))
    finally:
        os.seteuid(0)
        os.setegid(0)


def connect_as_maintainer() -> psycopg.Connection[Any]:
    """A connection in autocommit for what the timers do, as the user that they run as."""
    if settings()["local"]:
        return _connect(_local(MAINTAINER, DATABASE))
    return _connect(settings()["maintenance_conninfo"], dbname=DATABASE, user=MAINTAINER)


def say(message: str) -> None:
    print(message, flush=True)


def write(path: str, text: str, mode: int) -> None:
    """Aside, then renamed: a reader sees the old text or the new one."""
    aside = f"{path}.new"
    descriptor = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        os.fchmod(descriptor, mode)
        file.write(text)
    Path(aside).rename(path)


def _local(user: str, database: str) -> str:
    return f"host=/run/postgresql port={settings()['port']} user={user} dbname={database}"


def _connect(conninfo: str, **overrides: Any) -> psycopg.Connection[Any]:
    # Not at the top: settings are checked on hosts that do not have the package yet.
    import psycopg

    # The database to begin with may be of any encoding; in SQL_ASCII names would come as bytes.
    given = {"application_name": APPLICATION, "client_encoding": "utf8", "connect_timeout": 10, **overrides}
    try:
        return psycopg.connect(conninfo, autocommit=True, **given)
    except psycopg.Error as error:
        raise StoreError(f"the database server can't be reached: {str(error).strip()}") from error


def _read(name: str) -> dict[str, Any]:
    path = Path(FOLDER, name)
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise StoreError(f"{path} can't be read: {error}") from error
    return dict(found)
