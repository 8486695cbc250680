"""Tracked connections of the tunnels, by netlink: those that are no longer allowed are forgotten.

Facts from include/uapi/linux/netfilter/nfnetlink_conntrack.h and nfnetlink.h. Connections are picked by the
mark that our table gives them, in the kernel, so that those of others cost nothing.
"""

from __future__ import annotations

import errno
import socket
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from wireguard.errors import HubError
from wireguard.table import ALLOWED

_NETFILTER = 12
_GET = (1 << 8) | 1
_DELETE = (1 << 8) | 2
_REQUEST, _ACK, _DUMP = 0x1, 0x4, 0x300
_ERROR, _DONE = 2, 3
_TUPLE_ORIGINAL, _TUPLE_REPLY, _MARK, _MARK_MASK, _ID = 1, 2, 8, 21, 12
_IP, _PROTOCOL = 1, 2
_V4_SOURCE, _V6_SOURCE = 1, 3
_NUMBER, _SOURCE_PORT = 1, 2
_TYPE = 0x3FFF


@dataclass(frozen=True)
class Connection:
    """source: who began it. destination, port: whom it reached, after any translation.

    family, handle: how the kernel knows it.
    """

    source: str
    destination: str
    protocol: int
    port: int | None
    family: int
    handle: bytes


class Table:
    """A connection to the kernel's table; use it as a context."""

    def __init__(self) -> None:
        self._socket = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, _NETFILTER)
        self._socket.bind((0, 0))
        self._sequence = 0

    def __enter__(self) -> Table:
        return self

    def __exit__(self, *_error: object) -> None:
        self._socket.close()

    def purge(self, allowed: Callable[[Connection], bool]) -> int:
        """Forgets all connections of the tunnels that are not allowed; how many they were."""
        doomed = [one for one in self.connections() if not allowed(one)]
        return sum(self._delete(one) for one in doomed)

    def connections(self) -> Iterator[Connection]:
        """All connections that have our mark."""
        mark = struct.pack("!I", ALLOWED)
        for version in (socket.AF_INET, socket.AF_INET6):
            self._send(
                _GET, _REQUEST | _DUMP, version, _attribute(_MARK, mark) + _attribute(_MARK_MASK, mark)
            )
            yield from (_parse(payload, version) for payload in self._answers())

    def _delete(self, one: Connection) -> bool:
        self._send(_DELETE, _REQUEST | _ACK, one.family, one.handle)
        try:
            list(self._answers())
        except OSError as error:
            if error.errno == errno.ENOENT:
                return False
            raise HubError(
                f"a tracked connection of {one.source} can't be forgotten: {error.strerror}"
            ) from error
        return True

    def _send(self, kind: int, flags: int, version: int, attributes: bytes) -> None:
        self._sequence += 1
        payload = struct.pack("=BBH", version, 0, 0) + attributes
        self._socket.send(struct.pack("=IHHII", len(payload) + 16, kind, flags, self._sequence, 0) + payload)

    def _answers(self) -> Iterator[bytes]:
        """What the kernel says to the last request, without headers."""
        while True:
            data = self._socket.recv(1 << 20)
            at = 0
            while at + 16 <= len(data):
                length, kind, _flags, sequence, _port = struct.unpack_from("=IHHII", data, at)
                body = data[at + 16 : at + length]
                at += (length + 3) & ~3
                if sequence != self._sequence:
                    continue
                if kind == _DONE:
                    return
                if kind == _ERROR:
                    (code,) = struct.unpack_from("=i", body)
                    if code:
                        raise OSError(-code, errno.errorcode.get(-code, str(-code)))
                    return
                yield body


def _attribute(kind: int, value: bytes) -> bytes:
    return struct.pack("=HH", len(value) + 4, kind) + value + b"\0" * (-len(value) % 4)


def _attributes(payload: bytes) -> dict[int, bytes]:
    found: dict[int, bytes] = {}
    at = 0
    while at + 4 <= len(payload):
        length, kind = struct.unpack_from("=HH", payload, at)
        if length < 4:
            break
        found[kind & _TYPE] = payload[at + 4 : at + length]
        at += (length + 3) & ~3
    return found


def _parse(body: bytes, version: int) -> Connection:
    found = _attributes(body[4:])
    original, reply = _attributes(found[_TUPLE_ORIGINAL]), _attributes(found[_TUPLE_REPLY])
    # The peer that answers is the real one, whatever was asked for.
    (protocol,) = _attributes(original[_PROTOCOL])[_NUMBER]
    port = _attributes(reply[_PROTOCOL]).get(_SOURCE_PORT)
    handle = _attribute(_TUPLE_ORIGINAL | 0x8000, found[_TUPLE_ORIGINAL])
    if _ID in found:
        handle += _attribute(_ID, found[_ID])
    return Connection(
        _source(original, version),
        _source(reply, version),
        protocol,
        struct.unpack("!H", port)[0] if port else None,
        version,
        handle,
    )


def _source(found: dict[int, bytes], version: int) -> str:
    kind = _V4_SOURCE if version == socket.AF_INET else _V6_SOURCE
    return socket.inet_ntop(version, _attributes(found[_IP])[kind])
