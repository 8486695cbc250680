"""This host's own addresses and default gateways, from rtnetlink (rtnetlink(7))."""

from __future__ import annotations

import socket
import struct
from collections.abc import Iterator

from ipban.netlink import parse

_NETLINK_ROUTE = 0
_REQUEST_DUMP = 0x301
_GET_ADDRESS, _GET_ROUTE = 22, 26
_ERROR, _DONE = 2, 3
_ADDRESS, _LOCAL = 1, 2
_GATEWAY, _MULTIPATH, _VIA = 5, 9, 18
_UNICAST = 1


def own_addresses() -> set[bytes]:
    found: set[bytes] = set()
    for message in _dump(_GET_ADDRESS, struct.pack("=BBBBi", 0, 0, 0, 0, 0)):
        attributes = parse(message, 8)
        # On a point-to-point link the other is the peer's.
        address = attributes.get(_LOCAL) or attributes.get(_ADDRESS)
        if address:
            found.add(address)
    return found


def gateways() -> set[bytes]:
    """The next hops of default routes, in all tables."""
    found: set[bytes] = set()
    for message in _dump(_GET_ROUTE, struct.pack("=BBBBBBBBI", 0, 0, 0, 0, 0, 0, 0, 0, 0)):
        prefix, kind = message[1], message[7]
        if prefix or kind != _UNICAST:
            continue
        attributes = parse(message, 12)
        found |= _next_hop(attributes)
        hops = attributes.get(_MULTIPATH, b"")
        while len(hops) >= 8:
            (length,) = struct.unpack_from("=H", hops)
            if length < 8:
                break
            found |= _next_hop(parse(hops[:length], 8))
            hops = hops[(length + 3) & ~3 :]
    return found


def _next_hop(attributes: dict[int, bytes]) -> set[bytes]:
    # RTA_VIA has the family before the address.
    via = attributes.get(_VIA, b"")[2:]
    return {address for address in (attributes.get(_GATEWAY, b""), via) if len(address) in (4, 16)}


def _dump(command: int, payload: bytes) -> Iterator[bytes]:
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, _NETLINK_ROUTE) as route:
        route.bind((0, 0))
        route.settimeout(5)
        route.send(struct.pack("=IHHII", 16 + len(payload), command, _REQUEST_DUMP, 1, 0) + payload)
        while True:
            datagram = route.recv(1 << 17)
            offset = 0
            while offset + 16 <= len(datagram):
                length, kind = struct.unpack_from("=IH", datagram, offset)
                if kind == _DONE or length < 16:
                    return
                if kind == _ERROR:
                    (code,) = struct.unpack_from("=i", datagram, offset + 16)
                    raise OSError(-code, "rtnetlink refused to answer")
                yield datagram[offset + 16 : offset + length]
                offset += (length + 3) & ~3
