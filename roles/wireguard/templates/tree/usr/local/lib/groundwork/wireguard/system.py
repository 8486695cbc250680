"""Other programs, files and kernel settings: all that touches the host, counted."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from wireguard import paths
from wireguard.errors import HubError

calls = 0


def run(argv: Sequence[str], stdin: str | None = None, missing: bool = False) -> str:
    """What a program prints. Raises :exc:`HubError` with its complaint. Secrets go by ``stdin`` only.

    ``missing``: an empty text in place of the error.
    """
    global calls
    calls += 1
    try:
        done = subprocess.run(
            argv,
            input=stdin if stdin is not None else "",
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
            env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C"},
        )
    except FileNotFoundError as error:
        raise HubError(f"{argv[0]} is missing on this host") from error
    except subprocess.TimeoutExpired as error:
        raise HubError(f"{' '.join(argv[:4])} did not end within {error.timeout:.0f} s") from error
    if done.returncode != 0:
        if missing:
            return ""
        said = " ".join((done.stderr or done.stdout).split())[:600]
        raise HubError(f"{' '.join(argv[:4])} failed with {done.returncode}: {said}")
    return done.stdout


def run_bytes(argv: Sequence[str], stdin: bytes) -> bytes:
    """The same for a program that gives no text."""
    global calls
    calls += 1
    try:
        done = subprocess.run(argv, input=stdin, capture_output=True, check=False, timeout=120)
    except FileNotFoundError as error:
        raise HubError(f"{argv[0]} is missing on this host") from error
    if done.returncode != 0:
        said = " ".join(done.stderr.decode(errors="replace").split())[:600]
        raise HubError(f"{argv[0]} failed with {done.returncode}: {said}")
    return done.stdout


def run_json(argv: Sequence[str], missing: bool = False) -> Any:
    """The same for programs that print JSON; nothing printed is an empty list."""
    text = run(argv, missing=missing)
    return json.loads(text) if text.strip() else []


def write(path: Path, text: str, mode: int = 0o600) -> None:
    """Aside, synced, then renamed: after a crash there is the old text or the new one."""
    directory(path.parent)
    descriptor, aside = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            os.fchmod(descriptor, mode)
            file.write(text)
            file.flush()
            os.fsync(descriptor)
        os.rename(aside, path)
    except BaseException:
        os.unlink(aside)
        raise


def directory(path: Path, mode: int = 0o755) -> None:
    """Makes a directory where there is none; its parents are for everybody, whatever the umask."""
    for one in (*reversed(path.parents), path):
        if not one.exists():
            one.mkdir()
            one.chmod(mode if one == path else 0o755)


def read_json(path: Path) -> Any:
    """The content of a file of ours; ``None`` when there is none."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except ValueError as error:
        raise HubError(f"{path} is no JSON: {error}") from error


def read_sysctl(name: str) -> str | None:
    try:
        return paths.sysctl(name).read_text(encoding="ascii").strip()
    except OSError:
        return None


def write_sysctl(name: str, value: str) -> None:
    try:
        paths.sysctl(name).write_text(value, encoding="ascii")
    except OSError as error:
        raise HubError(f"the kernel's setting {name} can't be {value}: {error.strerror}") from error


@contextlib.contextmanager
def alone() -> Iterator[None]:
    """One at a time: the timer and a converge may come together."""
    lock = paths.lock()
    directory(lock.parent)
    with open(lock, "w", encoding="ascii") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
