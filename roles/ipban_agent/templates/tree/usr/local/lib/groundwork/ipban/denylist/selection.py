"""Which bans a deny list of limited size has, as the fewest networks that cover them and no more."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from ipban.networks import Range, networks, ranges
from ipban.packed import WIDTHS, entries

_FAMILIES = {4: socket.AF_INET, 6: socket.AF_INET6}


@dataclass(frozen=True)
class Selection:
    """Networks as ``address/prefix``, IPv4 first, sorted, and how many of the bans they are."""

    networks: tuple[str, ...]
    taken: int


def select(
    newest: Sequence[bytes], protected: Sequence[bytes], fits: Callable[[Sequence[str]], bool]
) -> Selection:
    """As many of the bans as fit, newest first; both are packed networks.

    Not one more might fit than within a hundredth: each trial aggregates all that it has.
    """
    whole = rendered(newest, protected)
    if fits(whole):
        return Selection(tuple(whole), len(newest))
    fitting: list[str] = []
    low, high = 0, len(newest)
    while high - low > max(1, low // 100):
        middle = (low + high) // 2
        tried = rendered(newest[:middle], protected)
        if fits(tried):
            low, fitting = middle, tried
        else:
            high = middle
    return Selection(tuple(fitting), low)


def rendered(banned: Iterable[bytes], protected: Iterable[bytes]) -> list[str]:
    """The fewest networks that cover what is banned without what is protected."""
    found: list[str] = []
    for family, width in WIDTHS.items():
        left = without(_merged(banned, family), _merged(protected, family))
        packed = networks(left, family)
        found += (
            f"{socket.inet_ntop(_FAMILIES[family], entry[:-1])}/{entry[-1]}"
            for entry in entries(packed, width + 1)
        )
    return found


def without(found: Sequence[Range], holes: Sequence[Range]) -> list[Range]:
    """Ranges less others; both are sorted and don't overlap among themselves."""
    left: list[Range] = []
    first = 0
    for start, end in found:
        while first < len(holes) and holes[first][1] <= start:
            first += 1
        at = first
        while at < len(holes) and holes[at][0] < end:
            if holes[at][0] > start:
                left.append((start, holes[at][0]))
            start = max(start, holes[at][1])
            at += 1
        if start < end:
            left.append((start, end))
    return left


def _merged(packed: Iterable[bytes], family: int) -> list[Range]:
    width = WIDTHS[family] + 1
    return ranges(b"".join(sorted({entry for entry in packed if len(entry) == width})), family)
