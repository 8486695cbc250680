"""The agent's settings: one JSON file, each value checked, each error with key, value and rule."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from ipaddress import ip_network
from pathlib import Path
from typing import Any, TypeVar, Union

PATH = Path("/etc/groundwork/ipban/agent.json")


class SettingsError(Exception):
    """All that is wrong with the settings, a line each."""


@dataclass(frozen=True)
class Store:
    """``conninfo`` of libpq; a password has no place in it."""

    conninfo: str = "host=localhost dbname=ipban"


@dataclass(frozen=True)
class Guard:
    """What is never dropped, besides the allow list of the database."""

    networks: tuple[str, ...] = ()
    own_addresses: bool = True
    gateway: bool = True
    store: bool = True
    ssh_peers: bool = True


@dataclass(frozen=True)
class Breaker:
    """A change is refused when it goes beyond both its factor and its minimum of entries."""

    growth_factor: float = 2.0
    growth_minimum: int = 10000
    shrink_factor: float = 0.5
    shrink_minimum: int = 1000


@dataclass(frozen=True)
class Settings:
    store: Store = field(default_factory=Store)
    lists: tuple[str, ...] = ("all",)
    backend: str = "auto"
    families: tuple[int, ...] = (4, 6)
    action: str = "drop"
    counters: bool = True
    log_sample: int = 0
    poll_seconds: float = 30
    audit_seconds: float = 86400
    host_limit: int = 2000000
    network_limit: int = 131072
    guard: Guard = field(default_factory=Guard)
    breaker: Breaker = field(default_factory=Breaker)
    state_directory: str = "/var/lib/groundwork/ipban"
    textfile_directory: str = "/var/lib/prometheus/node-exporter"
    listen: str = ""


_LIST_NAME = re.compile(r"[a-z][a-z0-9_-]{0,30}")
_LISTEN = re.compile(r"(\[[0-9a-fA-F:.]+\]|[^:\[\]]+):([0-9]{1,5})")
_SECRET = re.compile(r"(^|\s)password\s*=", re.IGNORECASE)


def load(path: Path = PATH) -> Settings:
    """The settings in a file; raises :exc:`SettingsError`."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise SettingsError(f"{path} can't be read: {error.strerror}") from error
    except ValueError as error:
        raise SettingsError(f"{path} is no JSON: {error}") from error
    return check(found)


def check(found: Any) -> Settings:
    """Settings from parsed JSON; raises :exc:`SettingsError` with all that is wrong."""
    wrong: list[str] = []
    settings = _build(Settings, found, "", wrong)
    if not wrong:
        _rules(settings, wrong)
    if wrong:
        raise SettingsError("\n".join(wrong))
    return settings


Section = TypeVar("Section", bound=Union[Settings, Store, Guard, Breaker])


def _build(section: type[Section], found: Any, prefix: str, wrong: list[str]) -> Section:
    if not isinstance(found, Mapping):
        wrong.append(f"{prefix.rstrip('.') or 'the settings'} is {_shown(found)}: must be a JSON object")
        return section()
    known = {one.name: one for one in fields(section)}
    defaults = section()
    values: dict[str, Any] = {}
    for key, value in found.items():
        name = f"{prefix}{key}"
        if key not in known:
            wrong.append(f"{name} is unknown: must be one of {', '.join(sorted(known))}")
            continue
        default = getattr(defaults, key)
        if isinstance(default, (Store, Guard, Breaker)):
            values[key] = _build(type(default), value, f"{name}.", wrong)
        else:
            values[key] = _value(name, value, default, str(known[key].type), wrong)
    return section(**values)


def _value(name: str, value: Any, default: Any, kind: str, wrong: list[str]) -> Any:
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if isinstance(default, bool):
        fits, rule = isinstance(value, bool), "true or false"
    elif kind == "int":
        fits, rule = number and isinstance(value, int), "a whole number"
    elif kind == "float":
        fits, rule = number, "a number"
    elif isinstance(default, tuple):
        of = int if kind == "tuple[int, ...]" else str
        fits = isinstance(value, list) and all(
            isinstance(item, of) and not isinstance(item, bool) for item in value
        )
        rule = "a list of numbers" if of is int else "a list of strings"
    else:
        fits, rule = isinstance(value, str), "a string"
    if not fits:
        wrong.append(f"{name} is {_shown(value)}: must be {rule}")
        return default
    return tuple(value) if isinstance(default, tuple) else value


def _shown(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, default=str)[:120]


def _rules(settings: Settings, wrong: list[str]) -> None:
    def must(holds: bool, name: str, value: Any, rule: str) -> None:
        if not holds:
            wrong.append(f"{name} is {_shown(value)}: must {rule}")

    conninfo = settings.store.conninfo
    must(bool(conninfo.strip()), "store.conninfo", conninfo, "name a database")
    # Its value stays out of the message.
    must(not _SECRET.search(conninfo), "store.conninfo", "...", "not carry a password: use a passfile")
    must(bool(settings.lists), "lists", settings.lists, "name at least one list")
    for name in settings.lists:
        must(
            bool(_LIST_NAME.fullmatch(name)),
            "lists",
            name,
            "be lower case letters, digits, _ and -, at most 31",
        )
    must(settings.backend in ("auto", "nft", "ipset"), "backend", settings.backend, "be auto, nft or ipset")
    must(settings.action in ("drop", "reject"), "action", settings.action, "be drop or reject")
    families = settings.families
    must(
        bool(families) and set(families) <= {4, 6} and len(set(families)) == len(families),
        "families",
        families,
        "be 4, 6 or both",
    )
    for key, low, high in (
        ("log_sample", 0, 6000),
        ("poll_seconds", 1, 3600),
        ("audit_seconds", 60, 30 * 86400),
        ("host_limit", 1, 16000000),
        ("network_limit", 1, 1000000),
    ):
        value = getattr(settings, key)
        must(low <= value <= high, key, value, f"be from {low} to {high}")
    for network in settings.guard.networks:
        must(
            _is_network(network),
            "guard.networks",
            network,
            "be a network such as 192.0.2.0/24, without host bits",
        )
    breaker = settings.breaker
    must(breaker.growth_factor > 1, "breaker.growth_factor", breaker.growth_factor, "be above 1")
    must(
        0 <= breaker.shrink_factor < 1, "breaker.shrink_factor", breaker.shrink_factor, "be from 0 to below 1"
    )
    for key in ("growth_minimum", "shrink_minimum"):
        value = getattr(breaker, key)
        must(value >= 0, f"breaker.{key}", value, "not be negative")
    must(
        settings.state_directory.startswith("/"),
        "state_directory",
        settings.state_directory,
        "be an absolute path",
    )
    textfiles = settings.textfile_directory
    must(
        textfiles == "" or textfiles.startswith("/"),
        "textfile_directory",
        textfiles,
        "be an absolute path or empty",
    )
    listen = _LISTEN.fullmatch(settings.listen)
    must(
        settings.listen == "" or (listen is not None and 0 < int(listen[2]) < 65536),
        "listen",
        settings.listen,
        "be address:port, [address]:port or empty",
    )


def listen_address(text: str) -> str:
    """``address:port`` as a setting has it, with brackets around an IPv6 address that came without any."""
    address, _colon, port = text.rpartition(":")
    if ":" in address and not address.startswith("["):
        text = f"[{address}]:{port}"
    found = _LISTEN.fullmatch(text)
    if found is None or not 0 < int(found[2]) < 65536:
        raise SettingsError(f"--listen is {text}: must be address:port")
    return text


def _is_network(text: str) -> bool:
    try:
        ip_network(text)
    except ValueError:
        return False
    return True
