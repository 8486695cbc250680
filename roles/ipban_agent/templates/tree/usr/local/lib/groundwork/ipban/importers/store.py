"""The store's functions that a writer may call."""

from __future__ import annotations

import datetime
from collections.abc import Callable, Sequence
from typing import Any

from .networks import RefusedError


class StoreError(Exception):
    """The store can't be reached, or failed; trying again later may help."""


class Store:
    """One connection, made when it is needed and again after it broke. actor: who the journal names."""

    def __init__(self, conninfo: str, actor: str, connect: Callable[..., Any] | None = None) -> None:
        self._conninfo = conninfo
        self._actor = actor
        self._connect = connect
        self._connection: Any = None

    def ban(
        self,
        networks: Sequence[str],
        reason: str,
        source: str,
        list_name: str,
        expires_at: datetime.datetime | None,
    ) -> int:
        """The number of bans that changed. Raises :exc:`RefusedError` or :exc:`StoreError`."""
        return self._call(
            "SELECT ipban.ban(networks => %s::text[], reason => %s, source => %s, list => %s,"
            " expires_at => %s, actor => %s)",
            (list(networks), reason, source, list_name, expires_at, self._actor),
        )

    def unban(self, networks: Sequence[str], source: str, list_name: str | None) -> int:
        return self._call(
            "SELECT ipban.unban(networks => %s::text[], source => %s, list => %s, actor => %s)",
            (list(networks), source, list_name, self._actor),
        )

    def replace(
        self,
        networks: Sequence[str],
        source: str,
        list_name: str,
        reason: str,
        expires_at: datetime.datetime | None,
        max_change: float | None,
    ) -> int:
        return self._call(
            "SELECT ipban.replace(networks => %s::text[], source => %s, list => %s, reason => %s,"
            " expires_at => %s, max_change => %s::real, actor => %s)",
            (list(networks), source, list_name, reason, expires_at, max_change, self._actor),
        )

    def _call(self, statement: str, arguments: tuple[Any, ...]) -> int:
        psycopg = _psycopg()
        try:
            if self._connection is None or self._connection.closed:
                connect = self._connect or psycopg.connect
                self._connection = connect(
                    self._conninfo, autocommit=True, application_name="groundwork-ipban-import"
                )
            row = self._connection.execute(statement, arguments).fetchone()
            return int(row[0])
        except psycopg.OperationalError as error:
            self.close()
            raise StoreError(f"the store: {_line(error)}") from error
        except psycopg.Error as error:
            raise RefusedError(f"the store: {_line(error)}") from error

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None


def _line(error: Exception) -> str:
    diagnostic = getattr(error, "diag", None)
    primary = getattr(diagnostic, "message_primary", None)
    return str(primary or str(error).strip().replace("\n", " ") or type(error).__name__)


def _psycopg() -> Any:
    try:
        import psycopg  # type: ignore[import-not-found, unused-ignore]
    except ImportError:
        raise StoreError("psycopg is missing; on Debian it is the package python3-psycopg") from None
    return psycopg
