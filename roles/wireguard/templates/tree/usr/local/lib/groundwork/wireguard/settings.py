"""Reads the settings: one JSON file, each value checked, each error with key, value and rule."""

from __future__ import annotations

import base64
import binascii
import json
import re
import socket
from collections.abc import Callable, Iterable, Mapping
from dataclasses import MISSING, fields
from ipaddress import ip_network
from pathlib import Path
from typing import Any, TypeVar

from wireguard import paths
from wireguard.errors import SettingsError
from wireguard.model import (
    KINDS,
    PROTOCOLS,
    AnyRule,
    Elsewhere,
    Group,
    InsideRule,
    OtherHub,
    Peer,
    Ports,
    Rule,
    Settings,
    Somebody,
)

_NAME = re.compile(r"[a-z][a-z0-9-]{0,30}")
_INTERFACE = re.compile(r"[A-Za-z0-9_-]{1,13}")
_RULE_NAME = re.compile(r"[a-z][a-z0-9-]{0,30} [1-9][0-9]{0,5}")
_ENDPOINT = re.compile(r"(\[[0-9a-fA-F:.]+\]|[A-Za-z0-9._-]+):([0-9]{1,5})")
_FAMILIES = {False: socket.AF_INET, True: socket.AF_INET6}


def find() -> Path:
    """The one settings file of this host; raises :exc:`SettingsError` when there is none, or several."""
    found = sorted(paths.settings_directory().glob("*.json"))
    if len(found) != 1:
        names = ", ".join(path.name for path in found) or "none"
        raise SettingsError(f"{paths.settings_directory()} must hold the settings of one hub; it has {names}")
    return found[0]


def load(path: Path) -> Settings:
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
    if settings is not None and not wrong:
        _relations(settings, wrong)
    if wrong or settings is None:
        raise SettingsError("\n".join(wrong[:50]))
    return settings


def check_revision(settings: Settings, known: int) -> None:
    """Raises :exc:`SettingsError` when the hub has had newer settings than these."""
    if settings.revision < known and not settings.accept_older:
        raise SettingsError(
            f"revision is {settings.revision}: must not be older than {known}, which this hub has had. Peers "
            "that were revoked since would come back. Bring the checkout up to date (git pull); to go back "
            "on purpose, converge with -e wireguard_accept_older_peers=true"
        )


Section = TypeVar("Section", Settings, Peer, OtherHub, Elsewhere, Group, Rule, InsideRule, Ports)
Check = Callable[[Any], bool]


def _text(pattern: re.Pattern[str]) -> Check:
    return lambda value: isinstance(value, str) and pattern.fullmatch(value) is not None


def _number(low: int, high: int) -> Check:
    return lambda value: isinstance(value, int) and not isinstance(value, bool) and low <= value <= high


def is_key(value: Any) -> bool:
    """Whether it is a key of WireGuard: 32 bytes as base64."""
    if not isinstance(value, str) or len(value) != 44:
        return False
    try:
        return len(base64.b64decode(value, validate=True)) == 32
    except binascii.Error:
        return False


def is_address(value: Any) -> bool:
    """Whether it is an address, written as everybody writes it: what the kernel says is compared as text."""
    if not isinstance(value, str):
        return False
    kind = _FAMILIES[":" in value]
    try:
        return socket.inet_ntop(kind, socket.inet_pton(kind, value)) == value
    except OSError:
        return False


def is_network(value: Any) -> bool:
    if not isinstance(value, str) or "/" not in value:
        return False
    try:
        return str(ip_network(value)) == value
    except ValueError:
        return False


def _interface_address(value: Any) -> bool:
    address, _slash, prefix = value.partition("/") if isinstance(value, str) else ("", "", "")
    return is_address(address) and prefix.isdigit() and int(prefix) <= (128 if ":" in address else 32)


def _endpoint(value: Any) -> bool:
    found = _ENDPOINT.fullmatch(value) if isinstance(value, str) else None
    return found is not None and 0 < int(found[2]) < 65536


def _each(one: Check) -> Check:
    return lambda value: isinstance(value, list) and all(one(item) for item in value)


def _optional(one: Check) -> Check:
    return lambda value: value is None or one(value)


_IS_NAME = (_text(_NAME), "lower case letters, digits and -, at most 31")
_IS_RULE_NAME = (_text(_RULE_NAME), "a name, a blank and a number")
_IS_KEY = (is_key, "a public key: 32 bytes as base64")
_IS_BOOLEAN = (lambda value: isinstance(value, bool), "true or false")
_IS_PORT = (_number(1, 65535), "a port from 1 to 65535")
_NETWORKS = (_each(is_network), "a list of networks without host bits")
_ADDRESSES = (_each(is_address), "a list of addresses without a prefix")
_NAMES = (_each(_text(_NAME)), "a list of names")
_IS_ENDPOINT = (_endpoint, "host:port")

_RULES: dict[str, tuple[Check, str]] = {
    "name": _IS_NAME,
    "hub": (_text(re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}")), "a host's name"),
    "environment": _IS_NAME,
    "interface": (_text(_INTERFACE), "the name of an interface, at most 13 long"),
    "revision": (_number(0, 2**53), "a number that is not negative"),
    "addresses": _ADDRESSES,
    "pools": _NETWORKS,
    "networks": _NETWORKS,
    "to": _NETWORKS,
    "sources": _NETWORKS,
    "to_groups": _NAMES,
    "to_peers": _NAMES,
    "to_hub": _IS_BOOLEAN,
    "port": _IS_PORT,
    "rotation_port": _IS_PORT,
    "mtu": (_number(1280, 9000), "from 1280 to 9000"),
    "nat": _IS_BOOLEAN,
    "preshared_keys": _IS_BOOLEAN,
    "accept_older": _IS_BOOLEAN,
    "owner": (lambda value: isinstance(value, str) and len(value) <= 128 and value.isprintable(), "one line"),
    "kind": (lambda value: value in KINDS, "person, service or site"),
    "group": _IS_NAME,
    "public_key": _IS_KEY,
    "next_public_key": (_optional(is_key), "a public key or null"),
    "expires_at": (_optional(_number(0, 2**40)), "seconds since 1970, or null"),
    "keepalive": (_number(0, 65535), "seconds from 0 to 65535"),
    "endpoint": _IS_ENDPOINT,
    "next_endpoint": (_optional(_endpoint), "host:port or null"),
    "protocol": (lambda value: value in PROTOCOLS, "tcp, udp or icmp"),
    "first": (_optional(_number(1, 65535)), "a port from 1 to 65535, or null"),
    "last": (_optional(_number(1, 65535)), "a port from 1 to 65535, or null"),
}
# Where a key means something else than it mostly does.
_EXCEPTIONS: dict[tuple[type, str], tuple[Check, str]] = {
    (Settings, "addresses"): (_each(_interface_address), "a list of addresses with a prefix"),
    (Peer, "endpoint"): (_optional(_endpoint), "host:port or null"),
    (OtherHub, "name"): _RULES["hub"],
    (Rule, "name"): _IS_RULE_NAME,
    (InsideRule, "name"): _IS_RULE_NAME,
}
_LISTS: dict[str, type] = {
    "peers": Peer,
    "hubs": OtherHub,
    "elsewhere": Elsewhere,
    "groups": Group,
    "rules": Rule,
    "inside_rules": InsideRule,
    "ports": Ports,
}
_FIELDS = {
    section: {
        {"sources": "from"}.get(one.name, one.name): (
            one.name,
            one.default is MISSING,
            _EXCEPTIONS.get((section, one.name)) or _RULES.get(one.name),
        )
        for one in fields(section)
    }
    for section in (Settings, Peer, OtherHub, Elsewhere, Group, Rule, InsideRule, Ports)
}


def _build(section: type[Section], found: Any, prefix: str, wrong: list[str]) -> Section | None:
    if not isinstance(found, Mapping):
        wrong.append(f"{prefix.rstrip('.') or 'the settings'} is {_shown(found)}: must be a JSON object")
        return None
    known = _FIELDS[section]
    before = len(wrong)
    values: dict[str, Any] = {}
    for key, value in found.items():
        if key not in known:
            wrong.append(f"{prefix}{key} is unknown: must be one of {', '.join(sorted(known))}")
            continue
        name, _needed, rule = known[key]
        if rule is None:
            values[name] = _list(_LISTS[name], value, f"{prefix}{key}", wrong)
        elif not rule[0](value):
            wrong.append(f"{prefix}{key} is {_shown(value)}: must be {rule[1]}")
        else:
            values[name] = tuple(value) if isinstance(value, list) else value
    for key, (name, needed, _rule) in known.items():
        if needed and name not in values and key not in found:
            wrong.append(f"{prefix}{key} is missing")
    return section(**values) if len(wrong) == before else None


def _list(section: Any, found: Any, name: str, wrong: list[str]) -> tuple[Any, ...]:
    if not isinstance(found, list):
        wrong.append(f"{name} is {_shown(found)}: must be a list")
        return ()
    built = [_build(section, item, f"{name}[{at}].", wrong) for at, item in enumerate(found)]
    return tuple(item for item in built if item is not None)


def _shown(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, default=str)[:120]


def _relations(settings: Settings, wrong: list[str]) -> None:
    """What several values have to do with each other."""

    def once(key: str, values: Iterable[str]) -> None:
        seen: set[str] = set()
        for value in values:
            if value in seen:
                wrong.append(f"{key} is {_shown(value)}: must be there once")
            seen.add(value)

    everyone: list[Somebody] = [*settings.peers, *settings.elsewhere]
    groups = {group.name for group in settings.groups}
    names = {peer.name for peer in everyone}
    once("peers[].name", (peer.name for peer in everyone))
    once(
        "public_key",
        [peer.public_key for peer in settings.peers]
        + [key for hub in settings.hubs for key in (hub.public_key, hub.next_public_key) if key],
    )
    once(
        "addresses",
        [address.partition("/")[0] for address in settings.addresses]
        + [address for one in everyone for address in one.addresses]
        + [address for hub in settings.hubs for address in hub.addresses],
    )
    once("groups[].name", (group.name for group in settings.groups))
    if settings.port == settings.rotation_port:
        wrong.append(f"rotation_port is {settings.rotation_port}: must not be the port")
    for at, peer in enumerate(settings.peers):
        if peer.group not in groups:
            wrong.append(
                f"peers[{at}].group is {_shown(peer.group)}: must be one of {', '.join(sorted(groups))}"
            )
        if not peer.addresses:
            wrong.append(f"peers[{at}].addresses is []: must hold an address")
    rules: list[AnyRule] = [rule for group in settings.groups for rule in group.rules]
    for one in [*rules, *settings.inside_rules]:
        _rule(one, groups, names, wrong)


def _rule(rule: AnyRule, groups: set[str], names: set[str], wrong: list[str]) -> None:
    where = f"the rule {rule.name}"
    for key, given, known in (("to_groups", rule.to_groups, groups), ("to_peers", rule.to_peers, names)):
        for name in given:
            if name not in known:
                wrong.append(f"{where}: {key} is {_shown(name)}: must be known")
    for one in rule.ports:
        ranged = one.first is not None and one.last is not None and one.first <= one.last
        if one.protocol == "icmp" and (one.first is not None or one.last is not None):
            wrong.append(f"{where}: ports is icmp with a port: must have none")
        if one.protocol != "icmp" and not ranged:
            wrong.append(f"{where}: ports is {one.protocol} {one.first}-{one.last}: must be a range of ports")
