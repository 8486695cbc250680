"""The deny list's settings: one JSON file, each value checked, each error with key, value and rule."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import MISSING, dataclass, field, fields
from ipaddress import ip_network
from pathlib import Path
from typing import Any

from ipban.settings import Breaker, SettingsError

PATH = Path("/etc/groundwork/ipban/denylist.json")
KINDS = ("ingress-nginx", "envoy-gateway", "cilium")
_NAME = re.compile(r"[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?")
_LIST_NAME = re.compile(r"[a-z][a-z0-9_-]{0,30}")
_LISTEN = re.compile(r"(\[[0-9a-fA-F:.]+\]|[0-9.]+):([0-9]{1,5})")
_SECRET = re.compile(r"(^|\s)password\s*=|://[^/@]*:[^/@]*@", re.IGNORECASE)


@dataclass(frozen=True)
class Target:
    """An object of the cluster that carries the list, and how much of it."""

    kind: str
    name: str
    namespace: str = ""
    max_entries: int = 5000
    # Of the list alone. Objects may have 1.5 MB in all, ConfigMaps 1 MiB of data.
    max_bytes: int = 900_000
    # Names of the Gateways in the same namespace, for envoy-gateway.
    gateways: tuple[str, ...] = ()

    @property
    def label(self) -> str:
        return f"{self.kind}/{self.namespace + '/' if self.namespace else ''}{self.name}"


@dataclass(frozen=True)
class DenylistSettings:
    conninfo: str
    targets: tuple[Target, ...]
    lists: tuple[str, ...] = ("all",)
    # Never denied, besides the allow list of the database.
    protected: tuple[str, ...] = ()
    poll_seconds: float = 30
    # Between two writes: each makes the ingress load its configuration anew.
    min_seconds: float = 5
    listen: str = ""
    breaker: Breaker = field(default_factory=Breaker)


def load(path: Path = PATH) -> DenylistSettings:
    """The settings in a file; raises :exc:`SettingsError`."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise SettingsError(f"{path} can't be read: {error.strerror}") from error
    except ValueError as error:
        raise SettingsError(f"{path} is no JSON: {error}") from error
    return check(found)


def check(found: Any) -> DenylistSettings:
    """Settings from parsed JSON; raises :exc:`SettingsError` with all that is wrong."""
    wrong: list[str] = []
    settings = DenylistSettings("", ())
    values = _known(DenylistSettings, found, "", wrong)
    targets = values.pop("targets", None)
    if not isinstance(targets, list) or not targets:
        wrong.append(f"targets is {_shown(targets)}: must be a list of at least one object")
        targets = []
    breaker = _known(Breaker, values.pop("breaker", {}), "breaker.", wrong)
    made = tuple(_target(target, f"targets[{index}]", wrong) for index, target in enumerate(targets))
    if not wrong:
        settings = DenylistSettings(**values, targets=made, breaker=Breaker(**breaker))
        _rules(settings, wrong)
    if wrong:
        raise SettingsError("\n".join(wrong))
    return settings


def _target(found: Any, place: str, wrong: list[str]) -> Target:
    count = len(wrong)
    values = _known(Target, found, f"{place}.", wrong)
    return Target(**values) if len(wrong) == count else Target("", "")


def _known(section: type[Any], found: Any, prefix: str, wrong: list[str]) -> dict[str, Any]:
    """Values by key; those of another type than the key's, unknown and missing ones are errors."""
    if not isinstance(found, Mapping):
        wrong.append(f"{prefix.rstrip('.') or 'the settings'} is {_shown(found)}: must be a JSON object")
        return {}
    known = {one.name: one for one in fields(section)}
    for name, one in known.items():
        if name not in found and one.default is MISSING and one.default_factory is MISSING:
            wrong.append(f"{prefix}{name} is missing")
    values: dict[str, Any] = {}
    for key, value in found.items():
        if key not in known:
            wrong.append(f"{prefix}{key} is unknown: must be one of {', '.join(sorted(known))}")
            continue
        rule = _misfit(str(known[key].type), value)
        if rule:
            wrong.append(f"{prefix}{key} is {_shown(value)}: must be {rule}")
        values[key] = tuple(value) if isinstance(value, list) and key != "targets" else value
    return values


def _misfit(kind: str, value: Any) -> str:
    """What a value of this type must be, when it is something else."""
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if kind == "str":
        return "" if isinstance(value, str) else "a string"
    if kind == "int":
        return "" if number and isinstance(value, int) else "a whole number"
    if kind == "float":
        return "" if number else "a number"
    if kind == "tuple[str, ...]":
        right = isinstance(value, list) and all(isinstance(item, str) for item in value)
        return "" if right else "a list of strings"
    return ""


def _shown(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, default=str)[:120]


def _rules(settings: DenylistSettings, wrong: list[str]) -> None:
    def must(holds: bool, name: str, value: Any, rule: str) -> None:
        if not holds:
            wrong.append(f"{name} is {_shown(value)}: must {rule}")

    must(bool(settings.conninfo.strip()), "conninfo", settings.conninfo, "name a database")
    # Its value stays out of the message.
    secret = _SECRET.search(settings.conninfo)
    must(not secret, "conninfo", "...", "not carry a password: use a file with services")
    for name in settings.lists:
        must(bool(_LIST_NAME.fullmatch(name)), "lists", name, "be lower case letters, digits, _ and -")
    for network in settings.protected:
        must(_is_network(network), "protected", network, "be a network, without host bits")
    for key, low, high in (("poll_seconds", 1, 3600), ("min_seconds", 0, 3600)):
        value = getattr(settings, key)
        must(low <= value <= high, key, value, f"be from {low} to {high}")
    listen = _LISTEN.fullmatch(settings.listen)
    usable = settings.listen == "" or (listen is not None and 0 < int(listen[2]) < 65536)
    must(usable, "listen", settings.listen, "be address:port, [address]:port or empty")
    for index, target in enumerate(settings.targets):
        place = f"targets[{index}]"
        must(target.kind in KINDS, f"{place}.kind", target.kind, f"be one of {', '.join(KINDS)}")
        must(bool(_NAME.fullmatch(target.name)), f"{place}.name", target.name, "be the name of an object")
        namespaced = target.kind != "cilium"
        must(
            bool(_NAME.fullmatch(target.namespace)) if namespaced else not target.namespace,
            f"{place}.namespace",
            target.namespace,
            "be the name of a namespace" if namespaced else "be empty: the object is of the whole cluster",
        )
        must(
            bool(target.gateways) == (target.kind == "envoy-gateway"),
            f"{place}.gateways",
            target.gateways,
            "name Gateways for envoy-gateway, and nothing for the others",
        )
        for key, high in (("max_entries", 200_000), ("max_bytes", 1_000_000)):
            value = getattr(target, key)
            must(1 <= value <= high, f"{place}.{key}", value, f"be from 1 to {high}")
    labels = [target.label for target in settings.targets]
    must(len(set(labels)) == len(labels), "targets", labels, "not name an object twice")


def _is_network(text: str) -> bool:
    try:
        ip_network(text)
    except ValueError:
        return False
    return True
