"""Messages against bytes as the kernel's headers define them, on a little-endian machine, and its answers."""

from __future__ import annotations

import struct
import sys

import pytest
from ipban.backends import Policy, ipset_messages, nft_messages, nft_rules
from ipban.netlink import NetlinkError, Request, Socket, attribute, be32, nested, parse, parse_all, text

little = pytest.mark.skipif(sys.byteorder != "little", reason="the bytes below are of such a machine")


@little
def test_attributes() -> None:
    assert attribute(1, b"abc") == bytes.fromhex("0700 0100 61626300")
    assert text(2, "ab") == bytes.fromhex("0700 0200 61620000")
    assert be32(3, 1) == bytes.fromhex("0800 0300 00000001")
    assert nested(4, be32(1, 2)) == bytes.fromhex("0c00 0480 0800 0100 00000002")


def test_parsing_what_was_made() -> None:
    made = be32(1, 7) + text(2, "x") + nested(3, be32(1, 9))
    found = parse(made)
    assert found[1] == b"\0\0\0\7"
    assert parse(found[3])[1] == b"\0\0\0\x09"
    assert [kind for kind, _ in parse_all(made)] == [1, 2, 3]


@pytest.mark.parametrize("broken", [b"\0", b"\2\0\1\0", b"\xff\0\1\0abc"])
def test_lengths_that_can_not_be_end_the_parsing(broken: bytes) -> None:
    assert parse(broken) == {}


@little
def test_hosts_of_nft() -> None:
    (made,) = nft_messages.hosts(nft_messages.NEW_ELEMENT, "s", 4, bytes((192, 0, 2, 7, 192, 0, 2, 8)))
    assert made.kind == 0x0A0C
    assert made.payload == (
        bytes.fromhex("01000000")
        + text(1, "groundwork_ipban")
        + text(2, "s")
        + bytes.fromhex("2400 0380")
        + bytes.fromhex("1000 0180 0c00 0180 0800 0100 c0000207")
        + bytes.fromhex("1000 0180 0c00 0180 0800 0100 c0000208")
    )


@little
def test_hosts_of_ipset() -> None:
    (made,) = ipset_messages.hosts(ipset_messages.ADD, "s", 4, bytes((192, 0, 2, 7)))
    assert made.kind == 0x0609
    assert made.payload == (
        bytes.fromhex("02000000 0500 0100 07000000")
        + text(2, "s")
        + bytes.fromhex("0800 0940 00000001 1400 0880")
        + bytes.fromhex("1000 0780 0c00 0180 0800 0140 c0000207")
    )


@little
def test_networks_of_ipset() -> None:
    (made,) = ipset_messages.networks("s", 6, bytes.fromhex("20010db8000000000000000000000000 30"))
    assert (
        bytes.fromhex("2400 0780 1800 0180 1400 0240 20010db8000000000000000000000000 0500 0300 30000000")
        in made.payload
    )


@little
def test_ranges_of_nft() -> None:
    (made,) = nft_messages.ranges("s", 4, bytes((192, 0, 2, 0, 192, 0, 3, 0)))
    first = bytes.fromhex("1000 0180 0c00 0180 0800 0100 c0000200")
    end = bytes.fromhex("1800 0180 0c00 0180 0800 0100 c0000300 0800 0300 00000001")
    assert made.payload.endswith(first + end)


def test_a_range_to_the_last_address_has_no_end() -> None:
    made = list(nft_messages.ranges("s", 4, bytes((10, 0, 0, 0, 11, 0, 0, 0, 255, 0, 0, 0, 0, 0, 0, 0))))
    assert len(made) == 2
    assert bytes((255, 0, 0, 0)) in made[0].payload
    assert made[0].payload.count(b"\0\0\0\x01") == 0 or b"\x08\0\x03\0\0\0\0\x01" not in made[0].payload


@pytest.mark.parametrize(("family", "width", "per_message"), [(4, 4, 4000), (6, 16, 2300)])
def test_messages_stay_below_the_length_of_an_attribute(family: int, width: int, per_message: int) -> None:
    hosts = bytes(width) * (2 * per_message + 1)
    for made in (
        list(nft_messages.hosts(nft_messages.NEW_ELEMENT, "s", family, hosts)),
        list(ipset_messages.hosts(ipset_messages.ADD, "s", family, hosts)),
    ):
        assert len(made) == 3
        assert all(len(one.payload) < 65536 for one in made)
    networks = (bytes(width) + b"\x20") * 10000
    assert all(len(one.payload) < 65536 for one in ipset_messages.networks("s", family, networks))
    spans = (bytes(width) + b"\1" * width) * 10000
    assert all(len(one.payload) < 65536 for one in nft_messages.ranges("s", family, spans))


def rules(policy: Policy, *, paused: bool = False) -> list[Request]:
    return list(nft_rules.rules(policy, lambda name: f"{name}_a", paused=paused))


def test_the_order_of_rules() -> None:
    looked_up = [nft_rules.looked_up(one.payload)[1] for one in rules(Policy())[1:]]
    assert looked_up == ["allow4_a", "allow6_a", "hosts4_a", "hosts6_a", "networks4_a", "networks6_a"]


def test_one_family_only() -> None:
    looked_up = [nft_rules.looked_up(one.payload)[1] for one in rules(Policy(families=(6,)))[1:]]
    assert looked_up == ["allow6_a", "hosts6_a", "networks6_a"]


def test_a_pause_comes_first() -> None:
    assert nft_rules.looked_up(rules(Policy(), paused=True)[1].payload) == ("prerouting", "")


@pytest.mark.parametrize(
    ("policy", "length"),
    [
        (Policy(), 2),
        (Policy(counters=False), 1),
        (Policy(log_sample=10), 3),
        (Policy(reject=True), 3),
    ],
)
def test_what_happens_to_banned_packets(policy: Policy, length: int) -> None:
    assert len(list(nft_rules.banned_rules(4, policy))) == length + 1


class Answers(Socket):
    """A socket whose kernel answers with what it was given."""

    def __init__(self, *datagrams: bytes) -> None:
        self._sequence = 0
        self.sent: list[bytes] = []
        self.datagrams = list(datagrams)
        self._socket = self  # type: ignore[assignment]

    def sendmsg(self, buffers: list[bytes]) -> None:
        self.sent.append(b"".join(buffers))

    def recv(self, _size: int, _flags: int) -> bytes:
        if not self.datagrams:
            raise BlockingIOError
        return self.datagrams.pop(0)


def error(sequence: int, code: int, said: str = "") -> bytes:
    extra = text(1, said) if said else b""
    body = struct.pack("=i", -code) + bytes(16) + extra
    return struct.pack("=IHHII", 16 + len(body), 2, 0, sequence, 0) + body


ONE = Request(0x0A0C, 0, b"", "the first")
TWO = Request(0x0A0C, 0, b"", "the second")


def test_an_acknowledged_batch() -> None:
    kernel = Answers(error(3, 0))
    kernel.batch([ONE, TWO])
    kinds = [struct.unpack_from("=H", kernel.sent[0], 16 * place + 4)[0] for place in (0,)]
    assert kinds == [0x10]
    assert kernel.sent[0].count(struct.pack("=H", 0x0A0C)) == 2


def test_an_error_names_the_message() -> None:
    with pytest.raises(NetlinkError, match="the first: No such file or directory") as raised:
        Answers(error(2, 2), error(3, 0)).batch([ONE, TWO])
    assert raised.value.errno == 2


def test_an_error_says_what_the_kernel_says() -> None:
    with pytest.raises(NetlinkError, match=r"the second: .*\(Set is full\)"):
        Answers(error(2, 28, "Set is full")).send([ONE, TWO])


def test_errors_of_ipset_have_words() -> None:
    with pytest.raises(NetlinkError, match="the set is full"):
        Answers(error(1, 4352)).send([ONE])


def test_silence_is_an_error() -> None:
    with pytest.raises(NetlinkError, match="no answer"):
        Answers().send([ONE])


def test_what_was_left_of_an_earlier_question_is_passed_over() -> None:
    reply = struct.pack("=IHHII", 20, 0x0A0C, 0, 1, 0) + b"good"
    assert Answers(error(99, 2), reply).ask(ONE) == b"good"


def test_a_dump_without_an_end_is_an_error() -> None:
    part = struct.pack("=IHHII", 20, 0x0A0C, 2, 1, 0) + b"good"
    found = Answers(part).dump(ONE)
    assert next(found) == (0x0C, b"good")
    with pytest.raises(NetlinkError, match="no end"):
        next(found)
