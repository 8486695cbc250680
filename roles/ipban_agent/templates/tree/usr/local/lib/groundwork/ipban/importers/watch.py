"""The service that turns lines of logs into bans, batched, and that outlives a store that is away."""

from __future__ import annotations

import datetime
import os
import select
import socket
import time
from collections.abc import Callable, Iterable, Sequence
from typing import Protocol

from . import logs
from .counting import Counter
from .networks import Ranges, RefusedError
from .settings import Settings
from .state import write
from .store import StoreError

_TICK = 0.5
_LONGEST_PAUSE = 30.0
_METRICS_EVERY = 15.0
# Bans that wait for the store; more would say nothing new about the attack.
_WAITING = 100_000


class Bans(Protocol):
    def ban(
        self,
        networks: Sequence[str],
        reason: str,
        source: str,
        list_name: str,
        expires_at: datetime.datetime | None,
    ) -> int: ...


class Watch:
    """All rules of a host. say: where sentences for the operator go."""

    def __init__(self, settings: Settings, store: Bans, say: Callable[[str], None]) -> None:
        own = Ranges(settings.own_networks)
        self._settings = settings
        self._store = store
        self._say = say
        self._counters = [Counter(rule, own) for rule in settings.rules]
        self._bans = dict.fromkeys((rule.name for rule in settings.rules), 0)
        self._waiting: dict[str, dict[str, None]] = {rule.name: {} for rule in settings.rules}
        self._pause = 0.0
        self._again_at = 0.0
        self._metrics_at = 0.0
        journals = {rule.journal for rule in settings.rules if rule.journal}
        self._journals = {
            matches: logs.Journal(matches, max(r.window for r in settings.rules if r.journal == matches))
            for matches in journals
        }
        self._files = {rule.file: logs.File(rule.file) for rule in settings.rules if rule.file}

    def run(self, stop: Callable[[], bool]) -> None:
        notify("READY=1")
        try:
            while not stop():
                self.step()
                notify("WATCHDOG=1")
                outputs = [output for j in self._journals.values() if (output := j.fileno()) is not None]
                select.select(outputs, [], [], _TICK)
        finally:
            for journal in self._journals.values():
                journal.close()
            for file in self._files.values():
                file.close()

    def step(self) -> None:
        """Take what has come, and hand over what is to be banned."""
        for matches, journal in self._journals.items():
            self._take(journal.lines(), [c for c in self._counters if c.rule.journal == matches])
        for path, file in self._files.items():
            self._take(file.lines(), [c for c in self._counters if c.rule.file == path])
        if time.monotonic() >= self._again_at:
            self._hand_over()
        if time.monotonic() >= self._metrics_at:
            self._metrics_at = time.monotonic() + _METRICS_EVERY
            self._write_metrics()

    def _take(self, lines: Iterable[logs.Line], counters: Sequence[Counter]) -> None:
        for text, at in lines:
            for counter in counters:
                network = counter.line(text, at)
                waiting = self._waiting[counter.rule.name]
                if network and len(waiting) < _WAITING:
                    waiting[network] = None

    def _hand_over(self) -> None:
        for counter in self._counters:
            waiting = self._waiting[counter.rule.name]
            if not waiting:
                continue
            try:
                self._ban(counter, list(waiting))
            except StoreError as error:
                self._pause = min(max(2 * self._pause, 1.0), _LONGEST_PAUSE)
                self._again_at = time.monotonic() + self._pause
                self._say(f"{error}; {len(waiting)} bans wait, next try in {self._pause:g} s")
                return
            waiting.clear()
            self._pause = 0.0

    def _ban(self, counter: Counter, networks: list[str]) -> None:
        """All in one call; one by one when the store refuses one of them."""
        rule = counter.rule
        until = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=rule.ban)
        try:
            self._store.ban(networks, rule.reason, rule.source, rule.list, until)
        except RefusedError as refused:
            if len(networks) > 1:
                for network in networks:
                    self._ban(counter, [network])
                return
            self._say(f"rule {rule.name}: {networks[0]} was not banned: {refused}")
            counter.forget(networks[0])
            return
        self._bans[rule.name] += len(networks)
        shown = ", ".join(networks[:10]) + (", ..." if len(networks) > 10 else "")
        self._say(f"rule {rule.name}: banned {shown} ({len(networks)}) for {rule.ban} s")

    def _write_metrics(self) -> None:
        lines = []
        for name, kind, says, values in (
            (
                "matches_total",
                "counter",
                "Lines that matched.",
                {c.rule.name: c.matches for c in self._counters},
            ),
            ("bans_total", "counter", "Networks that were banned.", self._bans),
            (
                "waiting",
                "gauge",
                "Bans that wait for the store.",
                {n: len(w) for n, w in self._waiting.items()},
            ),
        ):
            full = f"groundwork_ipban_watch_{name}"
            lines += [f"# HELP {full} {says}", f"# TYPE {full} {kind}"]
            lines += [f'{full}{{rule="{rule}"}} {value}' for rule, value in values.items()]
        path = self._settings.textfile_directory / "groundwork_ipban_watch.prom"
        try:
            write(path, "\n".join(lines) + "\n", 0o644)
        except OSError as error:
            self._say(f"{path} can't be written: {error}")


def notify(state: str) -> None:
    """Tell systemd, where it asked for it (sd_notify(3))."""
    address = os.environ.get("NOTIFY_SOCKET", "")
    if address:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
            sender.connect("\0" + address[1:] if address.startswith("@") else address)
            sender.send(state.encode())
