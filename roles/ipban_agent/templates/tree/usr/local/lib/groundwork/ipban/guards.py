"""What is never dropped: it goes into the allow sets, and its hosts are kept out of the banned."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from ipaddress import ip_network

from ipban import routes
from ipban.log import Log
from ipban.model import Allowed
from ipban.packed import WIDTHS, entries, pack_network
from ipban.settings import Guard


@dataclass(frozen=True)
class Protected:
    """Sorted packed networks by allow set, and sorted packed addresses by set of hosts."""

    networks: dict[str, bytes] = field(default_factory=dict)
    hosts: dict[str, list[bytes]] = field(default_factory=dict)


class Guards:
    """Finds out what has to be protected on this host. A source that fails gives what it gave before."""

    def __init__(
        self,
        settings: Guard,
        sessions: Callable[[], set[bytes]],
        log: Log,
        *,
        own: Callable[[], set[bytes]] = routes.own_addresses,
        gateways: Callable[[], set[bytes]] = routes.gateways,
    ) -> None:
        self._fixed = [pack_network(ip_network(network)) for network in settings.networks]
        self._sources: dict[str, Callable[[], set[bytes]]] = {}
        if settings.own_addresses:
            self._sources["own_addresses"] = own
        if settings.gateway:
            self._sources["gateway"] = gateways
        if settings.ssh_peers:
            self._sources["ssh_peers"] = sessions
        self._store = settings.store
        self._last: dict[str, set[bytes]] = {}
        self._log = log

    def protected(self, allowed: Allowed, store_addresses: Iterable[bytes]) -> Protected:
        entries_found = set(self._fixed)
        for family, packed in allowed.networks.items():
            entries_found.update(entries(packed, WIDTHS[family] + 1))
        addresses: set[bytes] = set(store_addresses) if self._store else set()
        for name, source in self._sources.items():
            try:
                self._last[name] = source()
            except OSError as error:
                self._log("warning", "guard_failed", guard=name, error=error)
            addresses |= self._last.get(name, set())
        entries_found.update(address + bytes((8 * len(address),)) for address in addresses)
        networks = {f"allow{family}": b"" for family in WIDTHS}
        hosts: dict[str, list[bytes]] = {f"hosts{family}": [] for family in WIDTHS}
        for family, width in WIDTHS.items():
            own = sorted(entry for entry in entries_found if len(entry) == width + 1)
            networks[f"allow{family}"] = b"".join(own)
            hosts[f"hosts{family}"] = [entry[:-1] for entry in own if entry[-1] == 8 * width]
        return Protected(networks, hosts)
