"""Puts the parts together as the settings say."""

from __future__ import annotations

import time
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

from ipban import log
from ipban.backends import Backend, BackendError, Policy, choose
from ipban.engine import Engine
from ipban.guards import Guards
from ipban.kernel import Kernel
from ipban.model import Changes, FullRead, Position, Store, StoreError
from ipban.sessions import Sessions
from ipban.settings import Settings
from ipban.statefile import StateFile


@dataclass(frozen=True)
class Parts:
    engine: Engine
    backend: Backend
    store: Store


class NoStore:
    """For what has to work without the database: restore, test, remove."""

    def connect(self) -> None:
        raise StoreError("there is no database here")

    def close(self) -> None:
        return

    def fileno(self) -> int | None:
        return None

    def notified(self) -> bool:
        return False

    def addresses(self) -> tuple[bytes, ...]:
        return ()

    def head(self) -> Position:
        raise StoreError("there is no database here")

    def changes(self, since: Position) -> Changes:  # noqa: ARG002  # because there is none
        raise StoreError("there is no database here")

    def full(self) -> AbstractContextManager[FullRead]:
        raise StoreError("there is no database here")


def policy(settings: Settings) -> Policy:
    return Policy(
        reject=settings.action == "reject",
        counters=settings.counters,
        log_sample=settings.log_sample,
        families=settings.families,
    )


def backend(settings: Settings) -> Backend:
    return open_backend(choose(settings.backend), policy(settings))


def open_backend(name: str, wanted: Policy) -> Backend:
    # What is not used is not loaded: it would be memory on every host.
    if name == "ipset":
        from ipban.backends.ipset import IpsetBackend

        return IpsetBackend(wanted)
    from ipban.backends.nft import NftBackend

    return NftBackend(wanted)


def remove_other(present: str, wanted: Policy) -> None:
    """Take away what the backend that is not in use has left."""
    other = "nft" if present == "ipset" else "ipset"
    try:
        open_backend(other, wanted).remove()
    except BackendError as error:
        log.to_stderr("warning", "other_backend_stays", backend=other, reason=error)


def store(settings: Settings) -> Store:
    from ipban.store import PostgresStore

    return PostgresStore(settings.store.conninfo, settings.lists)


def parts(settings: Settings, *, with_store: bool = True) -> Parts:
    kernel = backend(settings)
    database: Store = store(settings) if with_store else NoStore()
    guards = Guards(settings.guard, Sessions(time.monotonic).peers, log.to_stderr)
    engine = Engine(
        settings,
        database,
        Kernel(kernel, guards, settings.families),
        StateFile(Path(settings.state_directory), settings.lists),
        log.to_stderr,
        time.monotonic,
        time.time,
    )
    return Parts(engine, kernel, database)
