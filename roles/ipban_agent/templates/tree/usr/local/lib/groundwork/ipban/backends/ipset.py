"""The sets as ipset's: hash:ip for hosts, hash:net for networks, matched by rules of iptables.

What replaces a set is built beside it and swapped in, one set after the other in one message to the kernel.
"""

from __future__ import annotations

import errno
import time
from collections.abc import Mapping

from ipban.backends import (
    ALLOWED,
    HOSTS,
    NETWORKS,
    SETS,
    BackendError,
    Counter,
    Delta,
    Load,
    Policy,
    Samples,
    SetFull,
    family_of,
    iptables,
    nft_messages,
)
from ipban.backends import ipset_messages as messages
from ipban.netlink import NetlinkError, Request, Socket, attributes_of
from ipban.networks import aggregate
from ipban.packed import WIDTHS

NAMES = {
    "hosts4": "groundwork_ban4",
    "hosts6": "groundwork_ban6",
    "networks4": "groundwork_ban4_net",
    "networks6": "groundwork_ban6_net",
    "allow4": "groundwork_allow4",
    "allow6": "groundwork_allow6",
}


def _room(size: int) -> int:
    """Space for what will be banned until the next full load."""
    return size + size // 4 + 65536


def _fresh(name: str) -> str:
    return f"{NAMES[name]}_new"


def _kind(name: str) -> str:
    return "hash:ip" if name in HOSTS else "hash:net"


class IpsetBackend:
    name = "ipset"

    def __init__(self, policy: Policy) -> None:
        self._policy = policy
        self._socket = Socket()
        self._samples = Samples()
        self._paused = False
        self._seen: int | None = None

    def attach(self) -> bool:
        return all(self._header(NAMES[name]) == (_kind(name), family_of(name)) for name in self._active)

    def ensure(self) -> bool:
        whole = True
        for name in self._active:
            found = self._header(NAMES[name])
            if found is not None and found != (_kind(name), family_of(name)):
                raise BackendError(f"set {NAMES[name]} is a {found[0]} of somebody else")
            if found is None:
                whole = False
                self._send([self._create(name, NAMES[name], 0)])
        for family in self._policy.families:
            right, self._paused = iptables.read(family, self._policy, NAMES)
            if not right:
                iptables.write(family, self._policy, NAMES, paused=self._paused)
        if not whole:
            self._samples.replace({})
        return whole

    def intact(self, *, thorough: bool) -> bool:
        try:
            if any(self._header(NAMES[name]) is None for name in self._active):
                return False
            if not all(self._has(name, entry) for name, entry in self._samples.items()):
                return False
            # Debian's iptables writes rules of nf_tables, and every change of those counts up.
            generation = nft_messages.generation(self._socket)
            if generation == self._seen and not thorough:
                return True
            wanted = (True, self._paused)
            for family in self._policy.families:
                if iptables.read(family, self._policy, NAMES) != wanted:
                    return False
        except (NetlinkError, BackendError):
            return False
        self._seen = generation
        return True

    def watch(self, samples: Mapping[str, bytes]) -> None:
        self._samples.replace(samples)
        self._seen = None

    def begin(self, sizes: Mapping[str, int]) -> Load:
        return _IpsetLoad(self, {name: sizes.get(name, 0) for name in self._active})

    def apply(self, delta: Delta) -> None:
        batch: list[Request] = []
        for command, changes in ((messages.ADD, delta.added), (messages.DELETE, delta.removed)):
            for name, addresses in changes.items():
                if name in self._active:
                    batch += messages.hosts(command, NAMES[name], family_of(name), b"".join(addresses))
        self._send(batch)
        self._samples.update(delta)

    def replace(self, contents: Mapping[str, bytes]) -> None:
        load = _IpsetLoad(
            self,
            {
                name: len(packed) // (WIDTHS[family_of(name)] + 1)
                for name, packed in contents.items()
                if name in self._active
            },
        )
        try:
            for name, packed in contents.items():
                load.add(name, packed)
            load.commit()
        except BaseException:
            load.abort()
            raise

    def counts(self) -> dict[str, int | None]:
        return {name: self._count(NAMES[name]) for name in self._active}

    def expected_count(self, name: str, packed: bytes) -> int:
        family = family_of(name)
        return len(aggregate(packed, family)) // (WIDTHS[family] + 1)

    def counters(self) -> dict[int, Counter]:
        return {family: iptables.counter(family, self._policy) for family in self._policy.families}

    def contains(self, address: bytes) -> tuple[str, ...]:
        try:
            return tuple(
                name
                for name in self._active
                if WIDTHS[family_of(name)] == len(address) and self._has(name, address)
            )
        except NetlinkError as error:
            raise BackendError(str(error)) from error

    def set_paused(self, paused: bool) -> None:
        self._paused = paused
        for family in self._policy.families:
            iptables.write(family, self._policy, NAMES, paused=paused)

    def paused(self) -> bool:
        return any(iptables.read(family, self._policy, NAMES)[1] for family in self._policy.families)

    def remove(self) -> None:
        for family in (4, 6):
            iptables.remove(family)
        for name in (*NAMES, *NAMES):
            for actual in (NAMES[name], _fresh(name)):
                self._destroy(actual)
        self._samples.replace({})

    @property
    def _active(self) -> tuple[str, ...]:
        return tuple(name for name in SETS if family_of(name) in self._policy.families)

    def _create(self, name: str, actual: str, size: int) -> Request:
        return messages.create(actual, family_of(name), _kind(name), size, _room(size))

    def _destroy(self, actual: str) -> None:
        """Destroy a set if it is there. Rules that have just been deleted may hold it for a moment."""
        for attempt in range(50):
            if self._header(actual) is None:
                return
            try:
                self._socket.send([messages.destroy(actual)])
            except NetlinkError as error:
                if error.errno != messages.ERROR_BUSY or attempt == 49:
                    raise BackendError(str(error)) from error
                time.sleep(0.05)

    def _header(self, actual: str) -> tuple[str, int] | None:
        try:
            answer = self._socket.ask(messages.read_header(actual))
        except NetlinkError as error:
            if error.errno != errno.ENOENT:
                raise BackendError(str(error)) from error
            return None
        return messages.type_and_family(attributes_of(answer))

    def _count(self, actual: str) -> int:
        try:
            for _ignored, body in self._socket.dump(messages.list_header(actual)):
                return messages.element_count(attributes_of(body))
        except NetlinkError as error:
            raise BackendError(str(error)) from error
        raise BackendError(f"set {actual} was not listed")

    def _has(self, name: str, address: bytes) -> bool:
        try:
            self._socket.send([messages.test(NAMES[name], family_of(name), address)])
        except NetlinkError as error:
            if error.errno != messages.ERROR_EXIST:
                raise
            return False
        return True

    def _send(self, requests: list[Request]) -> None:
        try:
            self._socket.send(requests)
        except NetlinkError as error:
            if error.errno == messages.ERROR_FULL:
                raise SetFull(str(error)) from error
            raise BackendError(str(error)) from error


class _IpsetLoad:
    """New sets beside those that packets meet, and the swaps that put them in their place."""

    def __init__(self, backend: IpsetBackend, sizes: Mapping[str, int]) -> None:
        self._backend = backend
        self._networks: dict[str, bytes] = {name: b"" for name in sizes if name not in HOSTS}
        self._sizes = sizes
        self._samples = dict(backend._samples.items())
        for name in sizes:
            backend._destroy(_fresh(name))
        backend._send([backend._create(name, _fresh(name), sizes[name]) for name in sizes if name in HOSTS])

    def add(self, name: str, chunk: bytes) -> None:
        if name in self._networks:
            self._networks[name] += chunk
        elif name in self._sizes and chunk:
            family = family_of(name)
            self._samples[name] = chunk[: WIDTHS[family]]
            self._backend._send(list(messages.hosts(messages.ADD, _fresh(name), family, chunk)))

    def commit(self) -> None:
        backend = self._backend
        for name, packed in self._networks.items():
            family = family_of(name)
            width = WIDTHS[family]
            whole = aggregate(packed, family)
            self._samples.pop(name, None)
            backend._send([backend._create(name, _fresh(name), len(whole) // (width + 1))])
            if whole:
                self._samples[name] = whole[:width]
                backend._send(list(messages.networks(_fresh(name), family, whole)))
        # What is allowed comes first: nothing of it is dropped in between.
        order = [name for name in (*ALLOWED, *NETWORKS, *HOSTS) if name in self._sizes]
        backend._send([messages.swap(NAMES[name], _fresh(name)) for name in order])
        backend._samples.replace(self._samples)
        for name in order:
            backend._destroy(_fresh(name))

    def abort(self) -> None:
        try:
            for name in self._sizes:
                self._backend._destroy(_fresh(name))
        except (BackendError, NetlinkError):
            # The next load begins by destroying them.
            pass
