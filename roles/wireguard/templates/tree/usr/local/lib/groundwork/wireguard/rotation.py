"""A new key for the hub, beside the old one: both serve until all peers have moved."""

from __future__ import annotations

from typing import Any

from wireguard import apply, keys, links, public, state, system, tool


def rotate(step: str) -> dict[str, Any]:
    """``begin``, ``finish`` or ``abort``; what is done already is not done again."""
    with system.alone():
        hub = apply.load()
        interface, active = hub.settings.interface, hub.wanted.active
        other = keys.other(active)
        under_way = keys.read(interface, other) is not None
        changed = under_way != (step == "begin")
        waiting = _waiting(hub, other) if under_way else []
        if changed and step == "begin":
            keys.make(interface, other)
        elif changed and step == "finish":
            # The order counts: a hub that stops in between comes back with the new key.
            hub.state.active = other
            state.save(hub.state)
            keys.forget(interface, active)
        elif changed:
            keys.forget(interface, other)
        done = apply.reconcile(apply.load())
        return {
            **done.document(),
            "changed": changed or bool(done.changes),
            **public.of_keys(interface, hub.settings.ports),
            "waiting": waiting if step != "begin" else [],
        }


def rotate_preshared(name: str) -> dict[str, Any]:
    """Another preshared key for a peer; it is cut until it has it too."""
    with system.alone():
        hub = apply.load()
        found = keys.make_preshared(hub.settings.interface)
        found.rotate(name)
        keys.save_preshared(found)
        return apply.reconcile(apply.load()).document()


def _waiting(hub: apply.Hub, slot: str) -> list[str]:
    """Peers that are in use and have never come by the new key."""
    every = links.read().found
    devices = {one: tool.read(name) for one, name in hub.settings.interfaces.items() if name in every}
    new, old = devices.get(slot), devices.get(keys.other(slot))
    if new is None or old is None:
        return []
    return [
        peer.name
        for key, peer in hub.wanted.peers.items()
        if key in old.peers
        and old.peers[key].handshake
        and not (key in new.peers and new.peers[key].handshake)
    ]
