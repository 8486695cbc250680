"""Addresses as the database packs them: 4 or 16 bytes a host, one more for a network's prefix length.

A million of them are 4 MB as bytes and 90 MB as objects of Python; so they stay bytes, and what is done to
many of them is done by slices. Entries are distinct and sorted, so that bytes compare as networks do.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from ipaddress import IPv4Network, IPv6Network
from typing import Union

from ipban.netlink import Buffer

WIDTHS = {4: 4, 6: 16}
Network = Union[IPv4Network, IPv6Network]


def tile(template: bytes, packed: Buffer | memoryview, places: Sequence[int]) -> bytearray:
    """``template`` once for each entry; byte i of an entry goes to ``places[i]`` of its copy."""
    width = len(places)
    stride = len(template)
    tiled = bytearray(template * (len(packed) // width))
    for index, place in enumerate(places):
        tiled[place::stride] = packed[index::width]
    return tiled


def locate(packed: Buffer, entry: bytes) -> tuple[int, bool]:
    """Where ``entry`` is, or belongs, among sorted entries (an offset in bytes), and whether it is there."""
    width = len(entry)
    low, high = 0, len(packed) // width
    while low < high:
        middle = (low + high) // 2
        if packed[middle * width : (middle + 1) * width] < entry:
            low = middle + 1
        else:
            high = middle
    return low * width, packed[low * width : (low + 1) * width] == entry


def entries(packed: Buffer, width: int) -> Iterator[bytes]:
    for offset in range(0, len(packed), width):
        yield bytes(packed[offset : offset + width])


def changed(packed: bytes, width: int, changes: Iterable[tuple[bytes, bool]]) -> bytes:
    """Sorted entries after (entry, present) changes."""
    result = bytearray(packed)
    for entry, present in changes:
        offset, there = locate(result, entry)
        if present and not there:
            result[offset:offset] = entry
        elif there and not present:
            del result[offset : offset + width]
    return bytes(result)


def without(chunk: bytes, unwanted: Sequence[bytes]) -> tuple[bytes, list[bytes]]:
    """Sorted entries without some, and which of those were among them."""
    if not chunk or not unwanted:
        return chunk, []
    width = len(unwanted[0])
    first, last = chunk[:width], chunk[-width:]
    found = [entry for entry in unwanted if first <= entry <= last and locate(chunk, entry)[1]]
    return (changed(chunk, width, ((entry, False) for entry in found)) if found else chunk), found


def pack_network(network: Network) -> bytes:
    return network.network_address.packed + bytes((network.prefixlen,))
