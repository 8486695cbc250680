"""One key for several hubs: it goes from hub to hub encrypted to the one that takes it."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from wireguard import keys, paths, state, system
from wireguard.errors import HubError, UsageError
from wireguard.settings import is_key

_RECIPIENT = re.compile(r"age1[0-9a-z]{58}")


def _identity(interface: str) -> Path:
    return paths.keys_directory() / f"{interface}.age"


def recipient(interface: str) -> dict[str, Any]:
    """Who this hub is to age; its identity is made where there is none, and stays here."""
    where = _identity(interface)
    made = not where.exists()
    if made:
        system.directory(where.parent, 0o700)
        system.write(where, system.run(["age-keygen"]))
    return {"changed": made, "recipient": system.run(["age-keygen", "-y", str(where)]).strip()}


def export(interface: str, to: str) -> dict[str, Any]:
    """The hub's keys, encrypted."""
    if not _RECIPIENT.fullmatch(to):
        raise UsageError(f"recipient is {to!r}: must be what the other hub's share-key recipient says")
    active = keys.active_slot(interface, state.load(interface).active)
    private = {slot: keys.read(interface, slot) for slot in keys.SLOTS}
    if private[active] is None:
        raise HubError(f"{keys.path(interface, active)} is missing: this hub has no key to share")
    content = {
        "active": active,
        "private_keys": private,
        "preshared": keys.make_preshared(interface).document(),
    }
    text = system.run(["age", "--encrypt", "--armor", "--recipient", to], json.dumps(content))
    return {"changed": False, "ciphertext": text}


def take(interface: str, ciphertext: str) -> dict[str, Any]:
    """Keys of the hub that shares them, in place of our own."""
    text = system.run(["age", "--decrypt", "--identity", str(_identity(interface))], ciphertext)
    found = json.loads(text)
    private, active = found["private_keys"], found["active"]
    if (
        active not in keys.SLOTS
        or not is_key(private.get(active))
        or not is_key(found["preshared"]["secret"])
    ):
        raise HubError("what was decrypted holds no keys of a hub")
    with system.alone():
        shared = keys.Preshared(interface, found["preshared"]["secret"], found["preshared"]["rotations"])
        known = state.load(interface)
        changed = known.active != active or shared != keys.load_preshared(interface)
        # The active one first: a hub that stops in between has a key.
        for slot in (active, keys.other(active)):
            if private.get(slot) != keys.read(interface, slot):
                changed = True
                if private.get(slot):
                    keys.store(interface, slot, private[slot])
                else:
                    keys.forget(interface, slot)
        if changed:
            keys.save_preshared(shared)
            known.active = active
            state.save(known)
    return {"changed": changed}
