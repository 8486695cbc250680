"""New lines of the journal and of log files, as they come."""

from __future__ import annotations

import json
import os
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO

_BLOCK = 1 << 18
# A line that does not end is no line of a log.
_LONGEST = 1 << 16
_PAUSE = 5.0

Line = tuple[str, float]


class Journal:
    """The journal's entries that match, from ``window`` seconds ago on: a restart misses none."""

    def __init__(self, matches: tuple[str, ...], window: int) -> None:
        self._matches = matches
        self._since = time.time() - window
        self._again_at = 0.0
        self._rest = b""
        self._process: subprocess.Popen[bytes] | None = None

    def fileno(self) -> int | None:
        """What becomes readable when there is something new."""
        return self._process.stdout.fileno() if self._process and self._process.stdout else None

    def lines(self) -> Iterator[Line]:
        """What has come since the last call, with its time."""
        if not self._running():
            return
        output = self.fileno()
        assert output is not None  # noqa: S101 - for the type checker: a running process has an output
        while True:
            try:
                block = os.read(output, _BLOCK)
            except BlockingIOError:
                return
            if not block:
                self.close()
                return
            *lines, self._rest = (self._rest + block).split(b"\n")
            for line in lines:
                yield from self._entry(line)

    def _entry(self, line: bytes) -> Iterator[Line]:
        try:
            entry = json.loads(line)
            at = int(entry["__REALTIME_TIMESTAMP"]) / 1e6
            message = entry["MESSAGE"]
        except (ValueError, KeyError, TypeError):
            return
        self._since = max(self._since, at)
        if isinstance(message, list):
            # journalctl's way to tell bytes that are no text.
            message = bytes(message).decode(errors="replace")
        if isinstance(message, str):
            yield message, at

    def _running(self) -> bool:
        if self._process is None and time.monotonic() >= self._again_at:
            self._again_at = time.monotonic() + _PAUSE
            self._process = subprocess.Popen(
                [
                    *("journalctl", "--follow", "--no-tail", "--quiet", "--output=json"),
                    *("--output-fields=MESSAGE", f"--since=@{self._since:.6f}"),
                    *self._matches,
                ],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
            )
            assert self._process.stdout is not None  # noqa: S101 - for the type checker
            os.set_blocking(self._process.stdout.fileno(), False)
        return self._process is not None

    def close(self) -> None:
        if self._process is not None:
            self._process.terminate()
            if self._process.stdout is not None:
                self._process.stdout.close()
            self._process.wait()
            self._process = None
            self._rest = b""


class File:
    """A file that grows, and is replaced or emptied when it is rotated; read from its present end on."""

    def __init__(self, path: str) -> None:
        self._path = Path(path)
        self._file: IO[bytes] | None = None
        self._rest = b""
        self._open(at_end=True)

    def lines(self) -> Iterator[Line]:
        if self._file is None:
            self._open(at_end=False)
        yield from self._read()
        if self._file is not None and self._rotated(self._file):
            # What the writer still put into the old one before it noticed.
            yield from self._read()
            self.close()
            self._open(at_end=False)
            yield from self._read()

    def _read(self) -> Iterator[Line]:
        while self._file is not None and (block := self._file.read(_BLOCK)):
            *lines, self._rest = (self._rest + block).split(b"\n")
            self._rest = self._rest[-_LONGEST:]
            now = time.time()
            for line in lines:
                yield line.decode(errors="replace"), now

    def _rotated(self, file: IO[bytes]) -> bool:
        here = os.fstat(file.fileno())
        if here.st_size < file.tell():
            return True
        try:
            there = self._path.stat()
        except OSError:
            return False
        return (here.st_dev, here.st_ino) != (there.st_dev, there.st_ino)

    def _open(self, at_end: bool) -> None:
        try:
            self._file = self._path.open("rb")
        except OSError:
            return
        self._rest = b""
        if at_end:
            self._file.seek(0, os.SEEK_END)

    def close(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None
