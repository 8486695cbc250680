"""How the command line and the running service of a host find each other: files and a signal.

The service holds a lock for as long as it lives. A request is a file that it takes away; the answer is its
status. A pause is a file with the end of it on the clock that counts since boot, and goes away with a reboot.
"""

from __future__ import annotations

import fcntl
import json
import os
import re
import signal
import time
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ipban.model import AgentError
from ipban.report import write

DIRECTORY = Path("/run/groundwork-ipban")
_DURATION = re.compile(r"(?:(\d+)d)?(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s?)?")


class Control:
    def __init__(self, directory: Path = DIRECTORY, clock: Callable[[], float] | None = None) -> None:
        self._directory = directory
        self._clock = clock or _since_boot
        self._lock: int | None = None

    @property
    def status_file(self) -> Path:
        return self._directory / "status.json"

    def acquire(self) -> bool:
        """Become the one process that changes the kernel's sets; False where another one is."""
        try:
            self._directory.mkdir(mode=0o755, parents=True, exist_ok=True)
            descriptor = os.open(self._directory / "lock", os.O_RDONLY | os.O_CREAT | os.O_CLOEXEC, 0o644)
        except OSError as error:
            raise AgentError(f"{self._directory} can't be used: {error.strerror}") from error
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            return False
        self._lock = descriptor
        return True

    # The service's side.

    def publish(self, status: str) -> None:
        write(self.status_file, status)

    def take_request(self) -> dict[str, Any] | None:
        path = self._directory / "request.json"
        try:
            found = json.loads(path.read_text(encoding="utf-8"))
            path.unlink()
        except FileNotFoundError:
            return None
        except (OSError, ValueError):
            path.unlink(missing_ok=True)
            return None
        return found if isinstance(found, dict) else None

    def pause_left(self) -> float | None:
        """Seconds until a pause ends, infinity for one without end, None where there is none."""
        try:
            until = float((self._directory / "paused").read_text(encoding="ascii"))
        except (OSError, ValueError):
            return None
        left = until - self._clock()
        return left if left > 0 else None

    # The command line's side.

    def status(self) -> dict[str, Any]:
        """Raises :exc:`AgentError` where no service has written one."""
        try:
            found = json.loads(self.status_file.read_text(encoding="utf-8"))
        except FileNotFoundError as error:
            raise AgentError("the service has not written its status yet: is it running?") from error
        except (OSError, ValueError) as error:
            raise AgentError(f"{self.status_file} can't be read: {error}") from error
        return dict(found)

    def running(self) -> bool:
        """Whether the service lives."""
        try:
            descriptor = os.open(self._directory / "lock", os.O_RDONLY | os.O_CLOEXEC)
        except OSError:
            return False
        try:
            fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        finally:
            os.close(descriptor)
        return False

    def request(self, **values: object) -> str:
        """Ask the service for something; the status names the request once it is done."""
        name = uuid.uuid4().hex
        write(self._directory / "request.json", json.dumps({"id": name, **values}))
        os.kill(int(self.status()["pid"]), signal.SIGUSR1)
        return name

    def set_pause(self, seconds: float | None) -> None:
        """Pause for a time, or without end with infinity; None ends it."""
        path = self._directory / "paused"
        if seconds is None:
            path.unlink(missing_ok=True)
        else:
            self._directory.mkdir(mode=0o755, parents=True, exist_ok=True)
            write(path, repr(self._clock() + seconds))


def duration(text: str) -> float:
    """Seconds of ``90``, ``10m``, ``1h30m``; raises :exc:`ValueError`."""
    found = _DURATION.fullmatch(text)
    if not text or not found:
        raise ValueError(f"{text!r} is no duration: must be such as 90, 10m, 1h30m or 2d")
    days, hours, minutes, seconds = (int(part or 0) for part in found.groups())
    total = ((days * 24 + hours) * 60 + minutes) * 60 + seconds
    if not total:
        raise ValueError(f"{text!r} is no duration: must be longer than nothing")
    return float(total)


def _since_boot() -> float:
    return time.clock_gettime(time.CLOCK_BOOTTIME)
