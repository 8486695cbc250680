"""What the parts of the agent tell each other."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Protocol

# The sets whose content comes from bans, as the database counts them.
BANNED_SETS = ("hosts4", "networks4", "hosts6", "networks6")
# In a full read the largest set comes last: it is begun when the sizes of the others are known.
READ_ORDER = ("networks4", "networks6", "hosts6", "hosts4")


class AgentError(Exception):
    """Something that the operator must know, in words that need no traceback."""


class StoreError(AgentError):
    """The database is away, or what it says can't be."""


class FullLoadNeeded(AgentError):  # noqa: N818  # because it is an answer, not a fault
    """The way from where the agent stands to the present is not to be had as a delta."""


@dataclass(frozen=True)
class Position:
    """A place in the database's history: its number, and the stamp that tells a restored copy's from it."""

    generation: int
    stamp: str


@dataclass(frozen=True)
class Change:
    """A host or network (packed, in the set ``name``) that is banned now, or is open now."""

    name: str
    entry: bytes
    banned: bool


@dataclass(frozen=True)
class Allowed:
    """The allow list: sorted packed networks by family."""

    networks: Mapping[int, bytes] = field(default_factory=lambda: {4: b"", 6: b""})

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Allowed) and dict(self.networks) == dict(other.networks)

    __hash__ = None  # type: ignore[assignment]


@dataclass(frozen=True)
class Changes:
    """A delta: all that happened up to ``position``."""

    position: Position
    changes: list[Change]
    allowed: Allowed


@dataclass(frozen=True)
class Newest:
    """Distinct bans as packed networks (hosts too), newest first; ``total`` is how many there are at most."""

    position: Position
    banned: list[bytes]
    allowed: Allowed
    total: int


@dataclass
class Content:
    """All that is banned at ``position``: chunks of sorted packed entries by set, and the allow list."""

    position: Position
    chunks: dict[str, list[bytes]]
    allowed: Allowed
    # Where the database was reached: kept, so that it can be reached again.
    store_addresses: tuple[bytes, ...] = ()

    def size(self, name: str) -> int:
        """The number of entries of a set."""
        return sum(map(len, self.chunks.get(name, ()))) // entry_width(name)

    def sizes(self) -> dict[str, int]:
        return {name: self.size(name) for name in BANNED_SETS}

    def ordered(self) -> Iterator[tuple[str, bytes]]:
        """The chunks with the names of their sets, as a full read gives them."""
        return ((name, chunk) for name in READ_ORDER for chunk in self.chunks.get(name, ()))


def entry_width(name: str) -> int:
    return (4 if name.endswith("4") else 16) + name.startswith("networks")


class FullRead(Protocol):
    """A full read under way, of one moment."""

    position: Position
    allowed: Allowed
    store_addresses: tuple[bytes, ...]
    # How many entries there are, by what the database has counted on its own.
    at_least: int
    at_most: int

    def chunks(self) -> Iterator[tuple[str, bytes]]:
        """Sets and sorted packed entries, in READ_ORDER. Raises :exc:`StoreError`, in the middle too."""


class Store(Protocol):
    """The database as the engine sees it. All raise :exc:`StoreError`."""

    def connect(self) -> None: ...

    def close(self) -> None: ...

    def fileno(self) -> int | None:
        """Readable when the database has news; None without a connection."""

    def notified(self) -> bool:
        """Whether there was news; takes it."""

    def addresses(self) -> tuple[bytes, ...]:
        """Where the database is, as far as is known."""

    def head(self) -> Position:
        """Where the database is."""

    def changes(self, since: Position) -> Changes:
        """Raises :exc:`FullLoadNeeded`."""

    def full(self) -> AbstractContextManager[FullRead]:
        """Everything as of one moment, for as long as the context lasts."""
