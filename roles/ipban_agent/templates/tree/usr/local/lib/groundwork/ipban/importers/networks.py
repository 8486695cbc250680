"""Addresses and networks as they stand in lists, held against the rules that every ban has to keep.

A network is a tuple ``(family, first, prefix)``: 4 or 6, the first address as a number, the prefix length.
The standard library's ``ipaddress`` takes ten times as long, which counts at a million lines.
"""

from __future__ import annotations

import bisect
import socket
from collections.abc import Iterable

Network = tuple[int, int, int]

BITS = {4: 32, 6: 128}
# What a writer may ban at most; wider bans are an administrator's, with a reason of their own.
WIDEST = {4: 16, 6: 32}

# Nobody on the Internet has these: IANA's special-purpose registries, without what is for documentation.
PRIVATE = (
    "0.0.0.0/8",
    "10.0.0.0/8",
    "100.64.0.0/10",
    "127.0.0.0/8",
    "169.254.0.0/16",
    "172.16.0.0/12",
    "192.0.0.0/24",
    "192.168.0.0/16",
    "198.18.0.0/15",
    "224.0.0.0/3",
    "::/8",
    "100::/64",
    "fc00::/7",
    "fe80::/10",
    "ff00::/8",
)


class RefusedError(Exception):
    """Something was refused and nothing was changed; the message names it and the rule."""


def parse(text: str) -> Network:
    """An address or a network without host bits. Raises :exc:`RefusedError` with text and rule."""
    address, slash, length = text.partition("/")
    family = 6 if ":" in address else 4
    try:
        packed = socket.inet_pton(socket.AF_INET6 if family == 6 else socket.AF_INET, address)
    except (OSError, ValueError):
        raise RefusedError(f"{shown(text)}: must be an IPv4 or IPv6 address or network") from None
    first = int.from_bytes(packed, "big")
    if not slash:
        return family, first, BITS[family]
    if not (length.isascii() and length.isdigit() and str(int(length)) == length):
        raise RefusedError(f"{shown(text)}: the prefix must be a number")
    prefix = int(length)
    if prefix > BITS[family]:
        raise RefusedError(f"{shown(text)}: the prefix must be at most {BITS[family]}")
    if first & ((1 << (BITS[family] - prefix)) - 1):
        raise RefusedError(f"{shown(text)}: must not have host bits set")
    return family, first, prefix


def text(network: Network) -> str:
    """As PostgreSQL and people write it; an address has no prefix."""
    family, first, prefix = network
    kind, size = (socket.AF_INET, 4) if family == 4 else (socket.AF_INET6, 16)
    address = socket.inet_ntop(kind, first.to_bytes(size, "big"))
    return address if prefix == BITS[family] else f"{address}/{prefix}"


def last(network: Network) -> int:
    family, first, prefix = network
    return first + (1 << (BITS[family] - prefix)) - 1


def around(address: str, prefix4: int, prefix6: int) -> Network:
    """The network with these prefixes that an address lies in. Raises :exc:`RefusedError`."""
    family, first, _ignored = parse(address)
    prefix = prefix4 if family == 4 else prefix6
    return family, first >> (BITS[family] - prefix) << (BITS[family] - prefix), prefix


def shown(given: str) -> str:
    """Foreign text, short and on one line."""
    return ascii(given[:60])[1:-1] + ("..." if len(given) > 60 else "")


class Ranges:
    """Networks to look up in: which of them does another one overlap, or lie in?"""

    def __init__(self, networks: Iterable[str]) -> None:
        self._ranges: dict[int, list[tuple[int, int]]] = {4: [], 6: []}
        for network in map(parse, networks):
            self._ranges[network[0]].append((network[1], last(network)))
        for family, found in self._ranges.items():
            self._ranges[family] = _merged(found)

    def overlap(self, network: Network) -> bool:
        ranges, end = self._ranges[network[0]], last(network)
        position = bisect.bisect_right(ranges, (end, end))
        # Ranges are apart from each other: only the last that begins before the end can reach in.
        candidates = ranges[max(position - 1, 0) : position + 1]
        return any(low <= end and high >= network[1] for low, high in candidates)

    def hold(self, network: Network) -> bool:
        """Whether the whole network lies in one of them."""
        end = last(network)
        ranges = self._ranges[network[0]]
        position = bisect.bisect_right(ranges, (network[1], 1 << 128))
        return position > 0 and ranges[position - 1][1] >= end


def _merged(ranges: list[tuple[int, int]]) -> list[tuple[int, int]]:
    merged: list[tuple[int, int]] = []
    for low, high in sorted(ranges):
        if merged and low <= merged[-1][1] + 1:
            merged[-1] = (merged[-1][0], max(high, merged[-1][1]))
        else:
            merged.append((low, high))
    return merged
