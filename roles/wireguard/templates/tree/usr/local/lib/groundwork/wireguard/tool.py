"""WireGuard's own interface, by ``wg``: what it says, and what it is told. Secrets go by standard input."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from wireguard import system
from wireguard.errors import HubError

# Public keys in one argument list; the kernel allows some 45,000.
_AT_ONCE = 500
_NONE = "A" * 43 + "="


@dataclass(frozen=True)
class LivePeer:
    """A peer as it is. handshake: seconds since 1970, 0 for none."""

    preshared_key: str | None
    endpoint: str | None
    allowed: frozenset[str]
    handshake: int
    received: int
    sent: int
    keepalive: int


@dataclass(frozen=True)
class Device:
    """An interface as it is."""

    private_key: str | None
    port: int
    mark: int
    peers: dict[str, LivePeer] = field(default_factory=dict)


@dataclass(frozen=True)
class WantedPeer:
    """A peer as it should be. endpoint: an address with a port, or ``None`` for wherever it comes from."""

    name: str
    allowed: frozenset[str]
    preshared_key: str | None = None
    keepalive: int = 0
    endpoint: str | None = None


def read(interface: str) -> Device:
    lines = system.run(["wg", "show", interface, "dump"]).splitlines()
    if not lines:
        raise HubError(f"wg show {interface} dump says nothing")
    private, _public, port, mark = lines[0].split("\t")
    return Device(
        None if private == "(none)" else private,
        int(port),
        0 if mark == "off" else int(mark, 0),
        dict(_peer(line) for line in lines[1:]),
    )


def _peer(line: str) -> tuple[str, LivePeer]:
    public, preshared, endpoint, allowed, handshake, received, sent, keepalive = line.split("\t")
    return public, LivePeer(
        None if preshared == "(none)" else preshared,
        None if endpoint == "(none)" else endpoint,
        frozenset() if allowed == "(none)" else frozenset(allowed.split(",")),
        int(handshake),
        int(received),
        int(sent),
        0 if keepalive == "off" else int(keepalive),
    )


def configure(interface: str, private_key: str, port: int) -> None:
    """Key and port. Both are named, since what a configuration does not name stays; sessions live on."""
    system.run(
        ["wg", "set", interface, "listen-port", str(port), "fwmark", "0", "private-key", "/dev/stdin"],
        private_key + "\n",
    )


def remove(interface: str, public_keys: Sequence[str]) -> None:
    for start in range(0, len(public_keys), _AT_ONCE):
        chunk = public_keys[start : start + _AT_ONCE]
        argv = ["wg", "set", interface]
        for key in chunk:
            argv += ["peer", key, "remove"]
        system.run(argv)


def add(interface: str, peers: dict[str, WantedPeer]) -> None:
    """Adds and changes peers, and leaves the interface and all other peers alone."""
    sections = []
    for key, peer in peers.items():
        lines = ["[Peer]", f"PublicKey = {key}", f"PresharedKey = {peer.preshared_key or _NONE}"]
        # The next key of a hub has none yet, and wg takes no empty line.
        if peer.allowed:
            lines.append(f"AllowedIPs = {', '.join(sorted(peer.allowed))}")
        if peer.endpoint:
            lines.append(f"Endpoint = {peer.endpoint}")
        lines.append(f"PersistentKeepalive = {peer.keepalive or 'off'}")
        sections.append("\n".join(lines))
    if sections:
        system.run(["wg", "addconf", interface, "/dev/stdin"], "\n".join(sections) + "\n")
