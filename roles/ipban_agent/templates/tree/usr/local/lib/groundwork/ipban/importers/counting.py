"""Who is found too often in a log: a count for each address within a sliding window."""

from __future__ import annotations

import collections
import re
from typing import Any

from . import networks
from .networks import Network, Ranges, RefusedError
from .settings import Rule

# Networks that one rule remembers; an attack from more of them at once loses the oldest.
REMEMBERED = 100_000


class Counter:
    """One rule at work. Times are seconds since 1970, as the log has them."""

    def __init__(self, rule: Rule, own_networks: Ranges) -> None:
        self.rule = rule
        self.matches = 0
        self._own = own_networks
        self._pattern = re.compile(rule.pattern)
        self._seen: collections.OrderedDict[Network, collections.deque[float]] = collections.OrderedDict()
        self._banned: collections.OrderedDict[Network, float] = collections.OrderedDict()

    def line(self, text: str, at: float) -> str | None:
        """The network to ban because of this line, if any."""
        match = self._pattern.search(text)
        if not match or not match["address"]:
            return None
        try:
            network = networks.around(match["address"], self.rule.prefix4, self.rule.prefix6)
        except RefusedError:
            return None
        if self._own.overlap(network):
            return None
        self.matches += 1
        return self._count(network, at)

    def _count(self, network: Network, at: float) -> str | None:
        if self._banned.get(network, 0) > at:
            return None
        times = self._seen.setdefault(network, collections.deque(maxlen=self.rule.limit))
        times.append(at)
        self._seen.move_to_end(network)
        if len(times) < self.rule.limit or at - times[0] > self.rule.window:
            _shrink(self._seen)
            return None
        del self._seen[network]
        # Until half of the ban has gone: its lines may still be on their way, and a renewal comes in time.
        self._banned[network] = at + self.rule.ban / 2
        self._banned.move_to_end(network)
        _shrink(self._banned)
        return networks.text(network)

    def forget(self, network: str) -> None:
        """The ban did not come about; the next line counts again."""
        self._banned.pop(networks.parse(network), None)


def _shrink(remembered: collections.OrderedDict[Network, Any]) -> None:
    while len(remembered) > REMEMBERED:
        remembered.popitem(last=False)
