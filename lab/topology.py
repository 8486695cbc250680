"""The inventory is the one description of the lab: which hosts, on which network, from which image."""

from __future__ import annotations

import hashlib
import ipaddress
import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from lab.process import run


class TopologyError(Exception):
    """An inventory that does not describe a lab; the message names host, variable and rule."""


@dataclass(frozen=True)
class Network:
    """A podman network: ``name``, and its IPv4 and IPv6 subnets in CIDR notation."""

    name: str
    subnet: str
    subnet6: str


@dataclass(frozen=True)
class Host:
    """A container that boots systemd: inventory name, image (``debian12``), addresses, volumes."""

    name: str
    image: str
    address: str
    address6: str
    network: Network
    volumes: tuple[str, ...] = ()

    @property
    def container(self) -> str:
        return f"{self.network.name}-{self.name}"

    @property
    def digest(self) -> str:
        """Differs when the container has to be made anew."""
        return hashlib.sha256(json.dumps(asdict(self), sort_keys=True).encode()).hexdigest()[:16]


@dataclass(frozen=True)
class Cluster:
    """A Kubernetes on one of the hosts, and how many nodes beside it are only played."""

    host: Host
    capacity_nodes: int


@dataclass(frozen=True)
class Topology:
    """All hosts of one inventory that carry ``lab_image``, and the networks that they stand in."""

    inventory: Path
    hosts: tuple[Host, ...]
    cluster: Cluster | None = None

    @property
    def networks(self) -> tuple[Network, ...]:
        return tuple(dict.fromkeys(host.network for host in self.hosts))


def read(inventory: Path) -> Topology:
    """The topology of an inventory directory or file; hosts without ``lab_image`` are not the lab's."""
    if not inventory.exists():
        raise TopologyError(f"inventory {inventory} does not exist")
    listing = json.loads(run("ansible-inventory", "--inventory", str(inventory), "--list").stdout)
    variables: dict[str, dict[str, Any]] = listing["_meta"]["hostvars"]
    hosts = tuple(
        _host(name, values) for name, values in sorted(variables.items()) if values.get("lab_image")
    )
    if not hosts:
        raise TopologyError(f"inventory {inventory} has no host with lab_image")
    return Topology(inventory, hosts, _cluster(hosts, variables))


def _cluster(hosts: tuple[Host, ...], variables: dict[str, dict[str, Any]]) -> Cluster | None:
    chosen = [host for host in hosts if "lab_kubernetes" in variables[host.name]]
    if not chosen:
        return None
    if len(chosen) > 1:
        names = ", ".join(host.name for host in chosen)
        raise TopologyError(f"lab_kubernetes is set on {names}: must be set on one host at most")
    (host,) = chosen
    wanted = variables[host.name]["lab_kubernetes"]
    if not isinstance(wanted, dict) or set(wanted) != {"capacity_nodes"}:
        raise TopologyError(f"{host.name}: lab_kubernetes is {wanted!r}: must be a map with capacity_nodes")
    count = wanted["capacity_nodes"]
    if isinstance(count, bool) or not isinstance(count, int) or not 0 <= count <= 100:
        raise TopologyError(
            f"{host.name}: lab_kubernetes.capacity_nodes is {count!r}: must be a number from 0 to 100"
        )
    if "/var/lib/containerd" not in host.volumes:
        raise TopologyError(
            f"{host.name}: lab_volumes is {list(host.volumes)}: must have /var/lib/containerd on a host with "
            "lab_kubernetes, because layers of images do not stack on a container's own"
        )
    return Cluster(host, count)


def _host(name: str, values: dict[str, Any]) -> Host:
    missing = [key for key in ("ansible_host", "lab_address6", "lab_network") if key not in values]
    if missing:
        raise TopologyError(f"{name}: {', '.join(missing)} not set: a host with lab_image needs it")
    network = Network(**values["lab_network"])
    for variable, address, subnet in (
        ("ansible_host", values["ansible_host"], network.subnet),
        ("lab_address6", values["lab_address6"], network.subnet6),
    ):
        if ipaddress.ip_address(address) not in ipaddress.ip_network(subnet):
            raise TopologyError(f"{name}: {variable} is {address}: must lie in {subnet}")
    return Host(
        name,
        values["lab_image"],
        values["ansible_host"],
        values["lab_address6"],
        network,
        tuple(values.get("lab_volumes", ())),
    )
