"""Where things are on a hub. Tests move all of it by ``ROOT``."""

from __future__ import annotations

from pathlib import Path

ROOT = Path("/")


def settings_directory() -> Path:
    return ROOT / "etc/groundwork/wireguard"


def keys_directory() -> Path:
    """Private keys, 0700."""
    return settings_directory() / "keys"


def state_directory() -> Path:
    """What only this hub knows, and what a restart must not lose."""
    return ROOT / "var/lib/groundwork-wireguard"


def lock() -> Path:
    return ROOT / "run/groundwork-wireguard.lock"


def textfile_directory() -> Path:
    """Where the node exporter looks; metrics are written when it is there."""
    return ROOT / "var/lib/prometheus/node-exporter"


def sysctl(name: str) -> Path:
    """The file of a kernel setting; ``name`` with slashes, as an interface's name may hold dots."""
    return ROOT / "proc/sys" / name
