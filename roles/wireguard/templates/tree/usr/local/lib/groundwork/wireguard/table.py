"""The firewall of a hub as text for nft: what peers may open, and nothing else. Pure.

The table is our own, so that a reload of the host's firewall does not touch it. It runs before that one,
drops what no rule allows, and marks the rest: the host's firewall lets through only what has the mark, so
that nothing passes while this table is gone. Connections are trusted only when this table has marked them
itself.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from wireguard.links import MARK as STEER
from wireguard.model import PERSON, AnyRule, InsideRule, Peer, Ports, Rule, Settings, Somebody, family

TABLE = "groundwork_wireguard"
ALLOWED = 0x20000000
FAMILIES = (4, 6)
_HEADERS = {4: "ip", 6: "ip6"}
_ICMP = {4: "icmp", 6: "icmpv6"}
_TYPES = {4: "ipv4_addr", 6: "ipv6_addr"}
_MARKED = f"meta mark & {ALLOWED:#x} == {ALLOWED:#x}"
_MARK = f"ct mark set ct mark | {ALLOWED:#x} meta mark set meta mark | {ALLOWED:#x}"
_TRACKED = (
    f"ct state established,related ct mark & {ALLOWED:#x} == {ALLOWED:#x} "
    f"meta mark set meta mark | {ALLOWED:#x} accept"
)


@dataclass(frozen=True)
class Carried:
    """What a new table takes over: counters by name, and who came last by the slot that is not active."""

    counters: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    moved: Mapping[int, Sequence[str]] = field(default_factory=dict)


def counter(rule_name: str, inside: bool = False) -> str:
    """The name of the counter of what a rule lets through."""
    return ("" if inside else "allowed.") + rule_name.replace(" ", ".")


def denied(group: str) -> str:
    return f"denied.{group}"


# No group has a name that begins so.
DENIED_UNKNOWN = "denied_unknown"
DENIED_INSIDE = "denied_inside"


def render(
    settings: Settings, peers: Sequence[Peer], active: str, serving: Sequence[str], carried: Carried
) -> str:
    """The whole table. ``peers``: those that have not expired; ``serving``: the slots that are up."""
    interfaces = [settings.interfaces[slot] for slot in ("a", "b")]
    writer = _Writer(settings, peers, f"{{ {', '.join(_quoted(one) for one in interfaces)} }}", carried)
    parts = [*writer.group_chains(), *writer.base_chains()]
    sets = writer.named_sets()
    if len(serving) > 1:
        other = next(slot for slot in serving if slot != active)
        sets += writer.moved_sets()
        parts += _steering(settings.interfaces[active], settings.interfaces[other])
    body = [*writer.counters(), *sets, *parts]
    return "\n".join(
        [f"add table inet {TABLE}", f"delete table inet {TABLE}", f"table inet {TABLE} {{", *body, "}", ""]
    )


def _steering(active: str, other: str) -> list[str]:
    """Packets to a peer leave by the slot that the peer came in by last."""
    lines: list[str] = ["chain moved {", "type filter hook prerouting priority mangle; policy accept;"]
    for version in FAMILIES:
        lines.append(f"iifname {_quoted(other)} add @moved_ipv{version} {{ {_HEADERS[version]} saddr }}")
        lines.append(f"iifname {_quoted(active)} delete @moved_ipv{version} {{ {_HEADERS[version]} saddr }}")
    # After addresses of answers were translated back, and before they are routed.
    for name, hook in (
        ("steer", "filter hook prerouting priority dstnat + 5"),
        ("steer_output", "route hook output priority mangle"),
    ):
        lines += ["}", f"chain {name} {{", f"type {hook}; policy accept;"]
        lines += [
            f"{_HEADERS[version]} daddr @moved_ipv{version} meta mark set meta mark | {STEER:#x}"
            for version in FAMILIES
        ]
    return [*lines, "}"]


class _Writer:
    def __init__(self, settings: Settings, peers: Sequence[Peer], slots: str, carried: Carried) -> None:
        self._settings = settings
        self._peers = peers
        self._slots = slots
        self._carried = carried
        self._counters: list[str] = []
        self._used_groups: set[str] = set()

    def counters(self) -> list[str]:
        lines = []
        for name in self._counters:
            packets, octets = self._carried.counters.get(name, (0, 0))
            lines.append(f"counter {name} {{ packets {packets} bytes {octets} }}")
        return lines

    def _counted(self, name: str) -> str:
        if name not in self._counters:
            self._counters.append(name)
        return f"counter name {name}"

    def named_sets(self) -> list[str]:
        settings = self._settings
        mesh = [one for hub in settings.hubs for one in hub.reach]
        here = [one for peer in self._peers for one in peer.reach]
        resident = [one for peer in self._peers if peer.kind != PERSON for one in peer.reach]
        lines: list[str] = []
        for version in FAMILIES:
            members = [
                f"{address} : goto group.{peer.group}"
                for peer in self._peers
                for address in peer.addresses
                if family(address) == version
            ]
            behind = [
                f"{network} : goto group.{peer.group}"
                for peer in self._peers
                for network in peer.networks
                if family(network) == version
            ]
            kind = f"type {_TYPES[version]}"
            lines += _named(f"map members_ipv{version}", f"{kind} : verdict", members)
            lines += _named(f"map networks_ipv{version}", f"{kind} : verdict; flags interval", behind)
            for name, found in (("mesh", mesh), ("here", here), ("resident", resident)):
                lines += _intervals(f"{name}_ipv{version}", version, found)
            for group in sorted(self._used_groups):
                lines += _intervals(f"group.{group}_ipv{version}", version, self._group(group))
        return lines

    def moved_sets(self) -> list[str]:
        lines = []
        for version in FAMILIES:
            moved = self._carried.moved.get(version, ())
            lines += _named(
                f"set moved_ipv{version}", f"type {_TYPES[version]}; flags dynamic; size 65535", list(moved)
            )
        return lines

    def _group(self, group: str) -> list[str]:
        everyone: list[Somebody] = [*self._peers, *self._settings.elsewhere]
        return [one for peer in everyone if peer.group == group for one in peer.reach]

    def group_chains(self) -> list[str]:
        lines = []
        for group in self._settings.groups:
            drop = f"{self._counted(denied(group.name))} drop"
            lines += [f"chain hub.{group.name} {{"]
            lines += [line for rule in group.rules if rule.to_hub for line in self._to_hub(rule)]
            lines += [
                drop,
                "}",
                f"chain group.{group.name} {{",
                f"fib daddr type local goto hub.{group.name}",
            ]
            lines += [line for rule in group.rules for line in self._rule(rule)]
            lines += [drop, "}"]
        return lines

    def _to_hub(self, rule: Rule) -> list[str]:
        count = self._counted(counter(rule.name))
        return [
            f"meta nfproto ipv{version} {ports}{count} goto allow"
            for version in FAMILIES
            for ports in _ports(rule, version)
        ]

    def _rule(self, rule: Rule) -> list[str]:
        lines = []
        for version in FAMILIES:
            networks = _only(rule.to, version)
            # A network is never a peer's, however wide it is.
            ends = [f"oifname != {self._slots} {_to(networks, version)}"] if networks else []
            ends += [f"oifname {self._slots} {end}" for end in self._peer_ends(rule, version)]
            lines += self._lines(ends, rule, version, counter(rule.name))
        return lines

    def _inside(self, rule: InsideRule) -> list[str]:
        lines = []
        for version in FAMILIES:
            sources = _only(rule.sources, version)
            networks = _only(rule.to, version)
            ends = ([_to(networks, version)] if networks else []) + self._peer_ends(rule, version)
            if sources:
                match = f"{_HEADERS[version]} saddr {{ {', '.join(sources)} }} "
                lines += self._lines(
                    [match + end for end in ends], rule, version, counter(rule.name, inside=True)
                )
        return lines

    def _lines(self, ends: Sequence[str], rule: AnyRule, version: int, name: str) -> list[str]:
        return [
            f"{end} {ports}{self._counted(name)} goto allow"
            for end in ends
            for ports in _ports(rule, version)
        ]

    def _peer_ends(self, rule: AnyRule, version: int) -> list[str]:
        ends = []
        for group in rule.to_groups:
            self._used_groups.add(group)
            ends.append(f"{_HEADERS[version]} daddr @group.{group}_ipv{version}")
        everyone: dict[str, Somebody] = {one.name: one for one in self._settings.elsewhere}
        everyone.update((peer.name, peer) for peer in self._peers)
        named = [one for name in rule.to_peers if name in everyone for one in everyone[name].reach]
        networks = _only(named, version)
        return [*ends, _to(networks, version)] if networks else ends

    def base_chains(self) -> list[str]:
        slots, mtu = self._slots, self._settings.mtu
        lines = ["chain allow {", f"{_MARK} accept", "}"]
        lines += ["chain from_peers {", _TRACKED, "ct state invalid drop"]
        for kind in ("members", "networks"):
            lines += [f"{_HEADERS[version]} saddr vmap @{kind}_ipv{version}" for version in FAMILIES]
        # What another hub sends was held against the rules there.
        lines += [
            f"oifname {slots} {_HEADERS[version]} saddr @mesh_ipv{version} "
            f"{_HEADERS[version]} daddr @here_ipv{version} goto allow"
            for version in FAMILIES
        ]
        lines += [f"{self._counted(DENIED_UNKNOWN)} drop", "}"]
        lines += ["chain from_inside {", _TRACKED, "ct state invalid drop"]
        lines += [line for rule in self._settings.inside_rules for line in self._inside(rule)]
        lines += [f"{self._counted(DENIED_INSIDE)} drop", "}"]
        lines += ["chain input {", "type filter hook input priority filter - 5; policy accept;"]
        lines += [f"iifname {slots} jump from_peers", "}"]
        lines += ["chain forward {", "type filter hook forward priority filter - 5; policy accept;"]
        lines += [f"iifname {slots} jump from_peers", f"oifname {slots} jump from_inside", "}"]
        lines += ["chain output {", "type filter hook output priority filter - 5; policy accept;"]
        lines += [f"oifname {slots} ct state new ct mark set ct mark | {ALLOWED:#x}", "}"]
        lines += ["chain segment_size {", "type filter hook forward priority mangle; policy accept;"]
        for direction in ("iifname", "oifname"):
            for version, header in ((4, 40), (6, 60)):
                lines.append(
                    f"{direction} {slots} meta nfproto ipv{version} tcp flags syn / syn,rst "
                    f"tcp option maxseg size set {mtu - header}"
                )
        return [*lines, "}", *self._translation()]

    def _translation(self) -> list[str]:
        slots = self._slots
        lines = ["chain translate {", "type nat hook postrouting priority srcnat; policy accept;"]
        if self._settings.nat:
            lines.append(f"{_MARKED} oifname != {slots} masquerade")
        # The other hub has a peer of its own with the same address: answers would go there.
        lines += [
            f"{_MARKED} oifname {slots} {_HEADERS[version]} daddr @mesh_ipv{version} "
            f"{_HEADERS[version]} saddr != @resident_ipv{version} masquerade"
            for version in FAMILIES
        ]
        return [*lines, "}"]


def _only(networks: Iterable[str], version: int) -> list[str]:
    return [one for one in networks if family(one) == version]


def _to(networks: Sequence[str], version: int) -> str:
    return f"{_HEADERS[version]} daddr {{ {', '.join(networks)} }}"


def _ports(rule: AnyRule, version: int) -> list[str]:
    """One match for each protocol; without ports, one that matches everything."""
    if not rule.ports:
        return [""]
    found = []
    for protocol in dict.fromkeys(one.protocol for one in rule.ports):
        if protocol == "icmp":
            found.append(f"meta l4proto {_ICMP[version]} ")
        else:
            ranges = ", ".join(_range(one) for one in rule.ports if one.protocol == protocol)
            found.append(f"{protocol} dport {{ {ranges} }} ")
    return found


def _range(ports: Ports) -> str:
    return str(ports.first) if ports.first == ports.last else f"{ports.first}-{ports.last}"


def _named(name: str, properties: str, elements: Sequence[str]) -> list[str]:
    held = [f"elements = {{ {', '.join(elements)} }};"] if elements else []
    return [f"{name} {{", f"{properties};", *held, "}"]


def _intervals(name: str, version: int, networks: Sequence[str]) -> list[str]:
    return _named(
        f"set {name}",
        f"type {_TYPES[version]}; flags interval; auto-merge",
        list(dict.fromkeys(_only(networks, version))),
    )


def _quoted(text: str) -> str:
    return f'"{text}"'
