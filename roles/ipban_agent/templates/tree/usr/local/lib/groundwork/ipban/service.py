"""The running agent: when what is due. Waiting and clocks come from outside, so that tests can turn them."""

from __future__ import annotations

import random
import select
import signal
import socket
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from types import FrameType
from typing import Protocol

from ipban.backends import Backend
from ipban.control import Control
from ipban.engine import Engine
from ipban.listener import Listener
from ipban.log import Log
from ipban.model import AgentError, Store
from ipban.notify import Notifier
from ipban.report import metrics, write
from ipban.settings import Settings

# Seconds. To look at the kernel costs microseconds, to look at addresses and sessions a millisecond.
CHECK_EVERY = 1.0
GUARD_EVERY = 5.0
COUNT_EVERY = 300.0
SAVE_EVERY = 5.0
REPORT_EVERY = 30.0
RETRY_AT_MOST = 60.0
# A state file that could not be written is written by a full load, after this time.
REWRITE_AFTER = 300.0
TEXTFILE = "groundwork_ipban.prom"


class Waiter(Protocol):
    def __call__(self, descriptors: Sequence[int], timeout: float) -> Sequence[int]:
        """Wait until a descriptor can be read, or the time is over; those that can."""


def wait(descriptors: Sequence[int], timeout: float) -> Sequence[int]:
    poll = select.poll()
    for descriptor in descriptors:
        poll.register(descriptor, select.POLLIN)
    return [descriptor for descriptor, _ignored in poll.poll(max(0.0, timeout) * 1000)]


class Service:
    def __init__(
        self,
        settings: Settings,
        engine: Engine,
        store: Store,
        backend: Backend,
        control: Control,
        log: Log,
        *,
        clock: Callable[[], float] = time.monotonic,
        waiter: Waiter = wait,
        notifier: Notifier | None = None,
        jitter: Callable[[float, float], float] = random.uniform,
        others: Callable[[], None] = lambda: None,
    ) -> None:
        self._settings = settings
        self._engine = engine
        self._store = store
        self._backend = backend
        self._control = control
        self._log = log
        self._clock = clock
        self._wait = waiter
        self._notifier = notifier or Notifier({})
        self._jitter = jitter
        # Takes away what another backend has left, once this one's sets are full.
        self._others = others
        self._listener = (
            Listener(settings.listen, lambda: metrics(engine.status)) if settings.listen else None
        )
        now = clock()
        self._due = {
            "check": now + CHECK_EVERY,
            "guard": now + GUARD_EVERY,
            "count": now + COUNT_EVERY,
            "save": now + SAVE_EVERY,
            "report": now,
            "sync": now,
            "audit": now + self._spread(settings.audit_seconds),
            "thorough": now + settings.poll_seconds,
        }
        self._failures = 0
        self._request = ""
        self._stopping = False
        self._wake_read, self._wake_write = socket.socketpair()
        self._wake_read.setblocking(False)
        self._wake_write.setblocking(False)

    def run(self) -> None:
        """Until somebody stops it. The sets stay in the kernel."""
        signal.set_wakeup_fd(self._wake_write.fileno())
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1):
            signal.signal(number, self._signalled)
        self.start()
        self._notifier.ready()
        while not self._stopping:
            self.turn()
        self._notifier.stopping()
        self.stop()

    def start(self) -> None:
        try:
            self._engine.start()
        except AgentError as error:
            # Better a service that goes on trying than none.
            self._log("error", "start_failed", reason=error)
        self._pause()
        self._report()

    def stop(self) -> None:
        self._engine.save()
        self._report()
        self._store.close()
        self._log("notice", "stopped", sets="stay")

    def turn(self) -> None:
        """Wait for what comes first, then do all that is due."""
        descriptors = {
            name: descriptor
            for name, descriptor in (
                ("store", self._store.fileno()),
                ("wake", self._wake_read.fileno()),
                ("listener", self._listener.fileno() if self._listener else None),
            )
            if descriptor is not None
        }
        ready = set(self._wait(list(descriptors.values()), self._timeout()))
        came = {name for name, descriptor in descriptors.items() if descriptor in ready}
        try:
            self._do(came)
        except AgentError as error:
            self._log("error", "turn_failed", reason=error)

    def _do(self, came: set[str]) -> None:
        now = self._clock()
        if "wake" in came:
            self._drain_wake()
        if "store" in came and self._news():
            self._due["sync"] = now
        self._pause()
        self._requested()
        if now >= self._due["sync"]:
            self._synchronise()
        if now >= self._due["check"]:
            self._check()
        if now >= self._due["save"]:
            self._due["save"] = self._clock() + SAVE_EVERY
            self._engine.save()
        if now >= self._due["report"]:
            self._report()
        if "listener" in came and self._listener:
            self._listener.answer()
        self._notifier.alive(self._state())

    def _timeout(self) -> float:
        # The others are looked at with one of these.
        first = min(self._due[name] for name in ("sync", "check", "save", "report"))
        if self._notifier.interval is not None:
            first = min(first, self._clock() + self._notifier.interval)
        left = self._control.pause_left()
        if left is not None:
            first = min(first, self._clock() + left)
        return max(0.0, first - self._clock())

    def _spread(self, seconds: float) -> float:
        """Around so many seconds: the hosts of a fleet don't come at once."""
        return self._jitter(0.8 * seconds, 1.2 * seconds)

    def _synchronise(self) -> None:
        now = self._clock()
        engine = self._engine
        if now >= self._due["audit"]:
            engine.full_needed = engine.full_needed or "audit"
        try:
            self._store.connect()
            engine.status.store_up = True
            engine.sync()
            engine.refresh_guards()
            self._failures = 0
            if now >= self._due["audit"]:
                self._due["audit"] = self._clock() + self._spread(self._settings.audit_seconds)
            if engine.status.state_error:
                self._due["audit"] = min(self._due["audit"], self._clock() + REWRITE_AFTER)
            self._others()
        except AgentError as error:
            engine.failed(error)
            self._failures += 1
        engine.status.store_up = self._store.fileno() is not None
        self._due["sync"] = self._clock() + self._pace()
        # What was refused or failed is to be seen at once, and so is that it is over.
        self._due["report"] = min(self._due["report"], self._clock() + 1)
        engine.status.request = self._request

    def _pace(self) -> float:
        if not self._failures:
            return self._spread(self._settings.poll_seconds)
        return self._spread(min(RETRY_AT_MOST, 2.0 ** min(self._failures - 1, 10)))

    def _check(self) -> None:
        now = self._clock()
        self._due["check"] = now + CHECK_EVERY
        thorough = now >= self._due["thorough"]
        if thorough:
            self._due["thorough"] = now + self._settings.poll_seconds
        self._engine.check_kernel(thorough=thorough)
        if now >= self._due["guard"]:
            self._due["guard"] = now + GUARD_EVERY
            self._engine.refresh_guards()
        if now >= self._due["count"]:
            self._due["count"] = now + COUNT_EVERY
            self._engine.check_counts()
            if self._engine.full_needed:
                self._due["sync"] = now

    def _news(self) -> bool:
        try:
            return self._store.notified()
        except AgentError as error:
            self._log("warning", "store_lost", reason=error)
            self._store.close()
            return True

    def _requested(self) -> None:
        request = self._control.take_request()
        if request is None:
            return
        self._request = str(request.get("id", ""))
        if request.get("full"):
            self._engine.full_needed = "asked for"
        self._engine.accept = bool(request.get("accept"))
        if request.get("sync"):
            self._due["sync"] = self._clock()
        else:
            self._engine.status.request = self._request
            self._due["report"] = self._clock()

    def _pause(self) -> None:
        """Do what the pause file says."""
        paused = self._control.pause_left() is not None
        if paused != self._engine.status.paused:
            try:
                self._backend.set_paused(paused)
            except AgentError as error:
                self._log("error", "pause_failed", reason=error)
                return
            self._engine.status.paused = paused
            self._due["report"] = self._clock()
            self._log("notice", "paused" if paused else "resumed")

    def _report(self) -> None:
        self._due["report"] = self._clock() + REPORT_EVERY
        status = self._engine.status
        try:
            status.drops(self._backend.counters())
        except AgentError as error:
            self._log("warning", "counters_failed", reason=error)
        try:
            self._control.publish(status.to_json())
            if self._settings.textfile_directory:
                folder = Path(self._settings.textfile_directory)
                if folder.is_dir():
                    write(folder / TEXTFILE, metrics(status))
        except OSError as error:
            self._log("warning", "report_failed", reason=error)

    def _state(self) -> str:
        status = self._engine.status
        if status.error:
            return status.error[:200]
        return f"generation {status.generation}, {sum(status.database.values())} entries"

    def _signalled(self, number: int, _frame: FrameType | None) -> None:
        if number in (signal.SIGTERM, signal.SIGINT):
            self._stopping = True

    def _drain_wake(self) -> None:
        try:
            while self._wake_read.recv(4096):
                pass
        except BlockingIOError:
            return
