"""Netlink as far as nf_tables and ipset need it: attributes, messages, batches, and what the kernel answers.

Facts from include/uapi/linux/netlink.h and nfnetlink.h. The kernel handles what is sent before sendmsg()
returns, so all answers are there by then and nothing here ever waits.
"""

from __future__ import annotations

import errno
import os
import socket
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Union

from ipban.model import AgentError

NETLINK_NETFILTER = 12
SUBSYSTEM_IPSET = 6
SUBSYSTEM_NFTABLES = 10

REQUEST = 0x1
ACK = 0x4
DUMP = 0x300
CREATE = 0x400
APPEND = 0x800

NESTED = 0x8000
NET_BYTEORDER = 0x4000
TYPE_MASK = 0x3FFF

_BATCH_BEGIN = 0x10
_BATCH_END = 0x11
_ERROR = 0x2
_DONE = 0x3
_SOL_NETLINK = 270
_CAP_ACK = 10
_EXT_ACK = 11
_SO_SNDBUFFORCE = 32
_SO_RCVBUFFORCE = 33
# A batch is one message to the kernel, however long.
_BUFFER = 64 * 1024 * 1024
_IOV_MAX = 1024

Buffer = Union[bytes, bytearray]


class NetlinkError(AgentError):
    """What the kernel refused: its number in ``errno``, what was asked for and why not in the text."""

    def __init__(self, code: int, said: str) -> None:
        super().__init__(said)
        self.errno = code


@dataclass(frozen=True)
class Request:
    """One message: type with its subsystem, flags, payload (a multiple of four), and its name in errors."""

    kind: int
    flags: int
    payload: Buffer
    label: str


def attribute(kind: int, value: Buffer) -> bytes:
    """An attribute with its padding."""
    return struct.pack("=HH", len(value) + 4, kind) + value + b"\0" * (-len(value) % 4)


def nested(kind: int, *attributes: bytes) -> bytes:
    return attribute(kind | NESTED, b"".join(attributes))


def text(kind: int, value: str) -> bytes:
    return attribute(kind, value.encode("ascii") + b"\0")


def be32(kind: int, value: int) -> bytes:
    return attribute(kind, struct.pack("!I", value))


def be64(kind: int, value: int) -> bytes:
    return attribute(kind, struct.pack("!Q", value))


def header(family: int) -> bytes:
    """The netfilter header that comes before the attributes."""
    return struct.pack("=BBH", family, 0, 0)


def parse(payload: Buffer, offset: int = 0) -> dict[int, bytes]:
    """Attributes by type; of several with one type the last."""
    return dict(parse_all(payload, offset))


def parse_all(payload: Buffer, offset: int = 0) -> Iterator[tuple[int, bytes]]:
    """Attributes in their order. A length that can't be ends it."""
    end = len(payload)
    while offset + 4 <= end:
        length, kind = struct.unpack_from("=HH", payload, offset)
        if length < 4 or offset + length > end:
            return
        yield kind & TYPE_MASK, bytes(payload[offset + 4 : offset + length])
        offset += (length + 3) & ~3


def attributes_of(payload: Buffer) -> dict[int, bytes]:
    """The attributes of a message that begins with a netfilter header."""
    return parse(payload, 4)


class Socket:
    """A connection to netfilter in the kernel. Needs CAP_NET_ADMIN for everything but reading."""

    def __init__(self) -> None:
        self._socket = socket.socket(
            socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, NETLINK_NETFILTER
        )
        self._sequence = 0
        try:
            self._socket.bind((0, 0))
            self._socket.setsockopt(_SOL_NETLINK, _CAP_ACK, 1)
            self._socket.setsockopt(_SOL_NETLINK, _EXT_ACK, 1)
            for forced, plain in ((_SO_SNDBUFFORCE, socket.SO_SNDBUF), (_SO_RCVBUFFORCE, socket.SO_RCVBUF)):
                try:
                    self._socket.setsockopt(socket.SOL_SOCKET, forced, _BUFFER)
                except PermissionError:
                    # Reading works without the capability; a batch that doesn't fit is refused by the kernel.
                    self._socket.setsockopt(socket.SOL_SOCKET, plain, _BUFFER)
        except OSError:
            self._socket.close()
            raise

    def fileno(self) -> int:
        return self._socket.fileno()

    def close(self) -> None:
        self._socket.close()

    def send(self, requests: Sequence[Request]) -> None:
        """Have several messages handled one after the other; those after a refused one are handled too."""
        if requests:
            self._transact(self._framed(requests), requests)

    def batch(self, requests: Sequence[Request]) -> None:
        """Have several messages of nf_tables handled as one transaction: all of it, or nothing."""
        if not requests:
            return
        mark = struct.pack("=BBH", 0, 0, socket.htons(SUBSYSTEM_NFTABLES))
        begin = Request(_BATCH_BEGIN, REQUEST, mark, "the transaction")
        end = Request(_BATCH_END, REQUEST, mark, "the transaction")
        last = requests[-1]
        # An acknowledgement of the last part comes after the commit on every kernel; one of the end does not.
        acked = Request(last.kind, last.flags | ACK, last.payload, last.label)
        whole = [begin, *requests[:-1], acked, end]
        self._transact(self._framed(whole, ack_last=False), whole)

    def dump(self, request: Request) -> Iterator[tuple[int, bytes]]:
        """The answers to a question with many: (message type within the subsystem, payload)."""
        first = self._sequence + 1
        self._ask(request, DUMP)
        # Each receive makes the kernel write the next part: nothing there before the end is an error.
        for kind, sequence, body in self._receive():
            if sequence != first:
                continue
            if kind == _DONE:
                code = struct.unpack_from("=i", body)[0] if len(body) >= 4 else 0
                if code < 0:
                    raise _refusal(request.label, -code, b"")
                return
            if kind == _ERROR:
                self._raise(request.label, body)
                continue
            yield kind & 0xFF, body
        raise NetlinkError(errno.EIO, f"{request.label}: the kernel's answer has no end")

    def ask(self, request: Request) -> bytes:
        """The payload of the one answer to a question. Raises :exc:`NetlinkError` with ENOENT and others."""
        first = self._sequence + 1
        self._ask(request, REQUEST)
        # What is left of an earlier dump lies before it.
        for kind, sequence, body in self._receive():
            if sequence != first:
                continue
            if kind == _ERROR:
                self._raise(request.label, body)
                continue
            return body
        raise NetlinkError(errno.EIO, f"{request.label}: the kernel gave no answer")

    def _ask(self, request: Request, flags: int) -> None:
        question = Request(request.kind, request.flags | flags, request.payload, request.label)
        self._send(self._framed([question], ack_last=False), request.label)

    def _send(self, buffers: list[Buffer], label: str) -> None:
        try:
            self._socket.sendmsg(buffers)
        except OSError as error:
            raise NetlinkError(error.errno or errno.EIO, f"{label}: {error.strerror}") from error

    def _framed(self, requests: Sequence[Request], ack_last: bool = True) -> list[Buffer]:
        buffers: list[Buffer] = []
        final = len(requests) - 1
        if self._sequence > 0x7FFF0000:
            # Numbers are compared by subtraction: they never wrap within a transaction.
            self._sequence = 0
        for index, request in enumerate(requests):
            self._sequence += 1
            flags = request.flags | REQUEST | (ACK if ack_last and index == final else 0)
            buffers.append(
                struct.pack("=IHHII", 16 + len(request.payload), request.kind, flags, self._sequence, 0)
            )
            buffers.append(request.payload)
        return buffers if len(buffers) <= _IOV_MAX else [b"".join(buffers)]

    def _transact(self, buffers: list[Buffer], requests: Sequence[Request]) -> None:
        first = self._sequence - len(requests) + 1
        self._send(buffers, requests[-1].label)
        acknowledged = False
        refused: NetlinkError | None = None
        for kind, sequence, body in self._receive():
            place = sequence - first
            if kind != _ERROR or not 0 <= place < len(requests):
                continue
            try:
                self._raise(requests[place].label, body)
                acknowledged = True
            except NetlinkError as error:
                refused = refused or error
        if refused:
            raise refused
        if not acknowledged:
            raise NetlinkError(errno.EIO, f"{requests[-1].label}: the kernel gave no answer")

    def _receive(self) -> Iterator[tuple[int, int, bytes]]:
        """All that lies there, datagram after datagram."""
        while True:
            try:
                datagram = self._socket.recv(1 << 18, socket.MSG_DONTWAIT)
            except BlockingIOError:
                return
            offset = 0
            while offset + 16 <= len(datagram):
                length, kind, _flags, sequence, _port = struct.unpack_from("=IHHII", datagram, offset)
                if length < 16:
                    break
                yield kind, sequence, datagram[offset + 16 : offset + length]
                offset += (length + 3) & ~3

    @staticmethod
    def _raise(label: str, body: bytes) -> None:
        """Raise what an error message says; return for an acknowledgement."""
        (code,) = struct.unpack_from("=i", body)
        if code:
            raise _refusal(label, -code, body)


def _refusal(label: str, code: int, body: bytes) -> NetlinkError:
    said = parse(body, 20).get(1, b"").rstrip(b"\0").decode("ascii", "replace") if len(body) > 20 else ""
    meaning = IPSET_ERRORS.get(code) or os.strerror(code)
    return NetlinkError(code, f"{label}: {meaning}{f' ({said})' if said else ''}")


# Private numbers of ipset (include/uapi/linux/netfilter/ipset/ip_set.h).
IPSET_ERRORS = {
    4097: "the kernel speaks another ipset protocol",
    4098: "the kernel does not know this type of set",
    4099: "the kernel has no room for another set",
    4100: "the set is in use",
    4101: "the name is taken by another set",
    4102: "the sets are of different types",
    4103: "the element is there already, or is not there",
    4104: "the prefix length can't be",
    4352: "the set is full",
}
