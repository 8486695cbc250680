"""Makes the kernel equal to the settings: reads, compares, and does only what differs."""

from __future__ import annotations

import socket
import time
from dataclasses import dataclass, field
from typing import Any

from wireguard import conntrack, drift, firewall, keys, links, paths, settings, state, system, table, tool
from wireguard.errors import HubError
from wireguard.model import Settings
from wireguard.policy import Policy
from wireguard.state import State
from wireguard.wanted import Wanted, wanted


@dataclass
class Result:
    """What an ``apply`` has found and done."""

    changes: list[dict[str, Any]]
    warnings: list[str] = field(default_factory=list)
    purged: int = 0
    peers: int = 0
    seconds: float = 0.0

    def document(self) -> dict[str, Any]:
        return {
            "changed": bool(self.changes),
            "plan": self.changes,
            "warnings": self.warnings,
            "stats": {
                "calls": system.calls,
                "seconds": round(self.seconds, 3),
                "peers": self.peers,
                "purged_connections": self.purged,
            },
        }


@dataclass
class Hub:
    """The settings in force with what the host adds to them."""

    settings: Settings
    state: State
    wanted: Wanted


def load(accept_older: bool = False, prepare: bool = True) -> Hub:
    """Raises :exc:`HubError` when the settings are older than those before, or a key is missing.

    ``prepare``: the secret of preshared keys is made where there is none.
    """
    found = settings.load(settings.find())
    known = state.load(found.interface)
    if not accept_older:
        settings.check_revision(found, known.revision)
    check_interface(found)
    known.active = keys.active_slot(found.interface, known.active)
    private = {slot: key for slot in keys.SLOTS if (key := keys.read(found.interface, slot)) is not None}
    if known.active not in private:
        private[known.active] = _recovered(found, known.active, prepare)
    preshared = None
    if found.preshared_keys:
        make = keys.make_preshared if prepare else keys.load_preshared
        preshared = make(found.interface)
    return Hub(found, known, wanted(found, known.active, private, preshared, time.time()))


def check_interface(found: Settings) -> None:
    others = state.others(found.interface)
    if others:
        raise HubError(
            f"interface is {found.interface}: must be {others[0]}, which this hub has; its keys belong to "
            "that name. To change it, remove the role first (wireguard_state: absent)"
        )


def _recovered(found: Settings, slot: str, prepare: bool) -> str:
    """A key whose file was lost, from the interface that still runs with it."""
    interface = found.interfaces[slot]
    if interface in links.read().found:
        private = tool.read(interface).private_key
        if private:
            if prepare:
                keys.store(found.interface, slot, private)
            return private
    raise HubError(
        f"{keys.path(found.interface, slot)} is missing. Restore it from a backup, and peers won't notice; "
        "with a new key (groundwork-wireguard key) all of them need a new configuration"
    )


def read(hub: Hub) -> tuple[drift.Actual, links.Links]:
    """What the kernel holds."""
    every = links.read()
    own = drift.only_slots(every, hub.wanted)
    for interface, link in own.items():
        if link.backend is None:
            raise HubError(
                f"{interface} is there already and is no tunnel of WireGuard: take it away, or name another"
            )
    present = [interface for interface in hub.wanted.interfaces if interface in own]
    names = [*hub.wanted.sysctl, *(name for one in present for name in hub.wanted.interface_sysctl(one))]
    actual = drift.Actual(
        own,
        {interface: tool.read(interface) for interface in present},
        frozenset(links.read_routes(own)),
        frozenset(links.read_rules()),
        {name: system.read_sysctl(name) for name in names},
        firewall.read(),
    )
    return actual, every


class Resolver:
    """Addresses of endpoints, asked for once. What can't be resolved is told, and tried again next time."""

    def __init__(self, warnings: list[str]) -> None:
        self._warnings = warnings
        self._known: dict[str, str | None] = {}

    def __call__(self, endpoint: str) -> str | None:
        if endpoint not in self._known:
            self._known[endpoint] = self._resolve(endpoint)
        return self._known[endpoint]

    def _resolve(self, endpoint: str) -> str | None:
        name, _colon, port = endpoint.rpartition(":")
        try:
            found = socket.getaddrinfo(name.strip("[]"), int(port), type=socket.SOCK_DGRAM)
        except OSError as error:
            self._warnings.append(f"the endpoint {endpoint} does not resolve: {error.strerror or error}")
            return None
        address = str(found[0][4][0])
        return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"


def apply(check: bool = False, accept_older: bool = False) -> Result:
    """Everything, alone. With ``check`` nothing is changed."""
    with system.alone():
        return reconcile(load(accept_older, prepare=not check), check)


def reconcile(hub: Hub, check: bool = False) -> Result:
    """The same for what is loaded already; the caller holds the lock."""
    started = time.monotonic()
    result = Result([], peers=len(hub.wanted.peers))
    actual, every = read(hub)
    work = drift.find(hub.wanted, actual, Resolver(result.warnings), time.time())
    result.changes = [change.public() for change in work.changes]
    if not check:
        if work.changes:
            _execute(hub, work, actual)
            _verify(hub, work)
            result.purged = _purge(hub, every)
        firewall.move(work.moved, work.stayed)
        hub.state.revision = hub.settings.revision
        state.save(hub.state)
    result.seconds = time.monotonic() - started
    return result


def _execute(hub: Hub, work: drift.Work, actual: drift.Actual) -> None:
    """What takes away comes first, and nothing is up before the firewall is."""
    for interface, public_keys in work.remove_peers.items():
        tool.remove(interface, public_keys)
    if work.load_table and not actual.table.listing:
        _load_table(hub)
    for interface in work.create:
        links.create(interface)
    _write_sysctl(hub, work.sysctl)
    for slot in work.configure:
        tool.configure(hub.settings.interfaces[slot], hub.wanted.private_keys[slot], hub.settings.ports[slot])
    for interface, peers in work.add_peers.items():
        tool.add(interface, peers)
    links.batch(work.commands)
    links.batch(work.late_commands)
    for version in work.add_rules:
        links.rule_command(version, "add")
    for version in work.delete_rules:
        links.rule_command(version, "delete")
    # A new table steers no packets into what is not there yet, nor an old one away from what still is.
    if work.load_table and actual.table.listing:
        _load_table(hub)
    for interface in work.delete:
        links.delete(interface, actual.links[interface].backend)


def _load_table(hub: Hub) -> None:
    wanted = hub.wanted
    text = table.render(hub.settings, wanted.living, wanted.active, wanted.serving, firewall.carried())
    firewall.load(text, wanted.plain_table)


def _write_sysctl(hub: Hub, values: dict[str, str]) -> None:
    for name, value in values.items():
        if name in hub.wanted.sysctl:
            hub.state.sysctl.setdefault(name, system.read_sysctl(name) or "")
            _keep_advertisements(name)
        system.write_sysctl(name, value)


def _keep_advertisements(name: str) -> None:
    """A router ignores router advertisements: an uplink that lives by them would lose its way out."""
    if "ipv6" not in name:
        return
    for device in (paths.ROOT / "sys/class/net").glob("*/device"):
        accepts = f"net/ipv6/conf/{device.parent.name}/accept_ra"
        if system.read_sysctl(accepts) == "1":
            system.write_sysctl(accepts, "2")


def _verify(hub: Hub, work: drift.Work) -> None:
    """The interfaces hold the hub's keys and all peers; raises :exc:`HubError` when one does not."""
    if not work.touches_peers:
        return
    for slot in hub.wanted.serving:
        interface = hub.settings.interfaces[slot]
        device = tool.read(interface)
        if device.private_key != hub.wanted.private_keys[slot]:
            raise HubError(
                f"{interface} has lost the hub's private key; groundwork-wireguard apply puts it back"
            )
        if device.peers.keys() != hub.wanted.peers.keys():
            raise HubError(f"{interface} has {len(device.peers)} peers in place of {len(hub.wanted.peers)}")


def _purge(hub: Hub, every: links.Links) -> int:
    """Forgets connections that earlier settings let in and these do not."""
    own = {address.partition("/")[0] for address in hub.settings.addresses}
    policy = Policy(hub.settings, hub.wanted.living, every.local | own)
    with conntrack.Table() as tracked:
        return tracked.purge(lambda one: policy.allows(one.source, one.destination, one.protocol, one.port))


def down() -> list[str]:
    """Stops the tunnels and takes the table away; the kernel's settings are as before. Keys stay."""
    done: list[str] = []
    with system.alone():
        interfaces = {one.stem for one in paths.state_directory().glob("*.json") if "." not in one.stem}
        interfaces |= {one.stem for one in paths.settings_directory().glob("*.json")}
        found = links.read().found
        for version in links.read_rules():
            links.rule_command(version, "delete")
        for interface in sorted(interfaces):
            for name in (interface, f"{interface}-b"):
                if name in found:
                    links.delete(name, found[name].backend)
                    done.append(f"interface {name}")
            for name, value in state.load(interface).sysctl.items():
                if value and system.read_sysctl(name) != value:
                    system.write_sysctl(name, value)
                    done.append(f"sysctl {name.replace('/', '.')}")
        if firewall.read().listing:
            done.append("firewall")
        firewall.delete()
    return done
