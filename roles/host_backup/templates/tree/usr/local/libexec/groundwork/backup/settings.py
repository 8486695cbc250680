"""What the role has laid down about this host's backups, and what all parts of the program share."""

from __future__ import annotations

import contextlib
import fcntl
import functools
import json
import os
import time
from collections.abc import Iterator
from typing import Any

FOLDER = "/etc/groundwork/backup"
DROP_INS = "/etc/groundwork/backup.d"
STATE = "/var/lib/groundwork/backup"
MANIFESTS = f"{STATE}/manifests"
REPORTS = "/var/lib/groundwork/restore_drills"
CACHE = "/var/cache/groundwork-backup"


class BackupError(Exception):
    """Something that the operator must know, in words that need no traceback."""


@functools.lru_cache
def settings() -> dict[str, Any]:
    """``settings.json`` of the role; its keys are those of the template."""
    path = f"{FOLDER}/settings.json"
    try:
        with open(path, encoding="utf-8") as file:
            found = json.load(file)
    except (OSError, ValueError) as error:
        raise BackupError(f"{path} can't be read: {error}") from error
    return dict(found)


def say(message: str) -> None:
    print(message, flush=True)


def now() -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())


def write(path: str, text: str, mode: int = 0o600) -> None:
    """Aside, then renamed: a reader sees the old text or the new one."""
    # Readers of metrics take what ends in .prom only.
    aside = f"{path}.new"
    descriptor = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode)
    with open(descriptor, "w", encoding="utf-8") as file:
        os.fchmod(descriptor, mode)
        file.write(text)
        file.flush()
        os.fsync(descriptor)
    os.rename(aside, path)


@contextlib.contextmanager
def alone() -> Iterator[None]:
    """Keep other runs on this host waiting. Raises :exc:`BackupError` for one that takes too long."""
    os.makedirs(MANIFESTS, mode=0o700, exist_ok=True)
    deadline = time.monotonic() + int(settings()["lock_timeout"])
    descriptor = os.open(f"{STATE}/lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    told = False
    try:
        while True:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                holder = os.pread(descriptor, 200, 0).decode(errors="replace").strip()
                if time.monotonic() > deadline:
                    raise BackupError(f"another run holds the lock of this host: {holder}") from None
                if not told:
                    say(f"Waiting for another run: {holder}")
                    told = True
                time.sleep(1)
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"process {os.getpid()} since {now()}\n".encode(), 0)
        yield
    finally:
        os.close(descriptor)
