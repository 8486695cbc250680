"""Faults on order: the server misbehaves for the requests that were named, and for no others."""

from __future__ import annotations

import re
import threading
from dataclasses import dataclass


@dataclass(frozen=True)
class Fault:
    """What goes wrong, for which requests, and how often.

    status: answered in place of handling the request (429, 502 …); with ``retry_after`` seconds as a header.
    delay: seconds that the request is kept waiting, before it is handled.
    cut: ``before``: the connection ends before the request is handled; ``after``: it was handled, and the
    answer never arrives.
    method, path: for which requests; ``path`` is searched as a regular expression in the path with its query.
    skip: how many of those pass unharmed first. times: how many are hit then; 0 for all.
    """

    status: int = 0
    retry_after: int | None = None
    delay: float = 0
    cut: str = ""
    method: str = ""
    path: str = ""
    skip: int = 0
    times: int = 1

    def matches(self, method: str, path: str) -> bool:
        return (not self.method or self.method == method) and bool(re.search(self.path, path))


class Faults:
    """Those on order. ``hits`` counts what they did."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._orders: list[tuple[Fault, list[int]]] = []
        self.hits = 0

    def add(self, fault: Fault) -> None:
        with self._lock:
            self._orders.append((fault, [0]))

    def clear(self) -> None:
        with self._lock:
            self._orders.clear()

    def take(self, method: str, path: str) -> Fault | None:
        """The fault that this request meets, if any."""
        with self._lock:
            for fault, seen in self._orders:
                if not fault.matches(method, path):
                    continue
                seen[0] += 1
                turn = seen[0] - fault.skip
                if turn >= 1 and (fault.times == 0 or turn <= fault.times):
                    self.hits += 1
                    return fault
            return None
