"""What the kernel should hold, from the settings, the keys and the time. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass
from ipaddress import ip_network

from wireguard import table
from wireguard.keys import Preshared
from wireguard.links import TABLE, Route, sources
from wireguard.model import OtherHub, Peer, Settings, bare, family, host, is_host
from wireguard.tool import WantedPeer

# A hub that was restarted has no session: with this it begins a new one by itself.
_MESH_KEEPALIVE = 25
_FORWARDING = ("net/ipv4/ip_forward", "net/ipv6/conf/all/forwarding")


@dataclass(frozen=True)
class Wanted:
    """private_keys: of the slots that serve. peers: the same on each. plain_table: nothing carried over."""

    settings: Settings
    active: str
    private_keys: Mapping[str, str]
    living: tuple[Peer, ...]
    peers: Mapping[str, WantedPeer]
    rules: frozenset[int]
    sysctl: Mapping[str, str]
    plain_table: str

    @property
    def serving(self) -> list[str]:
        """The slots that are up, the active one first."""
        return sorted(self.private_keys, key=lambda slot: slot != self.active)

    @property
    def interfaces(self) -> list[str]:
        return [self.settings.interfaces[slot] for slot in self.serving]

    def routes(self, moved: Set[str]) -> frozenset[Route]:
        """Routes to all that is in the VPN. ``moved``: peers that came last by the slot that is not active.

        Packets to addresses are steered by the table, which learns from each packet. Networks behind such a
        peer have routes: nobody knows which addresses there are.
        """
        main = self.settings.interfaces[self.active]
        networks = _without_covered(_networks(self.settings, self.living))
        found = {Route(one, main, 0, self._source(one)) for one in networks}
        for slot in self.serving[1:]:
            other = self.settings.interfaces[slot]
            found |= {Route(one, other, TABLE, self._source(one)) for one in networks}
            for network in {one for key in moved if key in self.peers for one in self.peers[key].allowed}:
                if not is_host(network):
                    found -= {Route(network, main, 0, self._source(network))}
                    found.add(Route(network, other, 0, self._source(network)))
        return frozenset(found)

    def addresses(self, keys: Iterable[str]) -> set[str]:
        """Single addresses of peers, without a prefix."""
        allowed = (one for key in keys if key in self.peers for one in self.peers[key].allowed)
        return {bare(one) for one in allowed if is_host(one)}

    def _source(self, network: str) -> str | None:
        return sources(self.settings.addresses).get(family(network))

    def interface_sysctl(self, interface: str) -> dict[str, str]:
        """Settings of an interface. A peer may come in by the slot that its route does not lead to."""
        return {f"net/ipv4/conf/{interface}/rp_filter": "2"}


def wanted(
    settings: Settings, active: str, private_keys: Mapping[str, str], preshared: Preshared | None, now: float
) -> Wanted:
    """``preshared``: ``None`` where peers have none."""
    living = tuple(settings.living(now))
    peers = {peer.public_key: _peer(peer, preshared) for peer in living}
    for hub in settings.hubs:
        peers.update(_mesh(hub))
    serving = sorted(private_keys, key=lambda slot: slot != active)
    families = sorted({family(one) for one in settings.addresses})
    return Wanted(
        settings,
        active,
        private_keys,
        living,
        peers,
        frozenset(families if len(serving) > 1 else ()),
        dict.fromkeys(_FORWARDING, "1"),
        table.render(settings, living, active, serving, table.Carried()),
    )


def _peer(peer: Peer, preshared: Preshared | None) -> WantedPeer:
    return WantedPeer(
        peer.name,
        frozenset([*map(host, peer.addresses), *peer.networks]),
        preshared.of(peer.name, peer.addresses) if preshared else None,
        peer.keepalive,
        peer.endpoint,
    )


def _mesh(hub: OtherHub) -> dict[str, WantedPeer]:
    """A hub has no preshared key, since neither could tell it the other."""
    allowed = frozenset([*map(host, hub.addresses), *hub.networks])
    found = {hub.public_key: WantedPeer(hub.name, allowed, None, _MESH_KEEPALIVE, hub.endpoint)}
    if hub.next_public_key:
        # Known beforehand, so that a session is there when the next key takes over.
        found[hub.next_public_key] = WantedPeer(
            f"{hub.name} (next key)", frozenset(), None, _MESH_KEEPALIVE, hub.next_endpoint
        )
    return found


def _networks(settings: Settings, living: Sequence[Peer]) -> set[str]:
    return {
        *settings.pools,
        *(network for peer in living for network in peer.networks),
        *(network for hub in settings.hubs for network in hub.networks),
        *(host(address) for hub in settings.hubs for address in hub.addresses),
        *(host(address) for peer in living for address in peer.addresses),
    }


def _without_covered(networks: set[str]) -> list[str]:
    """Without those that lie in another one: a thousand addresses are one pool."""
    found: list[str] = []
    for version in (4, 6):
        parsed = sorted(
            (ip_network(one) for one in networks if family(one) == version),
            key=lambda one: (int(one.network_address), one.prefixlen),
        )
        last = -1
        for one in parsed:
            end = int(one.broadcast_address)
            if end > last:
                found.append(str(one))
                last = end
    return found
