"""The hub's private keys, one for each slot, and its peers' preshared keys. No argv and no log has them."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from wireguard import paths, system
from wireguard.errors import HubError
from wireguard.settings import is_key

SLOTS = ("a", "b")


def other(slot: str) -> str:
    return "b" if slot == "a" else "a"


def path(interface: str, slot: str) -> Path:
    return paths.keys_directory() / f"{interface}.{slot}.key"


def read(interface: str, slot: str) -> str | None:
    """A private key; ``None`` when the slot has none. Raises :exc:`HubError` for a file that is no key."""
    where = path(interface, slot)
    try:
        text = where.read_text(encoding="ascii").strip()
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError) as error:
        raise HubError(f"{where} can't be read: {error}") from error
    if not is_key(text):
        raise HubError(f"{where} is no private key. Restore it from a backup; a new key would cut all peers")
    return text


def make(interface: str, slot: str) -> str:
    """Makes a private key where there is none, and gives it."""
    found = read(interface, slot)
    if found is None:
        found = system.run(["wg", "genkey"]).strip()
        store(interface, slot, found)
    return found


def store(interface: str, slot: str, private_key: str) -> None:
    _write(path(interface, slot), private_key + "\n")


def _write(where: Path, text: str) -> None:
    system.directory(paths.keys_directory(), 0o700)
    system.write(where, text)


def forget(interface: str, slot: str) -> None:
    path(interface, slot).unlink(missing_ok=True)


def public(private_key: str) -> str:
    return system.run(["wg", "pubkey"], private_key + "\n").strip()


def active_slot(interface: str, remembered: str) -> str:
    """The slot that clients know: the remembered one, unless a restored backup has only the other's key."""
    if read(interface, remembered) is None and read(interface, other(remembered)) is not None:
        return other(remembered)
    return remembered


@dataclass
class Preshared:
    """Preshared keys, each derived from one secret of the hub.

    They are the same on hubs that share the secret, there before the peer is, and nothing has to be written
    when a peer comes. They depend on the addresses, which rest after a peer has left: nobody gets the key of
    another.
    """

    interface: str
    secret: str
    rotations: dict[str, int] = field(default_factory=dict)

    def of(self, name: str, addresses: Sequence[str]) -> str:
        """The key of a peer, as base64."""
        parts = [
            "groundwork.platform preshared key",
            name,
            *sorted(addresses),
            str(self.rotations.get(name, 0)),
        ]
        secret = base64.b64decode(self.secret)
        return base64.b64encode(hmac.digest(secret, "\0".join(parts).encode(), hashlib.sha256)).decode()

    def rotate(self, name: str) -> None:
        self.rotations[name] = self.rotations.get(name, 0) + 1

    def document(self) -> dict[str, object]:
        return {"secret": self.secret, "rotations": self.rotations}


def preshared_path(interface: str) -> Path:
    return paths.keys_directory() / f"{interface}.preshared.json"


def load_preshared(interface: str) -> Preshared | None:
    """Raises :exc:`HubError` for a file that is damaged: other keys would cut all peers."""
    where = preshared_path(interface)
    found = system.read_json(where)
    if found is None:
        return None
    if not isinstance(found, dict) or not is_key(found.get("secret")):
        raise HubError(f"{where} holds no secret. Restore it from a backup; a new one would cut all peers")
    return Preshared(interface, found["secret"], dict(found.get("rotations", {})))


def make_preshared(interface: str) -> Preshared:
    found = load_preshared(interface)
    if found is None:
        found = Preshared(interface, base64.b64encode(os.urandom(32)).decode())
        save_preshared(found)
    return found


def save_preshared(preshared: Preshared) -> None:
    text = json.dumps(preshared.document(), indent=2, sort_keys=True) + "\n"
    _write(preshared_path(preshared.interface), text)
