"""Paired timings: two things in turn, in one run, so that the machine's mood cancels out."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Paired:
    """Medians in seconds of both sides, and the median of the ratios peer/ours, pair by pair."""

    ours: float
    peer: float
    ratio: float


def paired(ours: Callable[[], object], peer: Callable[[], object], rounds: int = 5) -> Paired:
    """Time both in turn; one uncounted round first (connections, caches)."""
    pairs = [(_seconds(ours), _seconds(peer)) for _ in range(rounds + 1)][1:]
    return Paired(
        statistics.median(mine for mine, _ in pairs),
        statistics.median(theirs for _, theirs in pairs),
        statistics.median(theirs / mine for mine, theirs in pairs),
    )


def _seconds(action: Callable[[], object]) -> float:
    begun = time.monotonic()
    action()
    return time.monotonic() - begun
