"""The repository, by way of restic. Passwords travel in files, never in arguments or environments."""

from __future__ import annotations

import datetime
import hashlib
import json
import os
import re
import subprocess
import tempfile
import time
from collections.abc import Iterator
from typing import Any

from settings import CACHE, FOLDER, STATE, BackupError, now, say, settings, write

MISSING = re.compile(
    r"unable to open config file.*(no such file or directory|does not exist|404|not found|NoSuch)",
    re.IGNORECASE,
)
LOCKED = re.compile(r"(repository is already locked|unable to create lock)", re.IGNORECASE)
WRONG_PASSWORD = re.compile(r"wrong password or no key found", re.IGNORECASE)
MARKER = f"{STATE}/repository.json"


class MissingError(BackupError):
    """The storage answers, and there is no repository."""


class DamagedError(BackupError):
    """The repository was read, and it is not whole."""


class Repository:
    """One repository and this host's snapshots in it."""

    def __init__(self, host: str = "") -> None:
        self.url = str(settings()["url"])
        self.host = host or str(settings()["host"])
        self._unlocked = False

    def run(
        self,
        *arguments: str,
        timeout: float | None = None,
        into: int | Any = subprocess.PIPE,
        ok: tuple[int, ...] = (0,),
    ) -> subprocess.CompletedProcess[str]:
        """One restic, which waits for locks. Raises :exc:`BackupError` with what it said, without secrets."""
        deadline = time.monotonic() + int(settings()["lock_timeout"])
        while True:
            try:
                done = subprocess.run(
                    self.command(*arguments),
                    stdin=subprocess.DEVNULL,
                    stdout=into,
                    stderr=subprocess.PIPE,
                    text=True,
                    errors="surrogateescape",
                    env=self.environment(),
                    check=False,
                    timeout=timeout,
                )
            except subprocess.TimeoutExpired as expired:
                said = expired.stderr or b""
                text = said if isinstance(said, str) else said.decode(errors="replace")
                raise BackupError(
                    f"{self.url} doesn't answer within {timeout:g} s{_because(self.mask(text))}"
                ) from None
            except OSError as error:
                raise BackupError(f"restic can't be started: {error}") from error
            if done.returncode in ok:
                return done
            if not (done.returncode == 11 or LOCKED.search(done.stderr)):
                break
            if not self._unlocked and arguments[0] != "unlock":
                # Takes away what a process that is no more has left, and nothing else.
                self._unlocked = True
                self.run("unlock")
            elif time.monotonic() > deadline:
                raise BackupError(f"{self.url} is locked by another run{_because(self.mask(done.stderr))}")
            else:
                say("Waiting for the repository's lock")
                time.sleep(10)
        raise self._failure(done)

    def stream(self, *arguments: str) -> Iterator[str]:
        with subprocess.Popen(
            self.command(*arguments),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            errors="surrogateescape",
            env=self.environment(),
        ) as process:
            assert process.stdout is not None  # noqa: S101 - for the type checker
            yield from process.stdout

    def _failure(self, done: subprocess.CompletedProcess[str]) -> BackupError:
        said = self.mask(done.stderr)
        if done.returncode == 12 or WRONG_PASSWORD.search(said):
            return BackupError(f"{self.url} refuses the password: it has no key for it")
        if done.returncode == 10 or MISSING.search(said):
            return MissingError(f"{self.url} has no repository")
        return BackupError(f"restic failed with exit status {done.returncode}{_because(said)}")

    def open(self) -> str:
        """The repository's ID. Raises :exc:`MissingError`, or :exc:`BackupError` for another reason."""
        try:
            done = self.run("cat", "config", timeout=float(settings()["connect_timeout"]))
        except MissingError:
            raise
        except BackupError as failure:
            if "refuses the password" in str(failure):
                raise
            raise BackupError(f"the repository can't be reached: {failure}") from None
        found = str(json.loads(done.stdout)["id"])
        known = self._known()
        if known and known != found:
            raise BackupError(
                f"{self.url} is another repository ({found[:8]}) than the one that was there ({known[:8]}). "
                f"If that is right, remove {MARKER}"
            )
        return found

    def ensure(self) -> None:
        """Open it, and make it only when the storage says that there is none and never was one."""
        try:
            found = self.open()
        except MissingError:
            if self._known():
                raise BackupError(
                    f"{self.url} has no repository any more: is its file system mounted, is it the right "
                    f"storage? If a new one is to be made, remove {MARKER}"
                ) from None
            self.run("init")
            found = self.open()
            say(f"Made the repository {found[:8]} at {self.url}")
        if self._known() != found:
            write(MARKER, json.dumps({"url": self._digest(), "id": found, "since": now()}) + "\n")

    def snapshots(self, job: str = "", any_host: bool = False) -> list[dict[str, Any]]:
        """Oldest first, each with ``job``."""
        chosen = [] if any_host else ["--host", self.host]
        done = self.run("snapshots", "--json", *chosen, *(["--tag", f"job:{job}"] if job else []))
        found = [
            {**snapshot, "job": tag[len("job:") :]}
            for snapshot in json.loads(done.stdout) or []
            for tag in snapshot.get("tags") or []
            if tag.startswith("job:")
        ]
        return sorted(found, key=lambda snapshot: nanoseconds(snapshot["time"]))

    def check(self, subset: str = "") -> None:
        """Raises :exc:`DamagedError` for an error. ``subset``: ``3/8``, ``5%``, ``2G``, ``100%``, or none."""
        data = [] if not subset else ["--read-data"] if subset == "100%" else ["--read-data-subset", subset]
        self.open()
        try:
            self.run("check", *data)
        except BackupError as failure:
            if "is locked by another run" in str(failure):
                raise
            raise DamagedError(f"the repository is damaged, or can't be read as a whole: {failure}") from None

    def version(self) -> tuple[int, ...]:
        found = re.match(r"restic (\d+)\.(\d+)", self.run("version").stdout)
        return tuple(map(int, found.groups())) if found else (0,)

    def mask(self, text: str) -> str:
        for secret in _secrets():
            text = text.replace(secret, "(secret)")
        return text

    def command(self, *arguments: str) -> list[str]:
        return [str(settings()["restic"]), *settings()["arguments"], *arguments]

    def environment(self) -> dict[str, str]:
        return {
            "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
            "LANG": "C.UTF-8",
            "HOME": STATE,
            "RESTIC_CACHE_DIR": CACHE,
            "RESTIC_PASSWORD_FILE": f"{FOLDER}/password",
            "RESTIC_REPOSITORY_FILE": f"{FOLDER}/repository",
            "RESTIC_PROGRESS_FPS": "0.01",
            **settings()["environment"],
        }

    def _digest(self) -> str:
        return hashlib.sha256(self.url.encode()).hexdigest()

    def _known(self) -> str:
        """The ID of the repository that was at this URL before."""
        try:
            with open(MARKER, encoding="utf-8") as file:
                marker = json.load(file)
        except FileNotFoundError:
            return ""
        except (OSError, ValueError) as error:
            raise BackupError(f"{MARKER} can't be read: {error}") from error
        return str(marker["id"]) if marker.get("url") == self._digest() else ""


def _secrets() -> list[str]:
    found = []
    for name, pattern in (
        ("password", r"(.+)"),
        ("repository", r"//[^/@]*:([^/@]+)@"),
        ("aws", r"secret_access_key *= *(.+)"),
    ):
        try:
            with open(f"{FOLDER}/{name}", encoding="utf-8") as file:
                found += re.findall(pattern, file.read())
        except OSError:
            continue
    return [secret.strip() for secret in found if secret.strip()]


def _because(said: str) -> str:
    lines = [_plain(line.strip()) for line in said.splitlines() if line.strip() and "location?" not in line]
    return f": {' | '.join(lines[-6:])[:1500]}" if lines else ""


def _plain(line: str) -> str:
    """With --json, restic's newer versions wrap errors too."""
    try:
        found = json.loads(line)
    except ValueError:
        return line
    return str(found.get("message", line)) if isinstance(found, dict) else line


def nanoseconds(text: str) -> int:
    """A time of restic's JSON, which has up to nine digits behind the point."""
    found = re.fullmatch(r"(\d+-\d+-\d+T\d+:\d+:\d+)(?:\.(\d{1,9}))?(Z|[+-]\d\d:\d\d)", text)
    if not found:
        raise BackupError(f"{text!r} is no time")
    moment = datetime.datetime.fromisoformat(found[1] + ("+00:00" if found[3] == "Z" else found[3]))
    return int(moment.timestamp()) * 10**9 + int((found[2] or "0").ljust(9, "0"))


def scratch(folder: str, prefix: str = "") -> str:
    """A place of its own for restored data, for root's eyes only."""
    os.makedirs(folder, mode=0o700, exist_ok=True)
    return tempfile.mkdtemp(prefix=prefix, dir=folder)
