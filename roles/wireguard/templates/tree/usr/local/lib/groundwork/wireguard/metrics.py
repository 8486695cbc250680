"""Metrics of the hub in the text format of Prometheus, for the node exporter's textfile collector."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from wireguard import apply, drift, firewall, keys, links, paths, state, system, table, tool
from wireguard.errors import HubError
from wireguard.model import Settings

FILE = "groundwork_wireguard.prom"
_PREFIX = "groundwork_wireguard_"
Labels = Mapping[str, str]


@dataclass
class Page:
    """Metrics in the order in which they were added."""

    lines: list[str] = field(default_factory=list)

    def add(self, name: str, kind: str, says: str, samples: Sequence[tuple[Labels, float]]) -> None:
        if samples:
            self.lines += [f"# HELP {_PREFIX}{name} {says}", f"# TYPE {_PREFIX}{name} {kind}"]
            self.lines += [f"{_PREFIX}{name}{_labels(labels)} {_number(value)}" for labels, value in samples]

    def text(self) -> str:
        return "\n".join(self.lines) + "\n"


def _labels(labels: Labels) -> str:
    escaped = (f'{key}="{_escaped(value)}"' for key, value in labels.items())
    return f"{{{','.join(escaped)}}}" if labels else ""


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def _number(value: float) -> str:
    return str(int(value)) if value == int(value) else f"{value:.3f}"


def write(directory: Path | None = None) -> None:
    """Writes the metrics where the exporter looks; without an exporter there is nobody to write for."""
    where = directory or paths.textfile_directory()
    if where.is_dir():
        system.write(where / FILE, collect(), 0o644)


def collect() -> str:
    page = Page()
    try:
        hub = apply.load(accept_older=True, prepare=False)
        actual, every = apply.read(hub)
    except HubError as error:
        page.add("up", "gauge", "Whether the hub can be looked at.", [({"error": str(error)[:200]}, 0)])
        return page.text()
    now = time.time()
    work = drift.find(hub.wanted, actual, lambda _endpoint: None, now)
    page.add("up", "gauge", "Whether the hub can be looked at.", [({}, 1)])
    _of_hub(page, hub, actual, every, len(work.changes))
    _of_peers(page, hub.settings, actual, _endpoint_changes(hub.settings, actual), now)
    _of_rules(page, hub.settings)
    return page.text()


def _of_hub(page: Page, hub: apply.Hub, actual: drift.Actual, every: links.Links, differences: int) -> None:
    found = hub.settings
    page.add(
        "interface_info",
        "gauge",
        "Interfaces that serve, and what runs them.",
        [
            (
                {
                    "interface": interface,
                    "hub": found.hub,
                    "environment": found.environment,
                    "backend": every.found[interface].backend or "",
                    "slot": "active" if slot == hub.wanted.active else "next",
                },
                1,
            )
            for slot in hub.wanted.serving
            if (interface := found.interfaces[slot]) in actual.links
        ],
    )
    gauge = "gauge"
    page.add("drift", gauge, "Differences between the kernel and the settings.", [({}, differences)])
    page.add(
        "firewall_loaded", gauge, "Whether the hub's table is in force.", [({}, bool(actual.table.listing))]
    )
    page.add(
        "revision", gauge, "The revision of the peers' file that the settings are of.", [({}, found.revision)]
    )
    page.add(
        "settings_timestamp_seconds",
        gauge,
        "When the settings were last changed.",
        [({}, _changed(paths.settings_directory() / f"{found.interface}.json"))],
    )
    other = keys.path(found.interface, keys.other(hub.wanted.active))
    page.add(
        "rotation_began_timestamp_seconds",
        gauge,
        "When a rotation of the hub's key began that is not finished.",
        [({}, _changed(other))] if other.exists() else [],
    )


def _changed(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except FileNotFoundError:
        return 0


def _of_peers(
    page: Page, found: Settings, actual: drift.Actual, moves: Mapping[str, int], now: float
) -> None:
    living = len(found.living(now))
    page.add(
        "peers",
        "gauge",
        "Peers of this hub.",
        [({"state": "valid"}, living), ({"state": "expired"}, len(found.peers) - living)],
    )
    page.add(
        "peer_expiry_timestamp_seconds",
        "gauge",
        "When a peer expires.",
        [({"peer": peer.name}, peer.expires_at) for peer in found.peers if peer.expires_at is not None],
    )
    told: list[tuple[Labels, list[tool.LivePeer]]] = []
    for name, owner, group, kind, key in [
        *((peer.name, peer.owner, peer.group, peer.kind, peer.public_key) for peer in found.peers),
        *((hub.name, "", "", "hub", hub.public_key) for hub in found.hubs),
    ]:
        live = [device.peers[key] for device in actual.devices.values() if key in device.peers]
        if live:
            told.append(({"peer": name, "owner": owner, "group": group, "kind": kind}, live))
    page.add(
        "peer_latest_handshake_seconds",
        "gauge",
        "When a peer was last heard of; 0 for never.",
        [(labels, max(one.handshake for one in live)) for labels, live in told],
    )
    for name, says, count in (
        ("received", "Bytes from a peer.", lambda one: one.received),
        ("sent", "Bytes to a peer.", lambda one: one.sent),
    ):
        samples = [({"peer": labels["peer"]}, sum(map(count, live))) for labels, live in told]
        page.add(f"peer_{name}_bytes_total", "counter", says, samples)
    page.add(
        "peer_endpoint_changes_total",
        "counter",
        "How often a peer has come from another address than before.",
        [({"peer": peer.name}, moves.get(peer.public_key, 0)) for peer in found.peers],
    )


def _endpoint_changes(found: Settings, actual: drift.Actual) -> dict[str, int]:
    """Changes by public key, counted from what was seen when this ran before."""
    where = state.path(found.interface).with_name(f"{found.interface}.endpoints.json")
    try:
        before = system.read_json(where) or {}
    except HubError:
        before = {}
    known = {peer.public_key for peer in found.peers}
    after = {key: list(value) for key, value in before.items() if key in known}
    for device in actual.devices.values():
        for key, live in device.peers.items():
            # A port alone changes with each session behind some routers.
            address = (live.endpoint or "").rpartition(":")[0]
            if key not in known or not address:
                continue
            seen, changes, handshake = after.get(key, [address, 0, 0])
            # With two slots, the one heard of last counts.
            if live.handshake >= handshake:
                after[key] = [address, changes + (address != seen), live.handshake]
    moved = {key: value[:2] for key, value in after.items()} != {
        key: value[:2] for key, value in before.items()
    }
    if moved:
        system.write(where, json.dumps(after, sort_keys=True) + "\n")
    return {key: int(value[1]) for key, value in after.items()}


def _of_rules(page: Page, found: Settings) -> None:
    counters = firewall.read_counters()

    def packets(name: str) -> float | None:
        return counters[name]["packets"] if name in counters else None

    allowed = [
        ({"group": group.name, "rule": rule.name}, packets(table.counter(rule.name)))
        for group in found.groups
        for rule in group.rules
    ]
    allowed += [
        ({"group": "", "rule": rule.name}, packets(table.counter(rule.name, inside=True)))
        for rule in found.inside_rules
    ]
    denied = [({"group": group.name}, packets(table.denied(group.name))) for group in found.groups]
    # No group is called so.
    denied += [({"group": "(unknown)"}, packets(table.DENIED_UNKNOWN))]
    denied += [({"group": "(inside)"}, packets(table.DENIED_INSIDE))]
    for name, says, samples in (
        ("rule_allowed_connections_total", "Connections that a rule has let through.", allowed),
        (
            "denied_packets_total",
            "Packets that no rule of the group allows, or of those without a group.",
            denied,
        ),
    ):
        page.add(name, "counter", says, [(labels, value) for labels, value in samples if value is not None])
