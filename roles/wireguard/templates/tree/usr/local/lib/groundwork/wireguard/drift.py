"""Compares what is with what should be. Pure: the caller resolves names of endpoints when it is asked to."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

from wireguard.firewall import Live
from wireguard.links import Link, Links, Route
from wireguard.plan import CREATE, DELETE, UPDATE, Change, compare
from wireguard.tool import Device, LivePeer, WantedPeer
from wireguard.wanted import Wanted

# A session that is in use renews itself every two minutes.
_STALE = 180

Resolve = Callable[[str], "str | None"]


@dataclass(frozen=True)
class Actual:
    """What is. links: those of the slots only, by interface. sysctl: values of those that are wanted."""

    links: Mapping[str, Link]
    devices: Mapping[str, Device]
    routes: frozenset[Route]
    rules: frozenset[int]
    sysctl: Mapping[str, str | None]
    table: Live


@dataclass
class Work:
    """What is to be done, in parts that belong together, and the plan that tells it."""

    changes: list[Change] = field(default_factory=list)
    create: list[str] = field(default_factory=list)
    delete: list[str] = field(default_factory=list)
    configure: list[str] = field(default_factory=list)
    remove_peers: dict[str, list[str]] = field(default_factory=dict)
    add_peers: dict[str, dict[str, WantedPeer]] = field(default_factory=dict)
    commands: list[str] = field(default_factory=list)
    late_commands: list[str] = field(default_factory=list)
    add_rules: list[int] = field(default_factory=list)
    delete_rules: list[int] = field(default_factory=list)
    sysctl: dict[str, str] = field(default_factory=dict)
    load_table: bool = False
    # What the table has learnt is no setting: it is corrected, and not told.
    moved: set[str] = field(default_factory=set)
    stayed: set[str] = field(default_factory=set)

    @property
    def touches_peers(self) -> bool:
        return bool(self.create or self.configure or self.remove_peers or self.add_peers)


def find(wanted: Wanted, actual: Actual, resolve: Resolve, now: float) -> Work:
    work = Work()
    if not actual.table.holds(wanted.plain_table):
        work.load_table = True
        known = bool(actual.table.listing)
        work.changes.append(
            Change(UPDATE if known else CREATE, "firewall", "differs" if known else None, "loaded")
        )
    _sysctl(work, {**wanted.sysctl}, actual.sysctl)
    for slot in wanted.serving:
        interface = wanted.settings.interfaces[slot]
        if interface in actual.links:
            _interface(work, wanted, actual, slot, resolve, now)
        else:
            _missing(work, wanted, slot, resolve)
    _routes(work, wanted, actual)
    _rules(work, wanted, actual)
    for interface in actual.links:
        if interface not in wanted.interfaces:
            work.delete.append(interface)
            work.changes.append(
                Change(DELETE, f"interface {interface}", {"mtu": actual.links[interface].mtu})
            )
    return work


def _sysctl(work: Work, wanted: Mapping[str, str], actual: Mapping[str, str | None]) -> None:
    for name, value in wanted.items():
        found = actual.get(name)
        # A kernel without IPv6 has no settings of it.
        if found is not None and found != value:
            work.sysctl[name] = value
            work.changes.append(Change(UPDATE, f"sysctl {name.replace('/', '.')}", found, value))


def _missing(work: Work, wanted: Wanted, slot: str, resolve: Resolve) -> None:
    """Everything at once, told as one change."""
    interface = wanted.settings.interfaces[slot]
    work.create.append(interface)
    work.configure.append(slot)
    work.commands += _setup(wanted, interface)
    work.sysctl.update(wanted.interface_sysctl(interface))
    work.add_peers[interface] = {key: _resolved(peer, resolve) for key, peer in wanted.peers.items()}
    after = {"port": wanted.settings.ports[slot], "mtu": wanted.settings.mtu, "peers": len(wanted.peers)}
    work.changes.append(Change(CREATE, f"interface {interface}", None, after))


def _setup(wanted: Wanted, interface: str) -> list[str]:
    addresses = [_address(interface, one) for one in wanted.settings.addresses]
    return [
        f"link set dev {interface} addrgenmode none",
        f"link set dev {interface} mtu {wanted.settings.mtu} up",
        *addresses,
    ]


def _address(interface: str, address: str) -> str:
    # Routes are ours to make: with two slots, both have the address.
    return f"address replace {address} dev {interface} noprefixroute" + (" nodad" if ":" in address else "")


def _interface(work: Work, wanted: Wanted, actual: Actual, slot: str, resolve: Resolve, now: float) -> None:
    settings = wanted.settings
    interface = settings.interfaces[slot]
    link, device = actual.links[interface], actual.devices[interface]
    _sysctl(work, wanted.interface_sysctl(interface), actual.sysctl)
    asked: tuple[tuple[str, object, object, str], ...] = (
        ("mtu", link.mtu, settings.mtu, f"link set dev {interface} mtu {settings.mtu}"),
        ("link", "up" if link.up else "down", "up", f"link set dev {interface} up"),
    )
    for key, before, after, command in asked:
        if before != after:
            work.commands.append(command)
            work.changes.append(Change(UPDATE, f"{interface} {key}", before, after))
    for address in settings.addresses:
        if address not in link.addresses:
            work.commands.append(_address(interface, address))
            work.changes.append(Change(CREATE, f"{interface} address {address}", None, address))
    for address in sorted(link.addresses - set(settings.addresses)):
        work.late_commands.append(f"address delete {address} dev {interface}")
        work.changes.append(Change(DELETE, f"{interface} address {address}", address, None))
    configured = compare(f"{interface} port", device.port, settings.ports[slot])
    configured += compare(f"{interface} mark", device.mark, 0)
    if device.private_key != wanted.private_keys[slot]:
        before = "another one" if device.private_key else None
        configured += [Change(UPDATE if before else CREATE, f"{interface} private key", before, "the hub's")]
    if configured:
        work.configure.append(slot)
        work.changes += configured
    _peers(work, wanted, interface, device, resolve, now)


def _peers(work: Work, wanted: Wanted, interface: str, device: Device, resolve: Resolve, now: float) -> None:
    names = {peer.public_key: peer.name for peer in wanted.settings.peers}
    added: dict[str, WantedPeer] = {}
    for key, peer in wanted.peers.items():
        live = device.peers.get(key)
        if live is None:
            added[key] = _resolved(peer, resolve)
            work.changes.append(Change(CREATE, f"{interface} peer {peer.name}", None, _shown(peer)))
            continue
        endpoint = _new_endpoint(peer, live, resolve, now)
        same = (
            live.allowed == peer.allowed
            and live.keepalive == peer.keepalive
            and live.preshared_key == peer.preshared_key
        )
        if not same or endpoint:
            added[key] = replace(peer, endpoint=endpoint)
            before, after = _difference(peer, live, endpoint)
            work.changes.append(Change(UPDATE, f"{interface} peer {peer.name}", before, after))
    removed = [key for key in device.peers if key not in wanted.peers]
    for key in removed:
        shown = {"allowed": sorted(device.peers[key].allowed), "public_key": key}
        work.changes.append(Change(DELETE, f"{interface} peer {names.get(key, key)}", shown, None))
    if removed:
        work.remove_peers[interface] = removed
    if added:
        work.add_peers[interface] = added


def _shown(peer: WantedPeer) -> dict[str, object]:
    return {"allowed": sorted(peer.allowed), "preshared_key": peer.preshared_key is not None}


def _difference(
    peer: WantedPeer, live: LivePeer, endpoint: str | None
) -> tuple[dict[str, object], dict[str, object]]:
    """What differs, without secrets."""
    before: dict[str, object] = {}
    after: dict[str, object] = {}
    if live.allowed != peer.allowed:
        before["allowed"], after["allowed"] = sorted(live.allowed), sorted(peer.allowed)
    if live.keepalive != peer.keepalive:
        before["keepalive"], after["keepalive"] = live.keepalive, peer.keepalive
    if live.preshared_key != peer.preshared_key:
        before["preshared_key"] = "another one" if live.preshared_key else None
        after["preshared_key"] = "the peer's" if peer.preshared_key else None
    if endpoint:
        before["endpoint"], after["endpoint"] = live.endpoint, endpoint
    return before, after


def _resolved(peer: WantedPeer, resolve: Resolve) -> WantedPeer:
    return replace(peer, endpoint=resolve(peer.endpoint)) if peer.endpoint else peer


def _new_endpoint(peer: WantedPeer, live: LivePeer, resolve: Resolve, now: float) -> str | None:
    """Where to look for a peer that has not been heard of: its name may lead elsewhere by now."""
    if not peer.endpoint or (live.endpoint and now - live.handshake < _STALE):
        return None
    found = resolve(peer.endpoint)
    return found if found != live.endpoint else None


def _routes(work: Work, wanted: Wanted, actual: Actual) -> None:
    created = {*work.create}
    moved = _moved(wanted, actual)
    if len(wanted.serving) > 1:
        work.moved = wanted.addresses(moved) - actual.table.moved
        work.stayed = wanted.addresses(wanted.peers.keys() - moved) & actual.table.moved
    routes = wanted.routes(moved)
    for route in sorted(routes - actual.routes, key=Route.shown):
        work.commands.append(route.command("replace"))
        if route.interface not in created:
            same = next((one for one in actual.routes if _place(one) == _place(route)), None)
            kind = UPDATE if same else CREATE
            work.changes.append(Change(kind, f"route {route.shown()}", same and same.source, route.source))
    places = {_place(route) for route in routes}
    for route in sorted(actual.routes - routes, key=Route.shown):
        if _place(route) in places:
            continue
        work.changes.append(Change(DELETE, f"route {route.shown()}", route.source, None))
        replaced = any((one.network, one.table) == (route.network, route.table) for one in routes)
        if not replaced and route.interface in wanted.interfaces:
            # Before addresses go: the kernel takes the routes of an address away with it.
            work.late_commands.insert(0, route.command("del"))


def _moved(wanted: Wanted, actual: Actual) -> set[str]:
    """Peers whose last handshake was with the key that is not active."""
    interfaces = wanted.interfaces
    if len(interfaces) < 2 or not all(one in actual.devices for one in interfaces):
        return set()
    here, there = (actual.devices[one].peers for one in interfaces)
    return {
        key for key, live in there.items() if live.handshake > (here[key].handshake if key in here else 0)
    }


def _place(route: Route) -> tuple[str, str, int]:
    return route.network, route.interface, route.table


def _rules(work: Work, wanted: Wanted, actual: Actual) -> None:
    work.add_rules = sorted(wanted.rules - actual.rules)
    work.delete_rules = sorted(actual.rules - wanted.rules)
    for kind, versions in ((CREATE, work.add_rules), (DELETE, work.delete_rules)):
        work.changes += [Change(kind, f"rule of IPv{version}") for version in versions]


def only_slots(links: Links, wanted: Wanted) -> dict[str, Link]:
    """The interfaces that are ours to manage, of both slots."""
    return {name: link for name, link in links.found.items() if name in wanted.settings.interfaces.values()}
