"""The ban list's database, as an agent reads it."""

from __future__ import annotations

import socket
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Any

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from ipban.full_read import PostgresRead
from ipban.model import (
    Allowed,
    Change,
    Changes,
    FullLoadNeeded,
    FullRead,
    Newest,
    Position,
    StoreError,
)

# A delta of more rows costs more memory and time than a full load.
DELTA_LIMIT = 50_000
_FULL_LOAD_NEEDED = "IB001"
# A database that has gone away without a word is noticed before the service's watchdog is.
_CONNECTION = {
    "connect_timeout": "10",
    "keepalives_idle": "10",
    "keepalives_interval": "5",
    "keepalives_count": "3",
    "tcp_user_timeout": "20000",
    "application_name": "ipban",
}
# Compiling costs these queries more than it saves.
_SESSION = "SET jit = off; SET statement_timeout = '60s'; SET idle_in_transaction_session_timeout = '120s'"
# inet_send() gives family (2 or 3), prefix length, a flag, the number of bytes, and the address.
_ALLOWED = (
    "(SELECT coalesce(string_agg(inet_send(a.network::inet), ''), '') FROM ipban.allowed() AS a (network))"
)
# One statement sees one moment. The last byte of an entry says whether it is banned.
_CHANGES = f"""
SELECT head.generation, head.stamp::text, size.rows, {_ALLOWED},
    CASE WHEN size.rows <= %(limit)s THEN (
        SELECT string_agg(
            inet_send(d.network) || CASE WHEN d.banned THEN '\\x01'::bytea ELSE '\\x00'::bytea END, '')
        FROM ipban.delta(%(since)s, %(stamp)s::uuid, %(lists)s) AS d)
    END
FROM ipban.head() AS head, LATERAL (SELECT ipban.delta_size(%(since)s) AS rows) AS size
"""  # noqa: S608  # because all of it is written here

_NEWEST = f"""
SELECT head.generation, head.stamp::text, {_ALLOWED}, newest.networks, newest.entries, extent.at_most
FROM ipban.head() AS head, ipban.newest(%(lists)s, %(limit)s) AS newest, ipban.extent(%(lists)s) AS extent
"""  # noqa: S608  # because all of it is written here

_MOMENT = f"""
SELECT head.generation, head.stamp::text, {_ALLOWED}, extent.at_least, extent.at_most
FROM ipban.head() AS head, ipban.extent(%s) AS extent
"""  # noqa: S608  # because all of it is written here


@dataclass(frozen=True)
class Covering:
    """A ban or an allow entry that covers an address."""

    kind: str
    network: str
    list: str | None
    source: str | None
    reason: str
    actor: str
    created_at: str
    expires_at: str | None


class PostgresStore:
    def __init__(self, conninfo: str, lists: Sequence[str]) -> None:
        with _reported("store.conninfo"):
            self._parameters: dict[str, Any] = {**_CONNECTION, **conninfo_to_dict(conninfo)}
        self._addresses: tuple[bytes, ...] = ()
        self._lists = sorted(set(lists))
        self._connection: psycopg.Connection[Any] | None = None
        self._news = False

    def connect(self) -> None:
        if self._connection is not None and not self._connection.closed:
            return
        self.close()
        self._addresses = self._resolved()
        with _reported("connect"):
            connection = psycopg.connect(
                make_conninfo("", **self._parameters), autocommit=True, prepare_threshold=1
            )
            self._connection = connection
            connection.add_notify_handler(self._notice)
            connection.execute(_SESSION)
            connection.execute("LISTEN ipban")

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def fileno(self) -> int | None:
        if self._connection is None or self._connection.closed:
            return None
        return int(self._connection.fileno())

    def notified(self) -> bool:
        if self._connection is not None:
            with _reported("wait"), self._lost_closes():
                connection = self._connection.pgconn
                connection.consume_input()
                while connection.notifies():
                    self._news = True
        news, self._news = self._news, False
        return news

    def addresses(self) -> tuple[bytes, ...]:
        return self._addresses

    def head(self) -> Position:
        with _reported("head"), self._lost_closes():
            row = self._live().execute("SELECT generation, stamp::text FROM ipban.head()").fetchone()
        if row is None:
            raise StoreError("head: the database has no generation")
        return Position(*row)

    def changes(self, since: Position) -> Changes:
        values = {"limit": DELTA_LIMIT, "since": since.generation, "stamp": since.stamp, "lists": self._lists}
        with _reported("delta"), self._lost_closes():
            row = self._live().execute(_CHANGES, values, binary=True).fetchone()
        if row is None:
            raise StoreError("delta: the database has no generation")
        generation, stamp, size, allowed, entries = row
        if size > DELTA_LIMIT:
            raise FullLoadNeeded(f"{size} rows have changed, a delta may have {DELTA_LIMIT}")
        found = [
            Change(
                f"{'hosts' if whole else 'networks'}{family}", packed if not whole else packed[:-1], flag == 1
            )
            for family, packed, whole, flag in _sent(entries or b"", 1)
        ]
        return Changes(Position(generation, stamp), found, _allowed(allowed))

    def newest(self, limit: int) -> Newest:
        """At most so many bans, newest first, as of one moment."""
        values = {"lists": self._lists, "limit": limit}
        with _reported("newest"), self._lost_closes():
            row = self._live().execute(_NEWEST, values, binary=True).fetchone()
        if row is None:
            raise StoreError("newest: the database has no generation")
        generation, stamp, allowed, networks, entries, at_most = row
        # What several sources ban comes once, where its newest ban is.
        found = list(dict.fromkeys(packed for _family, packed, _whole, _flag in _sent(networks, 0)))
        total = len(found) if entries < limit else max(len(found), int(at_most))
        return Newest(Position(generation, stamp), found, _allowed(allowed), total)

    @contextmanager
    def full(self) -> Iterator[FullRead]:
        """Everything, as of one moment, in one transaction."""
        with _reported("full load"), self._lost_closes():
            connection = self._live()
            with connection.transaction():
                connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
                row = connection.execute(_MOMENT, (self._lists,), binary=True).fetchone()
                if row is None:
                    raise StoreError("full load: the database has no generation")
                generation, stamp, allowed, at_least, at_most = row
                read = PostgresRead(
                    connection,
                    self._lists,
                    Position(generation, stamp),
                    _allowed(allowed),
                    (int(at_least), int(at_most)),
                    self._reached(connection),
                )
                try:
                    yield read
                finally:
                    read.finish()

    def whois(self, address: str) -> list[Covering]:
        """What covers an address, newest first."""
        with _reported("whois"), self._lost_closes():
            rows = self._live().execute(
                "SELECT kind, network::text, list, source, reason, actor, created_at::text, expires_at::text"
                " FROM ipban.whois(%s)",
                (address,),
            )
            return [Covering(*row) for row in rows]

    def _notice(self, _notification: object) -> None:
        self._news = True

    def _resolved(self) -> tuple[bytes, ...]:
        found: set[bytes] = set()
        for name in ",".join(str(self._parameters.get(key) or "") for key in ("hostaddr", "host")).split(","):
            if name and not name.startswith(("/", "@")):
                try:
                    resolved = socket.getaddrinfo(name, None, type=socket.SOCK_STREAM)
                except OSError:
                    continue
                found.update(ip_address(str(one[4][0]).partition("%")[0]).packed for one in resolved)
        return tuple(sorted(found))

    def _live(self) -> psycopg.Connection[Any]:
        if self._connection is None or self._connection.closed:
            raise StoreError("there is no connection to the database")
        return self._connection

    def _reached(self, connection: psycopg.Connection[Any]) -> tuple[bytes, ...]:
        try:
            reached = connection.pgconn.hostaddr.decode()
        except (psycopg.Error, AttributeError):
            # libpq before version 12 does not tell.
            return ()
        return (ip_address(reached).packed,) if reached else ()

    @contextmanager
    def _lost_closes(self) -> Iterator[None]:
        """After an error the connection is only kept if it still works."""
        try:
            yield
        except BaseException:
            broken = self._connection is not None and (
                self._connection.closed or self._connection.pgconn.transaction_status != 0
            )
            if broken:
                self.close()
            raise


@contextmanager
def _reported(what: str) -> Iterator[None]:
    try:
        yield
    except psycopg.Error as error:
        # A server's refusal without the lines of its functions; a connection's failure has no such thing.
        said = error.diag.message_primary or " ".join(str(error).split())
        if error.sqlstate == _FULL_LOAD_NEEDED:
            raise FullLoadNeeded(said) from error
        raise StoreError(f"{what}: {said or type(error).__name__}") from error


def _sent(buffer: bytes, extra: int) -> Iterator[tuple[int, bytes, bool, int]]:
    """(family, address and prefix length, whether it is a host, what follows) of joined inet_send()."""
    offset = 0
    while offset < len(buffer):
        prefix, width = buffer[offset + 1], buffer[offset + 3]
        start = offset + 4
        offset = start + width
        family = 4 if width == 4 else 6
        packed = buffer[start:offset] + buffer[start - 3 : start - 2]
        yield family, packed, prefix == 8 * width, buffer[offset] if extra else 0
        offset += extra


def _allowed(buffer: bytes) -> Allowed:
    by_family: dict[int, list[bytes]] = {4: [], 6: []}
    for family, packed, _number, _banned in _sent(buffer, 0):
        by_family[family].append(packed)
    return Allowed({family: b"".join(sorted(set(found))) for family, found in by_family.items()})
