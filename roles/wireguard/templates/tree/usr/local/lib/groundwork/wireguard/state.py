"""What only this hub knows: which slot is active, and the newest settings that it has had."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path

from wireguard import paths, system
from wireguard.errors import HubError


@dataclass
class State:
    """active: the slot of the key that clients have. sysctl: kernel settings as they were before this hub."""

    interface: str
    active: str = "a"
    revision: int = 0
    sysctl: dict[str, str] = field(default_factory=dict)


def path(interface: str) -> Path:
    return paths.state_directory() / f"{interface}.json"


def load(interface: str) -> State:
    """The state, or that of a hub that has none yet."""
    found = system.read_json(path(interface))
    if found is None:
        return State(interface)
    known = {one.name for one in fields(State)}
    state = State(**{key: value for key, value in found.items() if key in known})
    if state.active not in ("a", "b"):
        raise HubError(f"{path(interface)}: active is {state.active!r}: must be a or b")
    return state


def save(state: State) -> None:
    """Writes only what differs."""
    text = json.dumps(asdict(state), indent=2, sort_keys=True) + "\n"
    where = path(state.interface)
    if not where.exists() or where.read_text(encoding="utf-8") != text:
        system.write(where, text)


def others(interface: str) -> list[str]:
    """Interfaces that this host has been a hub of, other than the one named."""
    found = paths.state_directory().glob("*.json")
    return sorted(one.stem for one in found if one.stem != interface and "." not in one.stem)
