"""Messages of nf_tables, from include/uapi/linux/netfilter/nf_tables.h."""

from __future__ import annotations

import struct
from collections.abc import Iterator

from ipban.netlink import (
    CREATE,
    NESTED,
    SUBSYSTEM_NFTABLES,
    Buffer,
    NetlinkError,
    Request,
    Socket,
    attribute,
    attributes_of,
    be32,
    header,
    nested,
    text,
)
from ipban.packed import WIDTHS, tile

TABLE = "groundwork_ipban"
INET = 1

NEW_TABLE, DELETE_TABLE = 0, 2
NEW_CHAIN = 3
NEW_RULE, GET_RULE, DELETE_RULE = 6, 7, 8
NEW_SET, GET_SET, DELETE_SET = 9, 10, 11
NEW_ELEMENT, GET_ELEMENT, DELETE_ELEMENT = 12, 13, 14
GET_GENERATION = 16
NEW_OBJECT, GET_OBJECT = 18, 19

SET_NAME, SET_COUNT = 2, 20
_SET_INTERVAL = 0x4
_ELEMENT_INTERVAL_END = 0x1
# What nft shows these keys as: ipv4_addr and ipv6_addr.
_KEY_TYPES = {4: 7, 6: 8}
# The attribute that holds a message's elements has a length of 16 bits.
_ELEMENTS = {4: 4000, 6: 2300}
_RANGES = {4: 1600, 6: 1000}

_HEADER = header(INET)


def request(command: int, *attributes: bytes, flags: int = 0, label: str) -> Request:
    return Request(SUBSYSTEM_NFTABLES << 8 | command, flags, _HEADER + b"".join(attributes), label)


def new_table() -> Request:
    return request(NEW_TABLE, text(1, TABLE), flags=CREATE, label=f"create table {TABLE}")


def delete_table() -> Request:
    return request(DELETE_TABLE, text(1, TABLE), label=f"delete table {TABLE}")


def get_set(name: str) -> Request:
    return request(GET_SET, text(1, TABLE), text(2, name), label=f"read set {name}")


def list_sets() -> Request:
    return request(GET_SET, text(1, TABLE), label="list the sets")


def new_set(name: str, family: int, number: int, *, size: int | None) -> Request:
    """A hash of hosts with room for ``size``, or with None a set of intervals."""
    return request(
        NEW_SET,
        text(1, TABLE),
        text(SET_NAME, name),
        be32(3, 0 if size else _SET_INTERVAL),
        be32(4, _KEY_TYPES[family]),
        be32(5, WIDTHS[family]),
        be32(10, number),
        nested(9, be32(1, size)) if size else b"",
        flags=CREATE,
        label=f"create set {name}",
    )


def delete_set(name: str) -> Request:
    return request(DELETE_SET, text(1, TABLE), text(SET_NAME, name), label=f"delete set {name}")


def _element(key: bytes, flags: int = 0) -> bytes:
    parts = [nested(1, attribute(1, key))]
    if flags:
        parts.append(be32(3, flags))
    return nested(1, *parts)


def _elements(command: int, name: str, body: Buffer, label: str) -> Request:
    head = _HEADER + text(1, TABLE) + text(2, name) + struct.pack("=HH", len(body) + 4, 3 | NESTED)
    return Request(SUBSYSTEM_NFTABLES << 8 | command, CREATE, head + body, label)


def hosts(command: int, name: str, family: int, packed: Buffer) -> Iterator[Request]:
    """Add (NEW_ELEMENT) or remove (DELETE_ELEMENT) hosts."""
    width = WIDTHS[family]
    template = _element(bytes(width))
    places = range(12, 12 + width)
    step = _ELEMENTS[family] * width
    view = memoryview(packed)
    for offset in range(0, len(packed), step):
        body = tile(template, view[offset : offset + step], places)
        yield _elements(command, name, body, f"change hosts of set {name}")


def ranges(name: str, family: int, pairs: bytes) -> Iterator[Request]:
    """Add ranges of addresses: packed pairs of the first, and of the one behind the last."""
    width = WIDTHS[family]
    if pairs[-width:] == bytes(width):
        # A range that reaches the last address of all has no end.
        yield _elements(NEW_ELEMENT, name, _element(pairs[-2 * width : -width]), f"fill set {name}")
        pairs = pairs[: -2 * width]
    first = _element(bytes(width))
    template = first + _element(bytes(width), _ELEMENT_INTERVAL_END)
    places = (*range(12, 12 + width), *range(len(first) + 12, len(first) + 12 + width))
    step = _RANGES[family] * 2 * width
    view = memoryview(pairs)
    for offset in range(0, len(pairs), step):
        yield _elements(
            NEW_ELEMENT, name, tile(template, view[offset : offset + step], places), f"fill set {name}"
        )


def generation(socket: Socket) -> int | None:
    """How often the tables of this namespace have been changed, by whomever; None without nf_tables."""
    try:
        answer = attributes_of(
            socket.ask(Request(SUBSYSTEM_NFTABLES << 8 | GET_GENERATION, 0, header(0), "ask"))
        )
    except NetlinkError:
        return None
    return int.from_bytes(answer[1], "big")


def get_element(name: str, key: bytes) -> Request:
    return _elements(GET_ELEMENT, name, _element(key), f"look up in set {name}")
