"""A database, a kernel, a clock and a host that do as they are told, for the engine and the service."""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from ipaddress import ip_address, ip_network
from typing import Any

from ipban.backends import HOSTS, NETWORKS, SETS, BackendError, Counter, Delta, SetFull, family_of
from ipban.guards import Protected
from ipban.model import (
    BANNED_SETS,
    READ_ORDER,
    Allowed,
    Change,
    Changes,
    FullLoadNeeded,
    Position,
    StoreError,
    entry_width,
)
from ipban.networks import ranges
from ipban.packed import entries


def named(text: str) -> tuple[str, bytes]:
    """The set and the packed entry of an address or a network."""
    network = ip_network(text)
    address = network.network_address.packed
    if network.prefixlen == network.max_prefixlen:
        return f"hosts{network.version}", address
    return f"networks{network.version}", address + bytes((network.prefixlen,))


def allowed(*networks: str) -> Allowed:
    by_family: dict[int, list[bytes]] = {4: [], 6: []}
    for text in networks:
        network = ip_network(text)
        by_family[network.version].append(network.network_address.packed + bytes((network.prefixlen,)))
    return Allowed({family: b"".join(sorted(found)) for family, found in by_family.items()})


def covers(found: list[tuple[int, int]], address: int) -> bool:
    """Whether one of the ranges (first address, the one behind the last) has the address."""
    return any(start <= address < end for start, end in found)


class Clock:
    """Time stands still until somebody moves it."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class FakeDatabase:
    """Bans with their history, as functions of the real one give it. ``up`` False: nobody answers."""

    def __init__(self) -> None:
        self.banned: set[str] = set()
        self.allow: tuple[str, ...] = ()
        self.history: list[tuple[str, set[str]]] = [(uuid.uuid4().hex, set())]
        self.horizon = 0
        self.up = True
        self.fail: dict[str, Exception] = {}
        self.short = 0
        self.connected = False
        self.calls: list[str] = []
        self.news = False

    @property
    def position(self) -> Position:
        return Position(len(self.history) - 1, self.history[-1][0])

    def change(self, *, ban: Sequence[str] = (), unban: Sequence[str] = ()) -> None:
        self.banned |= set(ban)
        self.banned -= set(unban)
        self.history.append((uuid.uuid4().hex, {*ban, *unban}))
        self.news = self.connected

    def restore_older(self, generation: int, banned: set[str]) -> None:
        del self.history[generation + 1 :]
        self.banned = set(banned)

    # What an agent calls.

    def connect(self) -> None:
        self._call("connect")
        self.connected = True

    def close(self) -> None:
        self.connected = False

    def fileno(self) -> int | None:
        return 100 if self.connected else None

    def notified(self) -> bool:
        if not self.up:
            raise StoreError("wait: the connection was cut")
        news, self.news = self.news, False
        return news

    def addresses(self) -> tuple[bytes, ...]:
        return (b"\x0a\x00\x00\x01",)

    def head(self) -> Position:
        self._call("head")
        return self.position

    def changes(self, since: Position) -> Changes:
        self._call("changes")
        if since.generation < self.horizon:
            raise FullLoadNeeded("behind the horizon")
        if since.generation >= len(self.history) or self.history[since.generation][0] != since.stamp:
            raise FullLoadNeeded("another stamp")
        touched = set().union(*(texts for _, texts in self.history[since.generation + 1 :]))
        found = [Change(*named(text), text in self.banned) for text in sorted(touched)]
        return Changes(self.position, found, allowed(*self.allow))

    @contextmanager
    def full(self) -> Iterator[Any]:
        self._call("full")
        by_name: dict[str, list[bytes]] = {name: [] for name in BANNED_SETS}
        for text in self.banned:
            name, entry = named(text)
            by_name[name].append(entry)
        total = sum(map(len, by_name.values()))
        read = type("Read", (), {})()
        read.position, read.allowed, read.store_addresses = (
            self.position,
            allowed(*self.allow),
            (b"\x0a\x00\x00\x02",),
        )
        read.at_least = read.at_most = total

        def chunks() -> Iterator[tuple[str, bytes]]:
            for name in READ_ORDER:
                rows = sorted(by_name[name])
                for at in range(0, len(rows) - self.short, 3):
                    self._call("chunk")
                    yield name, b"".join(rows[at : min(at + 3, len(rows) - self.short)])

        read.chunks = chunks
        yield read

    def _call(self, name: str) -> None:
        self.calls.append(name)
        if not self.up:
            self.connected = False
            raise StoreError(f"{name}: connection refused")
        if name in self.fail:
            raise self.fail.pop(name)


class FakeKernel:
    """Sets of a backend; ``fail`` names a step that is refused, or at which the process dies."""

    name = "fake"

    def __init__(self) -> None:
        self.sets: dict[str, set[bytes]] = {}
        self.rules = False
        self.is_paused = False
        self.fail: dict[str, BaseException] = {}
        self.room: int | None = None
        self.loads = 0
        self.counts_known = True
        self._seen = False

    def attach(self) -> bool:
        return self.rules and bool(self.sets)

    def ensure(self) -> bool:
        self._step("ensure")
        whole = bool(self.sets)
        if not whole:
            self.sets = {name: set() for name in SETS}
        self.rules = True
        return whole

    def intact(self, *, thorough: bool) -> bool:  # noqa: ARG002  # because the engine calls it so
        return self.rules and bool(self.sets)

    def watch(self, samples: Mapping[str, bytes]) -> None:
        self.watched = dict(samples)

    def begin(self, sizes: Mapping[str, int]) -> FakeLoad:  # noqa: ARG002  # because the engine calls it so
        self._step("begin")
        return FakeLoad(self)

    def apply(self, delta: Delta) -> None:
        self._step("apply")
        for name, come in delta.added.items():
            if self.room is not None and len(self.sets[name] | set(come)) > self.room:
                raise SetFull(f"set {name} is full")
            self.sets[name] |= set(come)
        for name, gone in delta.removed.items():
            self.sets[name] -= set(gone)

    def replace(self, contents: Mapping[str, bytes]) -> None:
        self._step("replace")
        for name, packed in contents.items():
            self.sets[name] = set(entries(packed, _width(name)))

    def counts(self) -> dict[str, int | None]:
        return {name: len(found) if self.counts_known else None for name, found in self.sets.items()}

    def expected_count(self, name: str, packed: bytes) -> int:
        return len(packed) // _width(name)

    def counters(self) -> dict[int, Counter]:
        return {4: Counter(7, 420), 6: Counter()}

    def contains(self, address: bytes) -> tuple[str, ...]:
        family = 4 if len(address) == 4 else 6
        number = int.from_bytes(address, "big")
        found = []
        for name in SETS:
            if family_of(name) != family:
                continue
            if name in HOSTS:
                there = address in self.sets[name]
            else:
                there = covers(ranges(b"".join(sorted(self.sets[name])), family), number)
            if there:
                found.append(name)
        return tuple(found)

    def set_paused(self, paused: bool) -> None:
        self.is_paused = paused

    def paused(self) -> bool:
        return self.is_paused

    def remove(self) -> None:
        self.sets = {}
        self.rules = False

    def drops(self, text: str) -> bool:
        """What packets of an address would meet."""
        if not (self.rules and self.sets):
            return False
        found = self.contains(ip_address(text).packed)
        return bool(found) and not found[0].startswith("allow")

    def _step(self, name: str) -> None:
        if name in self.fail:
            raise self.fail.pop(name)


class FakeLoad:
    def __init__(self, kernel: FakeKernel) -> None:
        self._kernel = kernel
        self._fresh: dict[str, set[bytes]] = {name: set() for name in SETS}
        self.aborted = False

    def add(self, name: str, chunk: bytes) -> None:
        self._kernel._step("add")
        width = entry_width(name) if name in HOSTS else _width(name)
        self._fresh[name] |= set(entries(chunk, width))

    def commit(self) -> None:
        self._kernel._step("commit")
        self._kernel.sets = self._fresh
        self._kernel.loads += 1

    def abort(self) -> None:
        self.aborted = True


def _width(name: str) -> int:
    width = 4 if name.endswith("4") else 16
    return width if name in HOSTS else width + 1


class FakeGuards:
    """Protects the allow list and some addresses."""

    def __init__(self) -> None:
        self.addresses: set[bytes] = set()

    def protected(self, allow: Allowed, store_addresses: Sequence[bytes]) -> Protected:
        found = {
            one
            for family, packed in allow.networks.items()
            for one in entries(packed, 5 if family == 4 else 17)
        }
        for address in (*self.addresses, *store_addresses):
            found.add(address + bytes((8 * len(address),)))
        networks = {
            f"allow{family}": b"".join(sorted(one for one in found if len(one) == width + 1))
            for family, width in ((4, 4), (6, 16))
        }
        hosts = {
            f"hosts{family}": sorted(
                one[:-1] for one in found if len(one) == width + 1 and one[-1] == 8 * width
            )
            for family, width in ((4, 4), (6, 16))
        }
        return Protected(networks, hosts)


class Logged:
    """Collects what is logged."""

    def __init__(self) -> None:
        self.lines: list[tuple[str, str, dict[str, object]]] = []

    def __call__(self, level: str, event: str, **values: object) -> None:
        self.lines.append((level, event, values))

    def events(self) -> list[str]:
        return [event for _, event, _ in self.lines]


class Killed(BaseException):
    """kill -9: nothing after it runs."""


__all__ = [
    "NETWORKS",
    "BackendError",
    "Clock",
    "FakeDatabase",
    "FakeGuards",
    "FakeKernel",
    "Killed",
    "Logged",
    "allowed",
    "named",
]
