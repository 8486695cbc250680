"""What everybody may know of a hub: public keys, ports, and what its peers do."""

from __future__ import annotations

import time
from typing import Any

from wireguard import keys, links, state, tool
from wireguard.model import Settings


def of_keys(interface: str, ports: dict[str, int]) -> dict[str, Any]:
    """Public keys and ports of both slots; ``None`` for a key that is not there."""
    active = keys.active_slot(interface, state.load(interface).active)
    found: dict[str, Any] = {"interface": interface, "active": active}
    for slot, prefix in ((active, ""), (keys.other(active), "next_")):
        private = keys.read(interface, slot)
        found[f"{prefix}public_key"] = keys.public(private) if private else None
        found[f"{prefix}port"] = ports[slot] if private else None
    return found


def of_hub(settings: Settings) -> dict[str, Any]:
    """All of it, with peers as they are at present."""
    every = links.read().found
    present = {
        slot: name for slot, name in settings.interfaces.items() if name in every and every[name].backend
    }
    devices = {slot: tool.read(name) for slot, name in present.items()}
    now = time.time()
    return {
        **of_keys(settings.interface, settings.ports),
        "environment": settings.environment,
        "hub": settings.hub,
        "revision": settings.revision,
        "addresses": list(settings.addresses),
        "backend": next((every[name].backend for name in present.values()), None),
        "peers": [
            {
                "name": name,
                **told,
                "public_key": key,
                **_session(key, devices, now),
            }
            for name, key, told in _everyone(settings, now)
        ],
    }


def _everyone(settings: Settings, now: float) -> list[tuple[str, str, dict[str, Any]]]:
    peers = [
        (
            peer.name,
            peer.public_key,
            {
                "owner": peer.owner,
                "group": peer.group,
                "addresses": list(peer.addresses),
                "expires_at": peer.expires_at,
                "expired": peer.expires_at is not None and peer.expires_at <= now,
            },
        )
        for peer in settings.peers
    ]
    hubs = [
        (hub.name, hub.public_key, {"owner": None, "group": None, "addresses": list(hub.addresses)})
        for hub in settings.hubs
    ]
    return [*peers, *hubs]


def _session(key: str, devices: dict[str, tool.Device], now: float) -> dict[str, Any]:
    """Of the slot that heard of the peer last; bytes of both."""
    found = {slot: device.peers[key] for slot, device in devices.items() if key in device.peers}
    if not found:
        return {
            "slot": None,
            "endpoint": None,
            "handshake_at": None,
            "handshake_age": None,
            "received": 0,
            "sent": 0,
        }
    slot = max(found, key=lambda one: found[one].handshake)
    live = found[slot]
    return {
        "slot": slot if live.handshake else None,
        "endpoint": live.endpoint,
        "handshake_at": live.handshake or None,
        "handshake_age": round(now - live.handshake) if live.handshake else None,
        "received": sum(one.received for one in found.values()),
        "sent": sum(one.sent for one in found.values()),
    }
