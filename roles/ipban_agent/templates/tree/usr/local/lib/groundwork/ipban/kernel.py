"""What the kernel's sets hold: the bans as far as nothing protects them, and what is protected."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import chain
from typing import Protocol

from ipban.backends import HOSTS, NETWORKS, Backend, Delta, family_of
from ipban.guards import Protected
from ipban.model import READ_ORDER, Allowed, Change, Content, entry_width
from ipban.packed import WIDTHS, changed, without

# Some may be protected, and so not be there.
_CANDIDATES = 8


class Protection(Protocol):
    def protected(self, allowed: Allowed, store_addresses: Sequence[bytes]) -> Protected:
        """What is not to be dropped at present."""


class Kernel:
    """Hosts live in the kernel only; networks, which are few, are known here too."""

    def __init__(self, backend: Backend, guards: Protection, families: Sequence[int] = (4, 6)) -> None:
        self.backend = backend
        self.guard_hits = 0
        self._guards = guards
        self._families = families
        self._protected = Protected()
        self._networks: dict[str, bytes] = dict.fromkeys(NETWORKS, b"")
        self._withheld: dict[str, set[bytes]] = {name: set() for name in HOSTS}
        # What has to be counted; None after a delta, which may have named what was there already.
        self._expected: dict[str, int] | None = None

    @property
    def withheld(self) -> int:
        """How many banned hosts are kept out because they are protected."""
        return sum(map(len, self._withheld.values()))

    def network_sizes(self) -> dict[str, int]:
        return {name: len(packed) // entry_width(name) for name, packed in self._networks.items()}

    def load(
        self,
        chunks: Iterable[tuple[str, bytes]],
        at_most: int,
        allowed: Allowed,
        store_addresses: Sequence[bytes],
        verify: Callable[[], None] | None,
    ) -> None:
        """Fill new sets, with ``at_most`` entries, as chunks come in READ_ORDER, and swap them in.

        ``verify`` may refuse it by raising until the last moment, and so may ``chunks``.
        """
        protected = self._guards.protected(allowed, store_addresses)
        sizes = dict.fromkeys(READ_ORDER, 0)
        withheld: dict[str, set[bytes]] = {name: set() for name in HOSTS}
        networks = dict.fromkeys(NETWORKS, b"")
        stream = iter(chunks)
        early = list(_until_last(stream))
        load = self.backend.begin(_rooms(early, at_most))
        try:
            for name, chunk in chain(early, stream):
                sizes[name] += len(chunk) // entry_width(name)
                if name in NETWORKS:
                    networks[name] += chunk
                    continue
                kept, kept_out = without(chunk, protected.hosts.get(name, ()))
                withheld[name].update(kept_out)
                load.add(name, kept)
            for name, packed in {**networks, **protected.networks}.items():
                load.add(name, packed)
            if verify:
                verify()
            load.commit()
        except BaseException:
            load.abort()
            raise
        self._protected, self._withheld, self._networks = protected, withheld, networks
        self.guard_hits += self.withheld
        expected = self.backend.expected_count
        self._expected = {
            **{name: sizes[name] - len(withheld[name]) for name in HOSTS},
            **{name: expected(name, packed) for name, packed in {**networks, **protected.networks}.items()},
        }

    def adopt(self, content: Content) -> bool:
        """Take what an earlier process has left for the content; False when it is not to be found there."""
        samples: dict[str, bytes] = {}
        for name in (*HOSTS, *NETWORKS):
            chunks = content.chunks.get(name, [])
            width = entry_width(name)
            for chunk in chunks[:_CANDIDATES]:
                for at in range(0, min(len(chunk), _CANDIDATES * width), width):
                    address = chunk[at : at + WIDTHS[family_of(name)]]
                    if name not in samples and name in self.backend.contains(address):
                        samples[name] = address
            if chunks and name not in samples and family_of(name) in self._families:
                return False
        self.backend.watch(samples)
        return True

    def after(self, changes: Sequence[Change]) -> dict[str, bytes]:
        """The sets of networks that would be others after changes."""
        by_name: dict[str, list[tuple[bytes, bool]]] = {}
        for one in changes:
            if one.name in NETWORKS:
                by_name.setdefault(one.name, []).append((one.entry, one.banned))
        after = {
            name: changed(self._networks[name], entry_width(name), found) for name, found in by_name.items()
        }
        return {name: packed for name, packed in after.items() if packed != self._networks[name]}

    def apply(self, changes: Sequence[Change], networks: Mapping[str, bytes]) -> None:
        """Make changes in place; ``networks`` is what :meth:`after` has said of them."""
        delta = Delta()
        for one in changes:
            if one.name in NETWORKS:
                continue
            if not one.banned:
                self._withheld[one.name].discard(one.entry)
                delta.removed.setdefault(one.name, []).append(one.entry)
            elif one.entry in self._protected.hosts.get(one.name, ()):
                self._withheld[one.name].add(one.entry)
                self.guard_hits += 1
            else:
                delta.added.setdefault(one.name, []).append(one.entry)
        self._expected = None
        if networks:
            # Who is banned in another way from now on stays banned in between.
            self.backend.apply(Delta(added=delta.added))
            self.backend.replace(networks)
            self._networks.update(networks)
            delta = Delta(removed=delta.removed)
        if delta.added or delta.removed:
            self.backend.apply(delta)

    def protect(self, allowed: Allowed, store_addresses: Sequence[bytes]) -> None:
        """Put into the allow sets what has to be protected by now, and back what was kept out before."""
        protected = self._guards.protected(allowed, store_addresses)
        if protected == self._protected:
            return
        before = self._protected.networks
        self.backend.replace(
            {name: packed for name, packed in protected.networks.items() if packed != before.get(name)}
        )
        released: dict[str, list[bytes]] = {}
        for name, kept_out in self._withheld.items():
            free = sorted(kept_out - set(protected.hosts.get(name, ())))
            if free:
                released[name] = free
        self._expected = None
        if released:
            self.backend.apply(Delta(added=released))
            for name, free in released.items():
                self._withheld[name].difference_update(free)
        self._protected = protected

    def forget_counts(self) -> None:
        """The sets are not what they were."""
        self._expected = None

    def counts(self) -> tuple[dict[str, int], dict[str, tuple[int, int]]]:
        """What the kernel counts, and where it should count something else: (counted, expected) by set."""
        counted = {name: count for name, count in self.backend.counts().items() if count is not None}
        expected, self._expected = self._expected, counted
        if expected is None:
            return counted, {}
        wrong = {
            name: (count, expected[name])
            for name, count in counted.items()
            if expected.get(name, count) != count
        }
        if wrong:
            self._expected = None
        return counted, wrong

    @property
    def countable(self) -> bool:
        """Whether it is known what the kernel should count."""
        return self._expected is not None


def _until_last(stream: Iterator[tuple[str, bytes]]) -> Iterator[tuple[str, bytes]]:
    """Everything up to the first chunk of the set that comes last, which is the largest."""
    for name, chunk in stream:
        yield name, chunk
        if name == READ_ORDER[-1]:
            return


def _rooms(early: Sequence[tuple[str, bytes]], at_most: int) -> dict[str, int]:
    """How many entries each set will have: of the last, all that may be left."""
    rooms = dict.fromkeys(READ_ORDER, 0)
    for name, chunk in early:
        rooms[name] += len(chunk) // entry_width(name)
    last = READ_ORDER[-1]
    if rooms[last]:
        rooms[last] = max(rooms[last], at_most - sum(rooms.values()) + rooms[last])
    return rooms
