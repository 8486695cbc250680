"""The documentation of our modules and plugins, with fragments resolved, as ``ansible-doc`` gives it."""

from __future__ import annotations

import json
import os
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from docs.markup import COLLECTION
from docs.specs import Option, options

KINDS = ("module", "filter", "lookup", "test")


class PluginError(Exception):
    """Documentation that Ansible can't read; the message is ansible-doc's own."""


@dataclass(frozen=True)
class Attribute:
    """How far a plugin supports something, such as check mode."""

    name: str
    support: str
    description: tuple[str, ...]


@dataclass(frozen=True)
class Plugin:
    """A module or another plugin. ``name`` is fully qualified, ``examples`` is YAML."""

    kind: str
    name: str
    summary: str
    description: tuple[str, ...]
    options: tuple[Option, ...]
    attributes: tuple[Attribute, ...]
    examples: str
    returns: tuple[Option, ...]

    @property
    def short(self) -> str:
        return self.name.removeprefix(f"{COLLECTION}.")


def read(root: Path) -> tuple[Plugin, ...]:
    """All documented plugins of the checkout, by kind and name."""
    done = subprocess.run(
        ["ansible-doc", "--metadata-dump", COLLECTION],
        capture_output=True,
        text=True,
        check=False,
        env={
            **os.environ,
            "ANSIBLE_CONFIG": str(root / "ansible.cfg"),
            "ANSIBLE_COLLECTIONS_PATH": str(root / "collections"),
        },
    )
    if done.returncode != 0:
        raise PluginError(f"ansible-doc failed:\n{done.stderr.strip()}")
    found = json.loads(done.stdout)["all"]
    return tuple(
        _plugin(kind, name, entry) for kind in KINDS for name, entry in sorted(found.get(kind, {}).items())
    )


def _plugin(kind: str, name: str, entry: dict[str, Any]) -> Plugin:
    doc = entry["doc"]
    return Plugin(
        kind=kind,
        name=name,
        summary=doc["short_description"],
        description=_texts(doc["description"]),
        options=options(doc.get("options")),
        attributes=tuple(
            Attribute(key, value["support"], _texts(value.get("description")) + _texts(value.get("details")))
            for key, value in doc.get("attributes", {}).items()
        ),
        examples=(entry.get("examples") or "").strip(),
        returns=_returns(entry.get("return")),
    )


def _returns(raw: dict[str, Any] | None) -> tuple[Option, ...]:
    return tuple(
        Option(
            name=name,
            type=str(value.get("type", "raw")),
            description=_texts(value.get("description"))
            + (() if value.get("returned", "always") == "always" else (f"Returned: {value['returned']}.",)),
            options=_returns(value.get("contains")),
        )
        for name, value in (raw or {}).items()
    )


def _texts(value: Any) -> tuple[str, ...]:
    if value is None:
        return ()
    return tuple(str(text) for text in (value if isinstance(value, list) else [value]))
