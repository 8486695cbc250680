"""Interfaces with their addresses, routes and routing rules, as they are and as they are made."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from wireguard import paths, system
from wireguard.errors import HubError
from wireguard.model import family

KERNEL = "kernel"
USERSPACE = "wireguard-go"
# Of the slot that is not active; the rule that leads there has the same number.
TABLE = 8218
MARK = 0x10000000
_DEADLINE = 15.0


@dataclass(frozen=True)
class Link:
    """An interface as it is. backend: what runs it, ``None`` for one that is no tunnel."""

    backend: str | None
    up: bool
    mtu: int
    addresses: frozenset[str]


@dataclass(frozen=True)
class Route:
    """A route into a tunnel. table: 0 for the main one. source: the hub's own address."""

    network: str
    interface: str
    table: int = 0
    source: str | None = None

    def command(self, verb: str) -> str:
        table = f" table {self.table}" if self.table else ""
        source = f" src {self.source}" if self.source and verb != "del" else ""
        return f"route {verb} {self.network} dev {self.interface}{table}{source}"

    def shown(self) -> str:
        return f"{self.network} dev {self.interface}" + (f" table {self.table}" if self.table else "")


@dataclass(frozen=True)
class Links:
    """All interfaces by name, and every address of the host."""

    found: dict[str, Link]
    local: frozenset[str]


def read() -> Links:
    found: dict[str, Link] = {}
    local: set[str] = set()
    for entry in system.run_json(["ip", "-json", "-details", "address", "show"]):
        info = [one for one in entry.get("addr_info", []) if "local" in one]
        local.update(one["local"] for one in info)
        kind = entry.get("linkinfo", {}).get("info_kind")
        found[entry["ifname"]] = Link(
            {"wireguard": KERNEL, "tun": USERSPACE}.get(kind),
            "UP" in entry["flags"],
            entry["mtu"],
            frozenset(f"{one['local']}/{one['prefixlen']}" for one in info if one["scope"] == "global"),
        )
    return Links(found, frozenset(local))


def read_routes(interfaces: Iterable[str]) -> set[Route]:
    """All routes into the interfaces but those that the kernel makes by itself."""
    found: set[Route] = set()
    for interface in interfaces:
        for version in ("-4", "-6"):
            argv = ["ip", version, "-json", "route", "show", "table", "all", "dev", interface]
            for entry in system.run_json(argv):
                if entry.get("protocol") != "kernel" and entry.get("table") != "local":
                    found.add(_route(entry, interface, 6 if version == "-6" else 4))
    return found


def _route(entry: dict[str, object], interface: str, version: int) -> Route:
    network = str(entry["dst"])
    if network == "default":
        network = "::/0" if version == 6 else "0.0.0.0/0"
    elif "/" not in network:
        network = f"{network}/{128 if version == 6 else 32}"
    table = str(entry.get("table", "main"))
    source = entry.get("prefsrc")
    number = 0 if table == "main" else int(table) if table.isdigit() else -1
    return Route(network, interface, number, str(source) if source else None)


def read_rules() -> set[int]:
    """Families that have the rule which leads marked packets to our table."""
    found = set()
    for version in (4, 6):
        for entry in system.run_json(["ip", f"-{version}", "-json", "rule", "show"]):
            if str(entry.get("table")) == str(TABLE) and int(str(entry.get("fwmark", "0")), 0) == MARK:
                found.add(version)
    return found


def rule_command(version: int, verb: str) -> None:
    selector = f"{MARK:#x}/{MARK:#x}"
    argv = [
        "ip",
        f"-{version}",
        "rule",
        verb,
        "priority",
        str(TABLE),
        "fwmark",
        selector,
        "lookup",
        str(TABLE),
    ]
    system.run(argv)


def batch(commands: Sequence[str]) -> None:
    """Several commands of ``ip`` in one process; it stops at the first that fails."""
    if commands:
        system.run(["ip", "-batch", "-"], "".join(f"{command}\n" for command in commands))


def create(interface: str) -> str:
    """Makes the interface, by the kernel's module where there is one; the name of what runs it."""
    # Found out by trying: a module may be missing, built in, loaded on demand, or denied.
    system.run(["ip", "link", "add", "dev", interface, "type", "wireguard"], missing=True)
    if _exists(interface):
        return KERNEL
    # A process that has lost its interface would not be started again.
    system.run(["systemctl", "restart", unit(interface)])
    _wait(interface)
    return USERSPACE


def delete(interface: str, backend: str | None) -> None:
    if backend == USERSPACE:
        system.run(["systemctl", "stop", unit(interface)])
    if _exists(interface):
        system.run(["ip", "link", "delete", "dev", interface], missing=True)


def unit(interface: str) -> str:
    return f"groundwork-wireguard-go@{interface}.service"


def _exists(interface: str) -> bool:
    return os.path.isdir(paths.ROOT / "sys/class/net" / interface)


def _wait(interface: str) -> None:
    socket = paths.ROOT / "run/wireguard" / f"{interface}.sock"
    deadline = time.monotonic() + _DEADLINE
    while not (_exists(interface) and socket.exists()):
        if time.monotonic() > deadline:
            raise HubError(
                f"{interface} does not come up: the kernel has no WireGuard, and {unit(interface)} fails; "
                f"journalctl -u {unit(interface)} says why"
            )
        time.sleep(0.02)


def sources(addresses: Iterable[str]) -> dict[int, str]:
    """The hub's address of each family."""
    return {family(one): one.partition("/")[0] for one in reversed(list(addresses))}
