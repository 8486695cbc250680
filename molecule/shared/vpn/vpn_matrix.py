"""What the access rules say about every destination and port, from the rules as people write them.

Nothing of the collection is used here: what it makes of the rules is held against this.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

# Ports of no rule: somebody always listens there.
OTHERS = (("tcp", 22), ("tcp", 1), ("tcp", 65535), ("udp", 123), ("icmp", 0))

# Protocol, address, port, and where it matters the address to ask from.
Question = tuple[str, str, int] | tuple[str, str, int, str]


@dataclass(frozen=True)
class Place:
    """A destination. kind: ``inside``, ``hub`` or ``peer``, which has a name and a group."""

    kind: str
    addresses: tuple[str, ...]
    name: str = ""
    group: str = ""


def questions(groups: Sequence[dict[str, Any]], places: Iterable[Place]) -> list[tuple[Place, Question]]:
    """Each address of each place, on each port at, below and above the ends of each range of any rule."""
    ports = sorted(set(OTHERS) | set(_edges(groups)))
    return [
        (place, (protocol, address, port))
        for place in places
        for address in place.addresses
        for protocol, port in ports
    ]


def allowed(
    groups: Sequence[dict[str, Any]], environment: str, group: str, place: Place, question: Question
) -> bool:
    """Whether a rule of the group leads there."""
    protocol, address, port = question[:3]
    rules = next(one["rules"] for one in groups if one["name"] == group)
    return any(
        environment in rule.get("environments", [environment])
        and any(_means(to, place, address) for to in rule["to"])
        and any(_matches(text, protocol, port) for text in rule.get("ports", ["tcp", "udp", "icmp"]))
        for rule in rules
    )


def _edges(groups: Sequence[dict[str, Any]]) -> Iterable[tuple[str, int]]:
    for group in groups:
        for rule in group["rules"]:
            for text in rule.get("ports", []):
                protocol, _, span = text.partition("/")
                for end in span.split("-") if span else ():
                    yield from ((protocol, int(end) + step) for step in (-1, 0, 1))


def _means(to: str, place: Place, address: str) -> bool:
    if to == "hub":
        return place.kind == "hub"
    if to.startswith("group:"):
        return place.kind == "peer" and place.group == to.removeprefix("group:")
    if to.startswith("peer:"):
        return place.kind == "peer" and place.name == to.removeprefix("peer:")
    # Networks never mean peers or hubs, however wide they are.
    return place.kind == "inside" and ipaddress.ip_address(address) in ipaddress.ip_network(to)


def _matches(text: str, protocol: str, port: int) -> bool:
    wanted, _, span = text.partition("/")
    if wanted != protocol:
        return False
    first, _, last = span.partition("-")
    return not span or int(first) <= port <= int(last or first)
