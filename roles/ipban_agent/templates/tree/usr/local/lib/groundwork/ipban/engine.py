"""The engine: what has to be done to the kernel so that it has what the database says.

It fails static. Whatever goes wrong, packets meet the last good sets; a full load is swapped in only when it
is complete and its size is usual, and is thrown away else.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

from ipban import breaker
from ipban.backends import HOSTS, NETWORKS, BackendError, SetFull
from ipban.kernel import Kernel
from ipban.log import Log
from ipban.model import (
    BANNED_SETS,
    AgentError,
    Allowed,
    Change,
    Content,
    FullLoadNeeded,
    FullRead,
    Position,
    Store,
    StoreError,
    entry_width,
)
from ipban.netlink import NetlinkError
from ipban.report import Status
from ipban.settings import Settings
from ipban.statefile import StateError, StateFile


class LimitError(AgentError):
    """The list is larger than this host's settings allow."""


class Engine:
    """Knows at which place in the database's history the kernel is, and how to get on from there."""

    def __init__(
        self,
        settings: Settings,
        store: Store,
        kernel: Kernel,
        state: StateFile,
        log: Log,
        clock: Callable[[], float],
        wall: Callable[[], float],
    ) -> None:
        self._settings = settings
        self._store = store
        self._kernel = kernel
        self._backend = kernel.backend
        self._state = state
        self._log = log
        self._clock = clock
        self._wall = wall
        self.status = Status(backend=kernel.backend.name, lists=sorted({"all", *settings.lists}))
        # Why the next synchronisation has to be a full load; empty when a delta will do.
        self.full_needed = "start"
        # Whether the next change is taken however unusual it is.
        self.accept = False
        self._position: Position | None = None
        self._total: int | None = None
        self._allowed: Allowed | None = None
        self._store_addresses: tuple[bytes, ...] = ()
        self._refused: Position | None = None

    # What is done at the start, and when the kernel has lost something.

    def start(self) -> None:
        """Have sets and rules stand in the kernel, filled from the state file where they have to be."""
        # Sets that are there are the boot's, or an earlier agent's; the database is asked for all of it once.
        if not self._backend.ensure() or not self.remember():
            self.restore()

    def restore(self) -> bool:
        """Fill the kernel's sets from the state file; False where there is none that can be used."""
        try:
            # What was synchronised since the last write is newer than the file.
            self._state.flush()
        except StateError as error:
            self._state_failed(error)
        saved, refused = self._state.read()
        for reason in refused:
            self._log("error", "state_refused", reason=reason)
        if saved is None:
            self._log("warning", "nothing_to_restore")
            return False
        began = self._clock()
        content = saved.merged()
        self._load(content.ordered(), sum(content.sizes().values()), content, None)
        self._taken(content)
        self._up_to_date(content.position)
        seconds = self._clock() - began
        self.status.synced("restore", "ok", seconds)
        position = content.position.generation
        torn = "yes" if saved.torn else None
        self._log("notice", "restored", generation=position, torn=torn, seconds=seconds, **content.sizes())
        if refused:
            self.full_needed = "restored from the previous file"
        elif saved.lists != self._state.lists:
            self.full_needed = "restored with other lists"
        return True

    def remember(self) -> bool:
        """Take from the state file what only it knows: usual size, allow list, where the database is.

        False when the kernel's sets are not those that it tells of.
        """
        saved, refused = self._state.read()
        for reason in refused:
            self._log("error", "state_refused", reason=reason)
        if saved:
            if saved.lists == self._state.lists:
                self._total = sum(saved.content.sizes().values())
            self._allowed = saved.content.allowed
            self._store_addresses = saved.content.store_addresses
        if saved is None:
            return True
        content = saved.merged()
        if not self._kernel.adopt(content):
            return False
        # What packets meet already, as the operator may ask before the database is back.
        self.status.generation, self.status.stamp = content.position.generation, content.position.stamp
        self.status.database = content.sizes()
        return True

    def check_kernel(self, *, thorough: bool) -> None:
        """Repair what somebody else has changed. With the database away the state file has to do."""
        if self._backend.intact(thorough=thorough):
            return
        self.status.repairs += 1
        self._log("warning", "kernel_changed", action="repair")
        whole = self._backend.ensure()
        self._kernel.forget_counts()
        if whole and self._backend.intact(thorough=thorough):
            # Only rules had gone.
            return
        if self._store.fileno() is not None:
            try:
                self.full("the kernel's sets were changed")
                return
            except AgentError as error:
                self.failed(error)
        self.restore()

    def check_counts(self) -> None:
        """Hold the kernel's own counts against what they have to be; ask for a full load if they differ."""
        self.status.kernel, wrong = self._kernel.counts()
        if wrong:
            self.status.mismatches += 1
            self.full_needed = "the kernel's counts differ"
            shown = {name: f"{counted}/{expected}" for name, (counted, expected) in wrong.items()}
            self._log("warning", "count_mismatch", **shown)

    # Synchronisation.

    def sync(self) -> None:
        """Bring the kernel up to the database. Raises :exc:`AgentError`; its sets are good then too."""
        if not self.full_needed and self._position is not None:
            try:
                self._delta(self._position)
                return
            except FullLoadNeeded as error:
                self.full_needed = str(error)
            except SetFull:
                self.full_needed = "a set is full"
            except (BackendError, NetlinkError) as error:
                self._log("error", "kernel_refused", reason=error)
                self._backend.ensure()
                self.full_needed = "the kernel refused a delta"
        self.full(self.full_needed or "asked for")

    def full(self, reason: str) -> None:
        """Load everything beside what is there, and swap. Raises :exc:`AgentError`."""
        began = self._clock()
        self.full_needed = self.full_needed or reason
        if self._refused is not None and not self.accept and self._store.head() == self._refused:
            raise breaker.BreakerOpen(self.status.breaker_open)
        with self._store.full() as read:
            self.status.head = read.position.generation
            if read.position == self._position and self._kernel.countable:
                # The kernel is where the database is: an audit shows whether it had all of it.
                self.check_counts()
            content = Content(
                read.position, {name: [] for name in BANNED_SETS}, read.allowed, read.store_addresses
            )
            self._load(
                self._collected(read, content), read.at_most, content, lambda: self._verify(read, content)
            )
        self._taken(content)
        self._up_to_date(content.position)
        seconds = self._clock() - began
        self.status.synced("full", "ok", seconds)
        position = content.position.generation
        sizes = content.sizes()
        self._log("notice", "full_load", reason=reason, generation=position, seconds=seconds, **sizes)
        try:
            self._state.write(content)
            self._saved()
        except StateError as error:
            self._state_failed(error)

    def _load(
        self,
        chunks: Iterable[tuple[str, bytes]],
        at_most: int,
        content: Content,
        verify: Callable[[], None] | None,
    ) -> None:
        addresses = self._addresses(content.store_addresses)
        self._kernel.load(chunks, at_most, content.allowed, addresses, verify)

    def _collected(self, read: FullRead, content: Content) -> Iterator[tuple[str, bytes]]:
        """The chunks on their way to the kernel, noted in ``content``; too many end it."""
        sizes = dict.fromkeys(BANNED_SETS, 0)
        for name, chunk in read.chunks():
            sizes[name] += len(chunk) // entry_width(name)
            self._limit(sizes)
            content.chunks[name].append(chunk)
            yield name, chunk

    def _verify(self, read: FullRead, content: Content) -> None:
        """Refuse what is not all that the database has, or is unusually much or little."""
        total = sum(content.sizes().values())
        if not read.at_least <= total <= read.at_most:
            counted = " to ".join(str(count) for count in sorted({read.at_least, read.at_most}))
            raise StoreError(
                f"full load: the read was short: {total} entries came, the database has {counted}"
            )
        try:
            self._usual(total)
        except breaker.BreakerOpen:
            self._refused = content.position
            raise

    def _delta(self, since: Position) -> None:
        began = self._clock()
        found = self._store.changes(since)
        self.status.head = found.position.generation
        if found.position == since:
            self._up_to_date(since)
            return
        networks = self._kernel.after(found.changes)
        self._limit({name: len(packed) // entry_width(name) for name, packed in networks.items()})
        self._usual_delta(found.changes)
        allowed = found.allowed if found.allowed != self._allowed else None
        if allowed is not None:
            self._allowed = allowed
            self.refresh_guards()
        self._kernel.apply(found.changes, networks)
        self._count(found.changes)
        self._position = found.position
        self._refused = None
        self.status.synced("delta", "ok", self._clock() - began)
        self._up_to_date(found.position)
        self._state.note(found.position, found.changes, allowed)

    def refresh_guards(self) -> None:
        """Protect what has to be protected by now: addresses and sessions come and go."""
        # Without the database's allow list a new set would lack it.
        if self._allowed is not None:
            self._kernel.protect(self._allowed, self._addresses(self._store_addresses))

    def failed(self, error: AgentError) -> None:
        """Note a failure of :meth:`sync`."""
        kind = "full" if self.full_needed else "delta"
        result = "refused" if isinstance(error, (breaker.BreakerOpen, LimitError)) else "failed"
        self.status.synced(kind, result)
        if self.status.error != str(error):
            self._log("error", f"sync_{result}", kind=kind, reason=error)
        self.status.error = str(error)

    def _addresses(self, known: Sequence[bytes]) -> tuple[bytes, ...]:
        return tuple({*known, *self._store.addresses()})

    def _taken(self, content: Content) -> None:
        """Note that the kernel has the content now."""
        self._position = content.position
        self._allowed = content.allowed
        self._store_addresses = content.store_addresses
        self._refused = None
        self.full_needed = ""
        self.status.database = content.sizes()
        self._total = sum(self.status.database.values())

    def _count(self, changes: Sequence[Change]) -> None:
        """What the database has by now; hosts that two sources ban are put right by the next full load."""
        database = self.status.database
        for one in changes:
            if one.name in HOSTS:
                database[one.name] = max(0, database.get(one.name, 0) + (1 if one.banned else -1))
        database.update(self._kernel.network_sizes())
        self._total = sum(database.values())

    def _up_to_date(self, position: Position) -> None:
        self.accept = False
        status = self.status
        status.generation, status.stamp = position.generation, position.stamp
        status.last_sync = self._wall()
        status.breaker_open = status.error = ""
        status.withheld, status.guard_hits = self._kernel.withheld, self._kernel.guard_hits

    # Limits.

    def _limit(self, sizes: Mapping[str, int]) -> None:
        hosts = sum(sizes.get(name, 0) for name in HOSTS)
        if hosts > self._settings.host_limit:
            raise LimitError(f"{hosts} hosts or more are banned, host_limit is {self._settings.host_limit}")
        for name in NETWORKS:
            if sizes.get(name, 0) > self._settings.network_limit:
                limit = self._settings.network_limit
                raise LimitError(f"{sizes[name]} {name} or more are banned, network_limit is {limit}")

    def _usual(self, after: int) -> None:
        if self.accept:
            return
        try:
            breaker.check(self._settings.breaker, self._total, after)
        except breaker.BreakerOpen as error:
            self.status.breaker_open = str(error)
            raise

    def _usual_delta(self, changes: Sequence[Change]) -> None:
        come = sum(one.banned for one in changes)
        hosts = sum(self.status.database.get(name, 0) for name in HOSTS)
        if hosts + come > self._settings.host_limit:
            # Some may be counted twice: the full load knows.
            raise FullLoadNeeded("the delta comes near host_limit")
        if self._total is not None:
            self._usual(self._total + come)
            self._usual(self._total - (len(changes) - come))

    # The state file.

    def save(self) -> None:
        """Append what was noted; write the file anew when too much was appended."""
        try:
            if self._state.outgrown:
                self._state.compact()
            elif self._state.dirty:
                self._state.flush()
            else:
                return
            self._saved()
        except StateError as error:
            self._state_failed(error)

    def _saved(self) -> None:
        self.status.state_saved = self._wall()
        self.status.state_error = ""

    def _state_failed(self, error: StateError) -> None:
        if self.status.state_error != str(error):
            self._log("error", "state_failed", reason=error)
        self.status.state_error = str(error)
