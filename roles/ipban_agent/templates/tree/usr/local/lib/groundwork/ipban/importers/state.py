"""The last good state of each feed, and the metrics that are made of all of them."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from .fetch import Validators
from .settings import Settings


@dataclass(frozen=True)
class State:
    """What is known of a feed. Times in seconds since 1970, 0 for never; counts of networks.

    read_as: from where and how the last good list was read; another one says nothing about this feed.
    """

    read_as: str = ""
    etag: str = ""
    last_modified: str = ""
    entries: int = 0
    expires_at: float = 0
    succeeded_at: float = 0
    ran_at: float = 0
    changed: int = 0
    error: str = ""

    @property
    def validators(self) -> Validators:
        return Validators(self.etag, self.last_modified)


class Memory:
    """The folder of one feed's state: ``NAME.json`` and ``NAME.list``."""

    def __init__(self, settings: Settings, name: str) -> None:
        self._state = settings.state_directory / f"{name}.json"
        self._list = settings.state_directory / f"{name}.list"

    def state(self) -> State:
        """What was saved; nothing known when there is nothing, or nothing that can be read."""
        try:
            return State(**json.loads(self._state.read_text()))
        except (OSError, ValueError, TypeError):
            return State()

    def networks(self) -> list[str] | None:
        """The last good list, ``None`` when there is none that is whole."""
        try:
            lines = self._list.read_text().splitlines()
        except (OSError, ValueError):
            return None
        return lines if len(lines) == self.state().entries else None

    def keep(self, state: State, networks: Iterable[str] | None = None) -> None:
        if networks is not None:
            write(self._list, "".join(f"{network}\n" for network in networks))
        write(self._state, json.dumps(asdict(state), indent=2) + "\n")

    def failed(self, error: str, now: float) -> None:
        """Remember the failure beside the last good state."""
        self.keep(replace(self.state(), ran_at=now, error=error))


def write(path: Path, text: str, mode: int = 0o640) -> None:
    """Aside, flushed, then renamed: a reader sees the old text or the new one, whole."""
    aside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with aside.open("w", encoding="utf-8") as file:
            os.fchmod(file.fileno(), mode)
            if os.geteuid() == 0:
                # Root ran it by hand; the service has to read and replace it as well.
                folder = path.parent.stat()
                os.fchown(file.fileno(), folder.st_uid, folder.st_gid)
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        aside.rename(path)
    finally:
        aside.unlink(missing_ok=True)


_METRICS = (
    ("last_run_timestamp_seconds", "ran_at", "When the feed was imported the last time."),
    ("last_success_timestamp_seconds", "succeeded_at", "When an import of the feed succeeded the last time."),
    ("entries", "entries", "Networks in the last good state of the feed."),
    ("last_changed_entries", "changed", "Bans that the last successful import changed."),
)


def write_metrics(settings: Settings) -> None:
    """``groundwork_ipban_import.prom``, anew from the state of every feed."""
    states = {feed.name: Memory(settings, feed.name).state() for feed in settings.feeds}
    lines = []
    for name, key, says in _METRICS:
        full = f"groundwork_ipban_import_{name}"
        lines += [f"# HELP {full} {says}", f"# TYPE {full} gauge"]
        lines += [f'{full}{{feed="{feed}"}} {getattr(state, key)}' for feed, state in states.items()]
    full = "groundwork_ipban_import_last_failed"
    lines += [f"# HELP {full} Whether the last import of the feed failed.", f"# TYPE {full} gauge"]
    lines += [f'{full}{{feed="{feed}"}} {int(bool(state.error))}' for feed, state in states.items()]
    write(settings.textfile_directory / "groundwork_ipban_import.prom", "\n".join(lines) + "\n", 0o644)
