"""One line per event on stderr, so that nothing longer than a few seconds is silent."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

STARTED = time.monotonic()
HEARTBEAT = 5.0


def say(message: str) -> None:
    """Print ``message`` with the seconds since the start."""
    print(f"[{time.monotonic() - STARTED:6.1f}s] {message}", file=sys.stderr, flush=True)


@contextmanager
def step(what: str) -> Iterator[None]:
    """Announce ``what``, repeat it every few seconds while it lasts, and tell how long it took."""
    begun = time.monotonic()
    finished = threading.Event()

    def heartbeat() -> None:
        while not finished.wait(HEARTBEAT):
            say(f"{what}: still at it after {time.monotonic() - begun:.0f} s")

    say(what)
    beat = threading.Thread(target=heartbeat, daemon=True)
    beat.start()
    try:
        yield
    finally:
        finished.set()
        beat.join()
    if time.monotonic() - begun >= HEARTBEAT:
        say(f"{what}: done in {time.monotonic() - begun:.0f} s")
