"""What the settings allow, decided without the kernel: for connections that earlier settings let in."""

from __future__ import annotations

import socket
from bisect import bisect_right
from collections.abc import Iterable, Sequence, Set
from ipaddress import ip_network

from wireguard.model import AnyRule, Peer, Ports, Rule, Settings, Somebody, family

_PROTOCOLS = {"tcp": {6}, "udp": {17}, "icmp": {1, 58}}


class Networks:
    """Addresses and networks of both families, to look addresses up in."""

    def __init__(self, networks: Iterable[str]) -> None:
        ranges: dict[int, list[tuple[int, int]]] = {4: [], 6: []}
        for one in networks:
            network = ip_network(one)
            ranges[network.version].append((int(network[0]), int(network[-1])))
        self._starts: dict[int, list[int]] = {}
        self._ends: dict[int, list[int]] = {}
        for version, found in ranges.items():
            found.sort()
            starts: list[int] = []
            ends: list[int] = []
            for start, end in found:
                if ends and start <= ends[-1]:
                    ends[-1] = max(ends[-1], end)
                else:
                    starts.append(start)
                    ends.append(end)
            self._starts[version], self._ends[version] = starts, ends

    def __contains__(self, address: object) -> bool:
        version = family(str(address))
        number = _number(str(address))
        at = bisect_right(self._starts[version], number) - 1
        return at >= 0 and number <= self._ends[version][at]


def _number(address: str) -> int:
    return int.from_bytes(
        socket.inet_pton(socket.AF_INET6 if ":" in address else socket.AF_INET, address), "big"
    )


class Policy:
    """The rules in force for ``peers``, those that have not expired. ``local``: all addresses of the hub."""

    def __init__(self, settings: Settings, peers: Sequence[Peer], local: Set[str]) -> None:
        self._settings = settings
        self._local = local
        self._group_of = {address: peer.group for peer in peers for address in peer.addresses}
        self._behind = [(Networks(peer.networks), peer.group) for peer in peers if peer.networks]
        self._mesh = Networks(one for hub in settings.hubs for one in hub.reach)
        self._here = Networks(one for peer in peers for one in peer.reach)
        # What is routed into the tunnels; a rule's networks never lead there.
        self._tunnelled = Networks(
            [*settings.pools, *(one for peer in peers for one in peer.networks)]
            + [one for hub in settings.hubs for one in hub.networks]
        )
        everyone: list[Somebody] = [*peers, *settings.elsewhere]
        self._peers = {one.name: Networks(one.reach) for one in everyone}
        self._groups = {
            group: Networks(network for one in everyone if one.group == group for network in one.reach)
            for group in {one.group for one in everyone}
        }
        self._rules = {
            group.name: [(rule, Networks(rule.to)) for rule in group.rules] for group in settings.groups
        }
        self._inside = [(rule, Networks(rule.sources), Networks(rule.to)) for rule in settings.inside_rules]

    def allows(self, source: str, destination: str, protocol: int, port: int | None) -> bool:
        """Whether a connection from ``source`` may be there. ``protocol``: its number."""
        if source in self._local:
            return destination in self._here or destination in self._mesh
        group = self._group(source)
        if group is not None:
            return any(
                _opens(rule.ports, protocol, port) and self._leads(rule, networks, destination)
                for rule, networks in self._rules.get(group, ())
            )
        if source in self._mesh:
            return destination in self._here
        return destination in self._tunnelled and any(
            _opens(rule.ports, protocol, port)
            and source in sources
            and (destination in networks or self._to_peers(rule, destination))
            for rule, sources, networks in self._inside
        )

    def _group(self, source: str) -> str | None:
        found = self._group_of.get(source)
        if found is not None:
            return found
        return next((group for networks, group in self._behind if source in networks), None)

    def _leads(self, rule: Rule, networks: Networks, destination: str) -> bool:
        if destination in self._local:
            return rule.to_hub
        if destination in self._tunnelled:
            return self._to_peers(rule, destination)
        return destination in networks

    def _to_peers(self, rule: AnyRule, destination: str) -> bool:
        return any(
            destination in known[name]
            for known, names in ((self._groups, rule.to_groups), (self._peers, rule.to_peers))
            for name in names
            if name in known
        )


def _opens(ports: Sequence[Ports], protocol: int, port: int | None) -> bool:
    return not ports or any(
        protocol in _PROTOCOLS[one.protocol]
        and (one.protocol == "icmp" or (port is not None and (one.first or 0) <= port <= (one.last or 0)))
        for one in ports
    )
