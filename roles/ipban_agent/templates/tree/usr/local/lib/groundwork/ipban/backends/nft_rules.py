"""The chains and rules of the table: what a packet meets, and in which order."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable

from ipban.backends import ALLOWED, HOSTS, NETWORKS, Policy, family_of
from ipban.backends.nft_messages import (
    DELETE_RULE,
    GET_OBJECT,
    GET_RULE,
    NEW_CHAIN,
    NEW_OBJECT,
    NEW_RULE,
    TABLE,
    request,
)
from ipban.netlink import (
    APPEND,
    CREATE,
    Buffer,
    Request,
    attribute,
    attributes_of,
    be32,
    be64,
    nested,
    parse,
    parse_all,
    text,
)

CHAIN = "prerouting"
# Before connection tracking and address translation: it holds for established connections and containers.
PRIORITY = -300
_HOOK_PREROUTING = 0
_ACCEPT, _DROP, _GOTO = 1, 0, -4
_VERDICT = 0
_REGISTER = 1
_META_PROTOCOL, _META_L4PROTO = 15, 16
_SOURCE = {4: (12, 4), 6: (8, 16)}
_NFPROTO = {4: 2, 6: 10}
_TCP = 6
_OBJECT_COUNTER = 1
_REJECT_RST, _REJECT_ICMPX = 1, 2
_ADMIN_PROHIBITED = 3
_LOG_INFO = 6


def banned_chain(family: int) -> str:
    return f"banned{family}"


def counter_name(family: int) -> str:
    return f"dropped{family}"


def _expression(name: str, *attributes: bytes) -> bytes:
    return nested(1, text(1, name), nested(2, *attributes))


def _verdict(code: int, chain: str = "") -> bytes:
    parts = [be32(1, code & 0xFFFFFFFF)]
    if chain:
        parts.append(text(2, chain))
    return _expression("immediate", be32(1, _VERDICT), nested(2, nested(2, *parts)))


def _meta_is(key: int, value: int) -> bytes:
    compared = nested(3, attribute(1, bytes((value,))))
    return _expression("meta", be32(2, key), be32(1, _REGISTER)) + _expression(
        "cmp", be32(1, _REGISTER), be32(2, 0), compared
    )


def _source_in(family: int, set_name: str) -> bytes:
    offset, length = _SOURCE[family]
    return (
        _meta_is(_META_PROTOCOL, _NFPROTO[family])
        + _expression("payload", be32(1, _REGISTER), be32(2, 1), be32(3, offset), be32(4, length))
        + _expression("lookup", text(1, set_name), be32(2, _REGISTER))
    )


def _rule(chain: str, expressions: bytes) -> Request:
    return request(
        NEW_RULE,
        text(1, TABLE),
        text(2, chain),
        nested(4, expressions),
        flags=CREATE | APPEND,
        label=f"add a rule to chain {chain}",
    )


def flush(chain: str) -> Request:
    return request(DELETE_RULE, text(1, TABLE), text(2, chain), label=f"empty chain {chain}")


def chains() -> Iterable[Request]:
    """The chains and counters; those that are there stay."""
    hook = nested(4, be32(1, _HOOK_PREROUTING), be32(2, PRIORITY & 0xFFFFFFFF))
    yield request(
        NEW_CHAIN,
        text(1, TABLE),
        text(3, CHAIN),
        hook,
        be32(5, _ACCEPT),
        text(7, "filter"),
        flags=CREATE,
        label=f"create chain {CHAIN}",
    )
    for family in (4, 6):
        chain = banned_chain(family)
        yield request(NEW_CHAIN, text(1, TABLE), text(3, chain), flags=CREATE, label=f"create chain {chain}")
        yield request(
            NEW_OBJECT,
            text(1, TABLE),
            text(2, counter_name(family)),
            be32(3, _OBJECT_COUNTER),
            nested(4, be64(1, 0), be64(2, 0)),
            flags=CREATE,
            label=f"create counter {counter_name(family)}",
        )


def rules(policy: Policy, actual: Callable[[str], str], *, paused: bool) -> Iterable[Request]:
    """What packets meet first, anew; ``actual`` gives the name that a set has in the kernel."""
    yield flush(CHAIN)
    if paused:
        yield _rule(CHAIN, _verdict(_ACCEPT))
    for name in (*ALLOWED, *HOSTS, *NETWORKS):
        family = family_of(name)
        if family in policy.families:
            verdict = _verdict(_ACCEPT) if name in ALLOWED else _verdict(_GOTO, banned_chain(family))
            yield _rule(CHAIN, _source_in(family, actual(name)) + verdict)


def banned_rules(family: int, policy: Policy) -> Iterable[Request]:
    """What happens to a packet of a banned address, anew."""
    chain = banned_chain(family)
    yield flush(chain)
    if policy.log_sample:
        limit = _expression(
            "limit", be64(1, policy.log_sample), be64(2, 60), be32(3, 5), be32(4, 0), be32(5, 0)
        )
        log = _expression("log", text(2, "groundwork-ipban: "), be32(5, _LOG_INFO))
        yield _rule(chain, limit + log)
    counted = _expression("objref", be32(1, _OBJECT_COUNTER), text(2, counter_name(family)))
    if policy.counters:
        yield _rule(chain, counted)
    if not policy.reject:
        yield _rule(chain, _verdict(_DROP))
        return
    reset = _expression("reject", be32(1, _REJECT_RST), attribute(2, b"\0"))
    yield _rule(chain, _meta_is(_META_L4PROTO, _TCP) + reset)
    yield _rule(
        chain, _expression("reject", be32(1, _REJECT_ICMPX), attribute(2, bytes((_ADMIN_PROHIBITED,))))
    )


def get_rules() -> Request:
    return request(GET_RULE, text(1, TABLE), label="read the rules")


def get_counter(family: int) -> Request:
    name = counter_name(family)
    return request(
        GET_OBJECT, text(1, TABLE), text(2, name), be32(3, _OBJECT_COUNTER), label=f"read counter {name}"
    )


def looked_up(payload: Buffer) -> tuple[str, str]:
    """Of a rule that was read: its chain, and what it looks up (empty when it looks up nothing)."""
    attributes = attributes_of(payload)
    chain = attributes.get(2, b"").rstrip(b"\0").decode("ascii", "replace")
    for _ignored, expression in parse_all(attributes.get(4, b"")):
        parts = parse(expression)
        if parts.get(1) == b"lookup\0":
            return chain, parse(parts[2])[1].rstrip(b"\0").decode("ascii", "replace")
    return chain, ""


def counter_values(payload: bytes) -> tuple[int, int]:
    """Packets and bytes of a counter that was read."""
    data = parse(attributes_of(payload)[4])
    return struct.unpack("!Q", data[2])[0], struct.unpack("!Q", data[1])[0]
