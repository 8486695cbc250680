"""The sets as a table of nf_tables of its own: hashes with a size for hosts, intervals for networks.

A set's name in the kernel ends in ``_a`` or ``_b``. What replaces it is built under the other name, in as
many transactions as it takes; then one transaction points the rules at the new sets and deletes the old.
"""

from __future__ import annotations

import errno
from collections import Counter as Tally
from collections.abc import Iterable, Mapping

from ipban.backends import (
    HOSTS,
    SETS,
    BackendError,
    Counter,
    Delta,
    Load,
    Policy,
    Samples,
    SetFull,
    family_of,
)
from ipban.backends import nft_messages as messages
from ipban.backends import nft_rules as ruleset
from ipban.netlink import NetlinkError, Request, Socket, attributes_of
from ipban.networks import pairs, ranges
from ipban.packed import WIDTHS


def _room(size: int) -> int:
    """Space for what will be banned until the next full load."""
    return size + size // 4 + 65536


class NftBackend:
    name = "nft"

    def __init__(self, policy: Policy) -> None:
        self._policy = policy
        self._socket = Socket()
        self._samples = Samples()
        self._paused = False
        # The generation of nf_tables at which all was as it has to be.
        self._seen: int | None = None
        # The name in the kernel of each set that packets meet.
        self._actual: dict[str, str] = {}

    def attach(self) -> bool:
        self._look()
        return all(name in self._actual for name in self._active)

    def ensure(self) -> bool:
        present = self._look()
        missing = [name for name in self._active if name not in self._actual]
        stale = [name for name in present if name not in self._actual.values()]
        self._actual.update({name: f"{name}_a" for name in missing})
        made = [
            messages.new_table(),
            *ruleset.chains(),
            ruleset.flush(ruleset.CHAIN),
            *(messages.delete_set(name) for name in stale),
            *self._created(dict.fromkeys(missing, 0), self._actual),
            *ruleset.rules(self._policy, self._actual.__getitem__, paused=self._paused),
        ]
        for family in (4, 6):
            made += ruleset.banned_rules(family, self._policy)
        try:
            self._batch(made)
        except BackendError:
            if missing == list(self._active):
                raise
            # Somebody has put another chain or set in our place: begin again from nothing.
            self.remove()
            return self.ensure()
        if missing:
            self._samples.replace({})
        return not missing

    def intact(self, *, thorough: bool) -> bool:  # noqa: ARG002  # because nothing here is dear
        try:
            # Not by listening: with one listener in any namespace the kernel writes a message for each
            # element that anybody adds to a set, and loads take three times as long.
            generation = messages.generation(self._socket)
            if generation is not None and generation == self._seen:
                return True
            referenced, paused, lengths = self._rules()
            wanted = [self._actual[name] for name in self._active]
            if referenced != wanted or paused != self._paused or lengths != self._lengths():
                return False
            if not all(self._has(name, entry) for name, entry in self._samples.items()):
                return False
        except (NetlinkError, KeyError):
            return False
        self._seen = generation
        return True

    def watch(self, samples: Mapping[str, bytes]) -> None:
        self._samples.replace(samples)
        self._seen = None

    def begin(self, sizes: Mapping[str, int]) -> Load:
        return _NftLoad(self, {name: sizes.get(name, 0) for name in self._active})

    def apply(self, delta: Delta) -> None:
        batch: list[Request] = []
        for name, come in delta.added.items():
            batch += self._changes(messages.NEW_ELEMENT, name, come)
        for name, gone in delta.removed.items():
            # To remove what is not there fails the transaction, to add what is there doesn't.
            batch += self._changes(messages.NEW_ELEMENT, name, gone)
            batch += self._changes(messages.DELETE_ELEMENT, name, gone)
        self._batch(batch)
        self._samples.update(delta)

    def replace(self, contents: Mapping[str, bytes]) -> None:
        load = _NftLoad(self, {name: 0 for name in contents if name in self._active})
        try:
            for name, packed in contents.items():
                load.add(name, packed)
            load.commit()
        except BaseException:
            load.abort()
            raise

    def counts(self) -> dict[str, int | None]:
        found: dict[str, int | None] = {}
        for name in self._active:
            try:
                answer = attributes_of(self._socket.ask(messages.get_set(self._actual[name])))
            except NetlinkError as error:
                raise BackendError(str(error)) from error
            # Linux 6.15 and newer.
            count = answer.get(messages.SET_COUNT)
            found[name] = int.from_bytes(count, "big") if count else None
        return found

    def expected_count(self, name: str, packed: bytes) -> int:
        found = ranges(packed, family_of(name))
        # The kernel halves the number of ends; a range up to the last address has one end only.
        open_ended = bool(found) and found[-1][1] == 1 << (8 * WIDTHS[family_of(name)])
        return len(found) - open_ended

    def counters(self) -> dict[int, Counter]:
        try:
            return {
                family: Counter(*ruleset.counter_values(self._socket.ask(ruleset.get_counter(family))))
                for family in self._policy.families
            }
        except NetlinkError as error:
            raise BackendError(str(error)) from error

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
        self._batch(list(ruleset.rules(self._policy, self._actual.__getitem__, paused=paused)))

    def paused(self) -> bool:
        return self._rules()[1]

    def remove(self) -> None:
        # To delete what is not there would fail.
        self._batch([messages.new_table(), messages.delete_table()])
        self._actual = {}
        self._samples.replace({})

    @property
    def _active(self) -> tuple[str, ...]:
        return tuple(name for name in SETS if family_of(name) in self._policy.families)

    def _look(self) -> list[str]:
        """Learn which sets packets meet; the names of all sets that there are."""
        present = self._sets()
        referenced, self._paused, _ignored = self._rules()
        self._actual = {
            name[:-2]: name for name in referenced if name in present and name[:-2] in self._active
        }
        for name in self._active:
            # With rules that were flushed by hand, and no load under way, there is one set only: it is good.
            there = [actual for actual in (f"{name}_a", f"{name}_b") if actual in present]
            if name not in self._actual and len(there) == 1:
                self._actual[name] = there[0]
        return present

    def _lengths(self) -> dict[str, int]:
        """How many rules each chain has to have."""
        wanted = {ruleset.CHAIN: len(self._active) + self._paused}
        for family in (4, 6):
            # The first of the messages empties the chain.
            wanted[ruleset.banned_chain(family)] = len(list(ruleset.banned_rules(family, self._policy))) - 1
        return wanted

    def _sets(self) -> list[str]:
        """The names of all sets in the table."""
        question = messages.list_sets()
        try:
            return [
                attributes_of(body)[messages.SET_NAME].rstrip(b"\0").decode("ascii", "replace")
                for _ignored, body in self._socket.dump(question)
            ]
        except NetlinkError as error:
            if error.errno == errno.ENOENT:
                return []
            raise BackendError(str(error)) from error

    def _rules(self) -> tuple[list[str], bool, dict[str, int]]:
        """What the first chain looks up, in order; whether it lets everything through; rules by chain."""
        try:
            read = [ruleset.looked_up(body) for _ignored, body in self._socket.dump(ruleset.get_rules())]
        except NetlinkError as error:
            if error.errno != errno.ENOENT:
                raise
            read = []
        first = [looked_up for chain, looked_up in read if chain == ruleset.CHAIN]
        return (
            [name for name in first if name],
            first[:1] == [""],
            dict(Tally(chain for chain, _ignored in read)),
        )

    def _has(self, name: str, address: bytes) -> bool:
        try:
            self._socket.ask(messages.get_element(self._actual[name], address))
        except NetlinkError as error:
            if error.errno != errno.ENOENT:
                raise
            return False
        return True

    def _changes(self, command: int, name: str, addresses: list[bytes]) -> Iterable[Request]:
        if name not in self._actual:
            return ()
        return messages.hosts(command, self._actual[name], family_of(name), b"".join(set(addresses)))

    def _created(self, sizes: Mapping[str, int], names: Mapping[str, str]) -> Iterable[Request]:
        for number, (name, size) in enumerate(sizes.items(), 1):
            room = _room(size) if name in HOSTS else None
            yield messages.new_set(names[name], family_of(name), number, size=room)

    def _batch(self, requests: list[Request]) -> None:
        try:
            self._socket.batch(requests)
        except NetlinkError as error:
            if error.errno in (errno.ENFILE, errno.ENOSPC):
                raise SetFull(str(error)) from error
            raise BackendError(str(error)) from error


class _NftLoad:
    """New sets beside those that packets meet, and the transaction that puts them in their place."""

    def __init__(self, backend: NftBackend, sizes: Mapping[str, int]) -> None:
        self._backend = backend
        self._fresh = {
            name: f"{name}_{'b' if backend._actual[name].endswith('_a') else 'a'}" for name in sizes
        }
        self._intervals: dict[str, bytes] = {name: b"" for name in sizes if name not in HOSTS}
        self._samples: dict[str, bytes] = dict(backend._samples.items())
        present = backend._sets()
        backend._batch(
            [
                *(messages.delete_set(name) for name in self._fresh.values() if name in present),
                *backend._created(sizes, self._fresh),
            ]
        )

    def add(self, name: str, chunk: bytes) -> None:
        if name in self._intervals:
            self._intervals[name] += chunk
        elif name in self._fresh and chunk:
            family = family_of(name)
            self._samples[name] = chunk[: WIDTHS[family]]
            self._backend._batch(list(messages.hosts(messages.NEW_ELEMENT, self._fresh[name], family, chunk)))

    def commit(self) -> None:
        backend = self._backend
        for name, packed in self._intervals.items():
            family = family_of(name)
            found = pairs(ranges(packed, family), family)
            self._samples.pop(name, None)
            if found:
                self._samples[name] = found[: WIDTHS[family]]
                backend._batch(list(messages.ranges(self._fresh[name], family, found)))
        after = {**backend._actual, **self._fresh}
        backend._batch(
            [
                *ruleset.rules(backend._policy, after.__getitem__, paused=backend._paused),
                *(messages.delete_set(backend._actual[name]) for name in self._fresh),
            ]
        )
        backend._actual = after
        backend._samples.replace(self._samples)

    def abort(self) -> None:
        try:
            present = self._backend._sets()
            doomed = [name for name in self._fresh.values() if name in present]
            if doomed and not set(doomed) & set(self._backend._actual.values()):
                self._backend._batch([messages.delete_set(name) for name in doomed])
        except (BackendError, NetlinkError):
            # The next load begins by removing them.
            pass
