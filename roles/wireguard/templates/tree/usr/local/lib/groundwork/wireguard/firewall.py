"""The table in the kernel: whether it is what was loaded last, and loading it."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from wireguard import paths, system
from wireguard.model import family
from wireguard.table import FAMILIES, TABLE, Carried

_LEARNT = re.compile(r"(set moved_ipv[46] \{[^}]*?)\n\s*elements = \{([^}]*)\}")


@dataclass(frozen=True)
class Live:
    """The table as it is.

    listing: without counters' values and what was learnt, empty when there is no table.
    moved: what was learnt, the addresses of those who came last by the slot that is not active.
    """

    listing: str
    loaded: str
    moved: frozenset[str] = frozenset()

    def holds(self, text: str) -> bool:
        """Whether the table is what loading ``text`` made."""
        return bool(self.listing) and self.loaded == f"{_digest(text)} {_digest(self.listing)}"


def read() -> Live:
    text = _list()
    moved = [one.strip() for _set, elements in _LEARNT.findall(text) for one in elements.split(",")]
    return Live(_without_learnt(text), _remembered(), frozenset(moved))


def load(text: str, plain: str) -> None:
    """Replaces the table in one transaction; raises :exc:`HubError` and leaves it when nft refuses.

    ``plain``: the same without what was carried over, which is what :meth:`Live.holds` is asked for.
    """
    system.run(["nft", "-f", "-"], text)
    system.write(_memory(), f"{_digest(plain)} {_digest(_without_learnt(_list()))}\n")


def move(added: Iterable[str], removed: Iterable[str]) -> None:
    """Corrects what was learnt."""
    lines = [_element("add", one) for one in added]
    # What is not there can't be deleted, and a packet may have deleted it by now.
    lines += [_element(verb, one) for one in removed for verb in ("add", "delete")]
    if lines:
        system.run(["nft", "-f", "-"], "".join(lines))


def _element(verb: str, address: str) -> str:
    return f"{verb} element inet {TABLE} moved_ipv{family(address)} {{ {address} }}\n"


def delete() -> None:
    system.run(["nft", f"add table inet {TABLE}; delete table inet {TABLE}"])
    _memory().unlink(missing_ok=True)


def carried() -> Carried:
    """What a new table takes over from the one that there is."""
    live = read()
    counters = {name: (values["packets"], values["bytes"]) for name, values in read_counters().items()}
    moved = {version: sorted(one for one in live.moved if family(one) == version) for version in FAMILIES}
    return Carried(counters, moved)


def read_counters() -> dict[str, dict[str, int]]:
    """Packets and bytes by the counters' names; empty without a table."""
    text = system.run(["nft", "-j", "list", "counters", "table", "inet", TABLE], missing=True)
    found = json.loads(text)["nftables"] if text else []
    return {
        one["counter"]["name"]: {"packets": one["counter"]["packets"], "bytes": one["counter"]["bytes"]}
        for one in found
        if "counter" in one and one["counter"]["table"] == TABLE
    }


def _list() -> str:
    return system.run(["nft", "-s", "list", "table", "inet", TABLE], missing=True)


def _without_learnt(text: str) -> str:
    return _LEARNT.sub(r"\1", text)


def _memory() -> Path:
    # As volatile as the table itself.
    return paths.ROOT / "run/groundwork-wireguard/table"


def _remembered() -> str:
    try:
        return _memory().read_text(encoding="ascii").strip()
    except FileNotFoundError:
        return ""


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
