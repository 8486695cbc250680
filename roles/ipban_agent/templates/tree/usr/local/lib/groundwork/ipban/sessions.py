"""Who is logged in over SSH at present, seen without privileges.

An established connection to sshd is not yet a session: who tries passwords has one too, and must not be safe
from a ban by that. A connection is a session when logind says so; when it has been there for longer than sshd
lets anybody stay who has not proven who they are; or when sshd's processes are all past that point.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from ipaddress import IPv6Address, ip_address
from pathlib import Path

# sshd's LoginGraceTime is 120 seconds unless somebody makes it longer.
PROVEN_AFTER = 150.0
_ESTABLISHED = "01"
_TITLE = re.compile(r"sshd(-session)?: \S+@\S+")
_UNPROVEN = re.compile(r"sshd-auth: |sshd(-session)?: .*\[(accepted|net|preauth)\]")


class Sessions:
    """The peers of SSH sessions; asked now and then, it remembers since when connections have been there."""

    def __init__(self, clock: Callable[[], float], root: Path = Path("/")) -> None:
        self._clock = clock
        self._root = root
        self._since: dict[tuple[bytes, int, int], float] = {}

    def peers(self) -> set[bytes]:
        now = self._clock()
        ports = self._ports()
        present = {connection for connection in self._connections() if connection[1] in ports}
        self._since = {connection: self._since.get(connection, now) for connection in present}
        peers = self._of_logind()
        proven = bool(present) and self._all_proven()
        peers.update(
            address
            for (address, _ignored, _ignored), since in self._since.items()
            if proven or now - since >= PROVEN_AFTER
        )
        return peers

    def _connections(self) -> Iterable[tuple[bytes, int, int]]:
        """Established ones: (peer's address, own port, peer's port)."""
        for name in ("tcp", "tcp6"):
            for line in self._lines(f"proc/net/{name}")[1:]:
                columns = line.split()
                if len(columns) > 3 and columns[3] == _ESTABLISHED:
                    own, peer = columns[1], columns[2]
                    address, _ignored, port = peer.partition(":")
                    yield _address(address), int(own.rpartition(":")[2], 16), int(port, 16)

    def _ports(self) -> set[int]:
        """sshd's, as far as its configuration may be read."""
        ports = {22}
        folder = self._root / "etc/ssh"
        for path in (folder / "sshd_config", *sorted((folder / "sshd_config.d").glob("*.conf"))):
            for line in self._lines(path.relative_to(self._root)):
                words = line.split()
                if len(words) == 2 and words[0].lower() == "port" and words[1].isdigit():
                    ports.add(int(words[1]))
        return ports

    def _of_logind(self) -> set[bytes]:
        found: set[bytes] = set()
        for path in self._glob("run/systemd/sessions", "*"):
            values = dict(
                line.split("=", 1) for line in self._lines(path.relative_to(self._root)) if "=" in line
            )
            if values.get("REMOTE") == "1" and values.get("STATE") != "closing":
                try:
                    found.add(_unmapped(ip_address(values.get("REMOTE_HOST", ""))))
                except ValueError:
                    # A name: sshd was told to resolve addresses.
                    continue
        return found

    def _all_proven(self) -> bool:
        titles = []
        for path in self._glob("proc", "[0-9]*"):
            try:
                title = (path / "cmdline").read_bytes()
            except OSError:
                continue
            if title.startswith(b"sshd"):
                titles.append(title.replace(b"\0", b" ").decode("utf-8", "replace"))
        return any(map(_TITLE.match, titles)) and not any(map(_UNPROVEN.match, titles))

    def _glob(self, folder: str, pattern: str) -> Iterable[Path]:
        try:
            return list((self._root / folder).glob(pattern))
        except OSError:
            return []

    def _lines(self, path: Path | str) -> list[str]:
        try:
            return (self._root / path).read_text(encoding="utf-8", errors="replace").splitlines()
        except OSError:
            return []


def _address(text: str) -> bytes:
    """An address as /proc/net/tcp writes it: words of 32 bits in the machine's byte order."""
    raw = bytes.fromhex(text)
    packed = b"".join(raw[offset : offset + 4][::-1] for offset in range(0, len(raw), 4))
    return _unmapped(ip_address(packed))


def _unmapped(address: object) -> bytes:
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return (mapped or address).packed  # type: ignore[attr-defined, no-any-return]
