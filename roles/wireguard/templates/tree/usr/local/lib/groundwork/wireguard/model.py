"""The settings of a hub, as the controller computes them from the whole model."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Union

PERSON = "person"
KINDS = (PERSON, "service", "site")
PROTOCOLS = ("tcp", "udp", "icmp")


@dataclass(frozen=True)
class Ports:
    """A protocol with a range of ports; ``icmp``, of both families, has none."""

    protocol: str
    first: int | None = None
    last: int | None = None


@dataclass(frozen=True)
class Rule:
    """What peers of a group may open.

    to: networks behind the hub, never peers, however wide. to_groups, to_peers: peers and the networks behind
    them. to_hub: all addresses of the hub itself. ports: empty for everything.
    """

    name: str
    to: tuple[str, ...] = ()
    to_groups: tuple[str, ...] = ()
    to_peers: tuple[str, ...] = ()
    to_hub: bool = False
    ports: tuple[Ports, ...] = ()


@dataclass(frozen=True)
class InsideRule:
    """What may be opened from behind the hub. to: networks behind peers."""

    name: str
    sources: tuple[str, ...]
    to: tuple[str, ...] = ()
    to_groups: tuple[str, ...] = ()
    to_peers: tuple[str, ...] = ()
    ports: tuple[Ports, ...] = ()


@dataclass(frozen=True)
class Group:
    name: str
    rules: tuple[Rule, ...] = ()


@dataclass(frozen=True)
class Peer:
    """A peer that lives on this hub.

    expires_at: seconds since 1970. endpoint: host:port where the hub begins.
    """

    name: str
    owner: str
    kind: str
    group: str
    public_key: str
    addresses: tuple[str, ...]
    networks: tuple[str, ...] = ()
    expires_at: int | None = None
    keepalive: int = 0
    endpoint: str | None = None

    @property
    def reach(self) -> list[str]:
        """Its addresses and what is behind it, as networks."""
        return [*map(host, self.addresses), *self.networks]


@dataclass(frozen=True)
class OtherHub:
    """A hub of the mesh. networks: what lives there only. next_*: while its key is being rotated."""

    name: str
    public_key: str
    endpoint: str
    addresses: tuple[str, ...]
    next_public_key: str | None = None
    next_endpoint: str | None = None
    networks: tuple[str, ...] = ()

    @property
    def reach(self) -> list[str]:
        """Its addresses and what lives there, as networks."""
        return [*map(host, self.addresses), *self.networks]


@dataclass(frozen=True)
class Elsewhere:
    """A peer that lives on another hub, for rules that name it or its group."""

    name: str
    group: str
    addresses: tuple[str, ...]
    networks: tuple[str, ...] = ()

    @property
    def reach(self) -> list[str]:
        """Its addresses and what is behind it, as networks."""
        return [*map(host, self.addresses), *self.networks]


Somebody = Union[Peer, Elsewhere]
AnyRule = Union[Rule, InsideRule]


@dataclass(frozen=True)
class Settings:
    """addresses: the hub's own, with the prefix of their pool. pools: all networks of all pools."""

    interface: str
    environment: str
    hub: str
    revision: int
    addresses: tuple[str, ...]
    pools: tuple[str, ...]
    port: int
    rotation_port: int
    mtu: int
    nat: bool
    preshared_keys: bool
    accept_older: bool = False
    peers: tuple[Peer, ...] = ()
    hubs: tuple[OtherHub, ...] = ()
    elsewhere: tuple[Elsewhere, ...] = ()
    groups: tuple[Group, ...] = ()
    inside_rules: tuple[InsideRule, ...] = field(default=())

    @property
    def interfaces(self) -> dict[str, str]:
        """The interface of each slot for a key of the hub."""
        return {"a": self.interface, "b": f"{self.interface}-b"}

    @property
    def ports(self) -> dict[str, int]:
        return {"a": self.port, "b": self.rotation_port}

    def living(self, now: float) -> list[Peer]:
        """Peers that have not expired."""
        return [peer for peer in self.peers if peer.expires_at is None or peer.expires_at > now]


def family(network: str) -> int:
    """4 or 6, of an address or a network."""
    return 6 if ":" in network else 4


def bare(address: str) -> str:
    """An address without its prefix."""
    return address.partition("/")[0]


def host(address: str) -> str:
    """An address as a network of its own."""
    return f"{address}/{128 if ':' in address else 32}"


def is_host(network: str) -> bool:
    """Whether a network is a single address."""
    return network.endswith("/128" if ":" in network else "/32")
