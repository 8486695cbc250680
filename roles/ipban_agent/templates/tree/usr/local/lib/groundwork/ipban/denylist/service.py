"""The running writer: a pass when the database has news, and now and then without."""

from __future__ import annotations

import random
import signal
import socket
import time
from collections.abc import Callable
from types import FrameType

from ipban.denylist.report import metrics
from ipban.denylist.settings import DenylistSettings
from ipban.denylist.writer import Writer
from ipban.listener import Listener
from ipban.log import Log
from ipban.model import AgentError
from ipban.service import Waiter, wait
from ipban.store import PostgresStore

RETRY_AT_MOST = 60.0


class DenylistService:
    def __init__(
        self,
        settings: DenylistSettings,
        writer: Writer,
        store: PostgresStore,
        log: Log,
        *,
        clock: Callable[[], float] = time.monotonic,
        waiter: Waiter = wait,
        jitter: Callable[[float, float], float] = random.uniform,
    ) -> None:
        self._settings = settings
        self._writer = writer
        self._store = store
        self._log = log
        self._clock = clock
        self._wait = waiter
        self._jitter = jitter
        self._listener = (
            Listener(settings.listen, lambda: metrics(writer.report)) if settings.listen else None
        )
        self._due = clock()
        self._not_before = clock()
        self._failures = 0
        self._stopping = False
        self._wake_read, self._wake_write = socket.socketpair()
        self._wake_read.setblocking(False)
        self._wake_write.setblocking(False)

    def run(self) -> None:
        """Until somebody stops it. The list stays where it is."""
        signal.set_wakeup_fd(self._wake_write.fileno())
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._signalled)
        while not self._stopping:
            self.turn()
        self._store.close()
        self._log("notice", "stopped", denylist="stays")

    def turn(self) -> None:
        """Wait for what comes first, then do what is due."""
        database = self._store.fileno()
        descriptors = [self._wake_read.fileno()]
        descriptors += [database] if database is not None else []
        descriptors += [self._listener.fileno()] if self._listener else []
        ready = self._wait(descriptors, max(0.0, self._due - self._clock()))
        if self._listener and self._listener.fileno() in ready:
            self._listener.answer()
        if database is not None and database in ready and self._news():
            # Changes that come close together are one write.
            self._due = min(self._due, max(self._clock(), self._not_before))
        if self._clock() >= self._due and not self._stopping:
            self._pass()

    def _pass(self) -> None:
        try:
            wrote = self._writer.run()
            self._failures = 0
            if wrote:
                self._not_before = self._clock() + self._settings.min_seconds
            pause = self._settings.poll_seconds
        except AgentError:
            # The writer has said what it was.
            self._failures += 1
            pause = min(RETRY_AT_MOST, 2.0 ** min(self._failures, 10))
        self._writer.forget()
        self._due = max(self._not_before, self._clock() + self._jitter(0.8 * pause, 1.2 * pause))

    def _news(self) -> bool:
        try:
            return self._store.notified()
        except AgentError as error:
            self._log("warning", "store_lost", reason=error)
            self._store.close()
            return True

    def _signalled(self, number: int, _frame: FrameType | None) -> None:
        self._stopping = number in (signal.SIGTERM, signal.SIGINT)
