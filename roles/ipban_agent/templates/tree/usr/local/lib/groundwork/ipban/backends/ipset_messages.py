"""Messages of ipset, from include/uapi/linux/netfilter/ipset/ip_set.h (protocol 7)."""

from __future__ import annotations

import struct
from collections.abc import Iterator

from ipban.netlink import (
    NESTED,
    NET_BYTEORDER,
    SUBSYSTEM_IPSET,
    Buffer,
    Request,
    attribute,
    be32,
    header,
    nested,
    parse,
    text,
)
from ipban.packed import WIDTHS, tile

CREATE, DESTROY, SWAP, LIST, ADD, DELETE, TEST, HEADER = 2, 3, 6, 7, 9, 10, 11, 12
ERROR_EXIST = 4103
ERROR_FULL = 4352
ERROR_BUSY = 4100

_PROTOCOL = attribute(1, b"\7")
_FAMILIES = {4: 2, 6: 10}
_ADDRESS_KINDS = {4: 1, 6: 2}
_LIST_HEADER = 4
_ELEMENTS_KEY = 24
# The attribute that holds a message's elements has a length of 16 bits.
_ELEMENTS = {4: 4000, 6: 2300}
_NETWORKS = {4: 2600, 6: 1800}


def _request(command: int, *attributes: bytes, family: int = 4, label: str) -> Request:
    payload = header(_FAMILIES[family]) + _PROTOCOL + b"".join(attributes)
    return Request(SUBSYSTEM_IPSET << 8 | command, 0, payload, label)


def create(name: str, family: int, kind: str, size: int, room: int) -> Request:
    """A set of ``hash:ip`` or ``hash:net`` that has its buckets at once, so that it never has to grow."""
    return _request(
        CREATE,
        text(2, name),
        text(3, kind),
        attribute(4, b"\0"),
        attribute(5, bytes((_FAMILIES[family],))),
        nested(7, be32(18 | NET_BYTEORDER, max(1024, size // 2)), be32(19 | NET_BYTEORDER, room)),
        family=family,
        label=f"create set {name}",
    )


def destroy(name: str) -> Request:
    return _request(DESTROY, text(2, name), label=f"destroy set {name}")


def swap(name: str, other: str) -> Request:
    return _request(SWAP, text(2, name), text(3, other), label=f"swap set {name} with {other}")


def read_header(name: str) -> Request:
    return _request(HEADER, text(2, name), label=f"read set {name}")


def list_header(name: str) -> Request:
    return _request(LIST, text(2, name), be32(6 | NET_BYTEORDER, _LIST_HEADER), label=f"count set {name}")


def type_and_family(attributes: dict[int, bytes]) -> tuple[str, int]:
    """Of the answer to :func:`read_header`."""
    families = {value: family for family, value in _FAMILIES.items()}
    kind = attributes.get(3, b"").rstrip(b"\0").decode("ascii", "replace")
    return kind, families.get(attributes.get(5, b"\0")[0], 0)


def element_count(attributes: dict[int, bytes]) -> int:
    """Of the answer to :func:`list_header`."""
    return int.from_bytes(parse(attributes[7]).get(_ELEMENTS_KEY, b""), "big")


def _address(family: int, value: bytes) -> bytes:
    return nested(1, attribute(_ADDRESS_KINDS[family] | NET_BYTEORDER, value))


def _elements(command: int, name: str, family: int, body: Buffer, label: str) -> Request:
    # Many elements come with the number of a line; nothing is made of it here.
    line = be32(9 | NET_BYTEORDER, 1)
    head = header(_FAMILIES[family]) + _PROTOCOL + text(2, name) + line
    payload = head + struct.pack("=HH", len(body) + 4, 8 | NESTED) + body
    return Request(SUBSYSTEM_IPSET << 8 | command, 0, payload, label)


def hosts(command: int, name: str, family: int, packed: Buffer) -> Iterator[Request]:
    """Add or delete hosts; what is there already, or is not there, is no error."""
    width = WIDTHS[family]
    template = nested(7, _address(family, bytes(width)))
    places = range(12, 12 + width)
    step = _ELEMENTS[family] * width
    view = memoryview(packed)
    for offset in range(0, len(packed), step):
        body = tile(template, view[offset : offset + step], places)
        yield _elements(command, name, family, body, f"change hosts of set {name}")


def networks(name: str, family: int, packed: Buffer) -> Iterator[Request]:
    """Add networks."""
    width = WIDTHS[family]
    template = nested(7, _address(family, bytes(width)), attribute(3, b"\0"))
    places = (*range(12, 12 + width), 12 + width + 4)
    step = _NETWORKS[family] * (width + 1)
    view = memoryview(packed)
    for offset in range(0, len(packed), step):
        body = tile(template, view[offset : offset + step], places)
        yield _elements(ADD, name, family, body, f"fill set {name}")


def test(name: str, family: int, address: bytes) -> Request:
    data = nested(7, _address(family, address))
    return _request(TEST, text(2, name), data, family=family, label=f"look up in set {name}")
