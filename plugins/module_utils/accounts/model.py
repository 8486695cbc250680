# Copyright (c) 2026 Groundwork contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a play asks of a host's groups and users, and what the host has."""

from __future__ import annotations

import datetime
import re
from dataclasses import dataclass, field, replace
from typing import Any, Dict, FrozenSet, List, Mapping, Optional, Sequence, Tuple, TypeVar

# The subset of names that useradd and groupadd of all supported distributions take.
_NAME = re.compile(r"[a-z_][a-z0-9_-]{0,31}")
NEVER = -1
# Day 0 reads as "no expiry" in some tools, so an account is closed by the day after.
LONG_AGO = 1


class RequestError(ValueError):
    """The request contradicts itself or the host; nothing has been changed."""


@dataclass(frozen=True)
class GroupSpec:
    """A group as asked for; ``None`` leaves a property alone."""

    name: str
    gid: Optional[int] = None
    system: bool = False
    present: bool = True


@dataclass(frozen=True)
class UserSpec:
    """A user as asked for; ``None`` leaves a property alone.

    expires: day since 1970-01-01 on which the account is closed, or NEVER.
    password: crypt hash without lock mark.
    """

    name: str
    uid: Optional[int] = None
    group: Optional[str] = None
    groups: Optional[Tuple[str, ...]] = None
    groups_exclusive: bool = True
    comment: Optional[str] = None
    home: Optional[str] = None
    create_home: bool = True
    shell: Optional[str] = None
    system: bool = False
    password: Optional[str] = field(default=None, repr=False)
    password_locked: Optional[bool] = None
    expires: Optional[int] = None
    present: bool = True
    remove_home: bool = False


@dataclass(frozen=True)
class Request:
    """The module's options, parsed."""

    groups: Tuple[GroupSpec, ...] = ()
    users: Tuple[UserSpec, ...] = ()


@dataclass(frozen=True)
class Group:
    """A line of /etc/group."""

    name: str
    gid: int
    members: FrozenSet[str] = frozenset()


@dataclass(frozen=True)
class User:
    """A line of /etc/passwd with what /etc/shadow adds: the password field and the day of expiry."""

    name: str
    uid: int
    gid: int
    comment: str
    home: str
    shell: str
    password: str = field(default="!", repr=False)
    expires: Optional[int] = None

    @property
    def locked(self) -> bool:
        """Whether no password can match: ``!`` before the hash, or ``*`` in its place."""
        return self.password.startswith(("!", "*"))

    @property
    def hash(self) -> str:
        """The crypt hash, empty when there is none."""
        return self.password.lstrip("!*")


@dataclass(frozen=True)
class Host:
    """The host's accounts, and what is needed to change them safely.

    busy: uids that processes run under. jobs: users with cron or at jobs. homes: home directories that exist.
    connected: uids that this very connection runs under. today: days since 1970-01-01.
    """

    users: Mapping[str, User]
    groups: Mapping[str, Group]
    busy: FrozenSet[int] = frozenset()
    jobs: FrozenSet[str] = frozenset()
    homes: FrozenSet[str] = frozenset()
    connected: FrozenSet[int] = frozenset()
    today: int = 0


def parse_request(options: Mapping[str, Any]) -> Request:
    """The module's parameters as a :class:`Request`; RequestError names option, value and rule."""
    groups = tuple(_group(entry) for entry in options.get("groups") or ())
    users = tuple(_user(entry) for entry in options.get("users") or ())
    _unique("groups", "name", [group.name for group in groups])
    _unique("groups", "gid", [group.gid for group in groups if group.gid is not None])
    _unique("users", "name", [user.name for user in users])
    _unique("users", "uid", [user.uid for user in users if user.uid is not None])
    return Request(groups, _with_root(users, options.get("root_locked")))


def _with_root(users: Tuple[UserSpec, ...], locked: Optional[bool]) -> Tuple[UserSpec, ...]:
    """``root_locked`` is a shorthand for an entry of ``users``."""
    if locked is None:
        return users
    root = next((user for user in users if user.name == "root"), None)
    if root is None:
        return (*users, UserSpec("root", create_home=False, password_locked=locked))
    if root.password_locked is not None:
        raise RequestError(
            "users[root] has a password lock and root_locked is given: only one of them can decide"
        )
    return tuple(replace(user, password_locked=locked) if user is root else user for user in users)


def parse_expiry(text: str) -> int:
    """``YYYY-MM-DD`` as days since 1970-01-01, ``none`` as NEVER; ValueError for anything else."""
    if text == "none":
        return NEVER
    if not re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", text):
        raise ValueError(text)
    days = (datetime.date.fromisoformat(text) - datetime.date(1970, 1, 1)).days
    if days < LONG_AGO:
        raise ValueError(text)
    return days


def show_expiry(days: Optional[int]) -> str:
    """The day as it is written in a playbook."""
    if days is None or days < 0:
        return "none"
    return (datetime.date(1970, 1, 1) + datetime.timedelta(days=days)).isoformat()


def _group(entry: Mapping[str, Any]) -> GroupSpec:
    return GroupSpec(
        name=_name("groups", entry["name"]),
        gid=_number(f"groups[{entry['name']}].gid", entry.get("gid")),
        system=bool(entry.get("system")),
        present=entry.get("state", "present") == "present",
    )


def _user(entry: Mapping[str, Any]) -> UserSpec:
    name = _name("users", entry["name"])
    where = f"users[{name}]"
    for option in ("comment", "home", "shell"):
        if set(entry.get(option) or "") & {":", "\n"}:
            raise RequestError(
                f"{where}.{option} is {entry[option]!r}: it may hold no colon and no line break"
            )
    for option in ("home", "shell"):
        if entry.get(option) and not entry[option].startswith("/"):
            raise RequestError(f"{where}.{option} is {entry[option]!r}: must be an absolute path")
    password, locked = _password(where, entry)
    create_home = entry.get("create_home")
    system = bool(entry.get("system"))
    groups = entry.get("groups")
    return UserSpec(
        name=name,
        uid=_number(f"{where}.uid", entry.get("uid")),
        group=_name(f"{where}.group", entry["group"]) if entry.get("group") else None,
        groups=None if groups is None else tuple(_name(f"{where}.groups", group) for group in groups),
        groups_exclusive=entry.get("groups_exclusive", True) is not False,
        comment=entry.get("comment"),
        home=entry.get("home"),
        create_home=not system if create_home is None else bool(create_home),
        shell=entry.get("shell"),
        system=system,
        password=password,
        password_locked=locked,
        expires=_expiry(where, entry.get("expires")),
        present=entry.get("state", "present") == "present",
        remove_home=bool(entry.get("remove_home")),
    )


def _name(option: str, name: str) -> str:
    if not _NAME.fullmatch(name):
        rule = "lower case letters, digits, _ and -, not starting with a digit or -, at most 32 characters"
        raise RequestError(f"{option} has {name!r}: a name is {rule}")
    return name


def _number(option: str, value: Optional[int]) -> Optional[int]:
    # The two values above are "none" to the kernel and to chown.
    if value is not None and not 0 <= value < 2**32 - 2:
        raise RequestError(f"{option} is {value}: must be from 0 to 4294967293")
    return value


def _expiry(where: str, text: Optional[str]) -> Optional[int]:
    try:
        return None if text is None else parse_expiry(text)
    except ValueError:
        raise RequestError(f"{where}.expires is {text!r}: must be a day as YYYY-MM-DD, or none") from None


def _password(where: str, entry: Mapping[str, Any]) -> Tuple[Optional[str], Optional[bool]]:
    """Hash and lock; the value itself stays out of the errors, it may be a password in clear by mistake."""
    password: Optional[str] = entry.get("password")
    locked: Optional[bool] = entry.get("password_locked")
    if password is None:
        return None, locked
    if password.startswith("!"):
        if locked is False:
            raise RequestError(
                f"{where}.password starts with ! and password_locked is false: they contradict"
            )
        password, locked = password[1:] or None, True
    if password is not None and not re.fullmatch(r"\$[a-z0-9]+\$[^:\s]{8,}", password):
        raise RequestError(f"{where}.password must be a crypt hash such as $y$..., or ! to lock it")
    return password, locked


_Value = TypeVar("_Value", str, int)


def _unique(option: str, what: str, values: Sequence[_Value]) -> None:
    seen: Dict[_Value, int] = {}
    for value in values:
        seen[value] = seen.get(value, 0) + 1
    twice: List[_Value] = [value for value, count in seen.items() if count > 1]
    if twice:
        raise RequestError(f"{option} has the {what} {twice[0]!r} more than once")
