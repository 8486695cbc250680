# Copyright (c) 2026 Groundwork contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From request and host to steps: a change as it is shown, and the actions that make it. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any, Dict, Iterator, List, Optional, Tuple, Union

from ..plan import CREATE, DELETE, MASK, UPDATE, Change
from .model import (
    LONG_AGO,
    NEVER,
    Group,
    GroupSpec,
    Host,
    Request,
    RequestError,
    User,
    UserSpec,
    show_expiry,
)

LOCK = "lock"
END_SESSIONS = "end_sessions"
DELETE_JOBS = "delete_jobs"
NEW_SECRET = "(secret, new)"  # noqa: S105  shown in place of a password


@dataclass(frozen=True)
class Run:
    """A command. ``stdin`` takes what must not be in the process list."""

    argv: Tuple[str, ...]
    stdin: Optional[str] = field(default=None, repr=False)


@dataclass(frozen=True)
class EndSessions:
    """End all processes of a user."""

    name: str
    uid: int


@dataclass(frozen=True)
class DeleteJobs:
    """Delete a user's cron and at jobs."""

    name: str
    uid: int


@dataclass(frozen=True)
class CloseHome:
    """Give a home directory that is kept to root, provided that it was the user's."""

    path: str
    uid: int


@dataclass(frozen=True)
class DeleteGroup:
    """Delete a group, unless it went with its user."""

    name: str


Action = Union[Run, EndSessions, DeleteJobs, CloseHome, DeleteGroup]


@dataclass(frozen=True)
class Step:
    """One change and how it is made."""

    change: Change
    actions: Tuple[Action, ...]


def plan_steps(request: Request, host: Host) -> List[Step]:
    """All steps in their order: who leaves first, then groups, users, and groups that go last.

    RequestError when the request would remove root or the user of this connection, or can't be fulfilled.
    """
    _refuse_lockout(request, host)
    _refuse_taken_ids(request, host)
    _refuse_groups_in_use(request, host)
    groups = {**host.groups}
    for spec in request.groups:
        if spec.present:
            groups[spec.name] = replace(groups.get(spec.name) or Group(spec.name, -1), gid=_gid(spec, groups))
    steps: List[Step] = []
    for user in request.users:
        if not user.present and user.name in host.users:
            steps.extend(_leave(user, host.users[user.name], host))
    for spec in request.groups:
        if spec.present:
            steps.extend(_group(spec, host))
    for user in request.users:
        if user.present:
            steps.extend(_user(user, host, groups))
    for spec in request.groups:
        if not spec.present and spec.name in host.groups:
            change = Change(DELETE, f"group {spec.name}", {"gid": host.groups[spec.name].gid}, None)
            steps.append(Step(change, (DeleteGroup(spec.name),)))
    return steps


def missing_groups(request: Request, host: Host) -> List[str]:
    """What users refer to and neither the host nor ``groups`` has, as lines of an error."""
    known = (set(host.groups) | {group.name for group in request.groups}) - {
        group.name for group in request.groups if not group.present
    }
    lines = []
    for user in request.users:
        if not user.present:
            continue
        if user.name not in host.users and user.group in (None, user.name):
            # useradd makes the group of the user's own name; users further down may be in it.
            known.add(user.name)
        if user.group is not None and user.group not in known:
            lines.append(
                f"users[{user.name}].group is '{user.group}': no such group on the host or in groups"
            )
        for name in user.groups or ():
            if name not in known:
                lines.append(
                    f"users[{user.name}].groups has '{name}': no such group on the host or in groups"
                )
    return lines


def _gid(spec: GroupSpec, groups: Dict[str, Group]) -> int:
    if spec.gid is not None:
        return spec.gid
    return groups[spec.name].gid if spec.name in groups else -1


def _refuse_lockout(request: Request, host: Host) -> None:
    for spec in request.users:
        user = host.users.get(spec.name)
        expired = spec.expires is not None and spec.expires != NEVER and spec.expires <= host.today
        if spec.present and not expired:
            continue
        what = "can't expire" if spec.present else "can't be removed"
        if spec.name == "root" or (user is not None and user.uid == 0):
            raise RequestError(f"users[{spec.name}] {what}: it is root, uid 0")
        if user is None:
            continue
        if user.uid in host.connected:
            raise RequestError(f"users[{spec.name}] {what}: this connection to the host is the user's own")
        twins = [
            other.name for other in host.users.values() if other.uid == user.uid and other.name != user.name
        ]
        if twins:
            raise RequestError(
                f"users[{spec.name}] {what}: it shares its uid {user.uid} with {', '.join(twins)}"
            )
    for group in request.groups:
        if not group.present and (
            group.name == "root" or getattr(host.groups.get(group.name), "gid", None) == 0
        ):
            raise RequestError(f"groups[{group.name}] can't be removed: it is root's, gid 0")


def _refuse_taken_ids(request: Request, host: Host) -> None:
    leaving = {user.name for user in request.users if not user.present}
    owners = {user.uid: user.name for user in host.users.values() if user.name not in leaving}
    for user in request.users:
        owner = owners.get(user.uid) if user.uid is not None and user.present else None
        if owner not in (None, user.name):
            raise RequestError(f"users[{user.name}].uid is {user.uid}: the user {owner} has it")
    holders = {group.gid: group.name for group in host.groups.values()}
    for group in request.groups:
        holder = holders.get(group.gid) if group.gid is not None and group.present else None
        if holder not in (None, group.name):
            raise RequestError(f"groups[{group.name}].gid is {group.gid}: the group {holder} has it")


def _refuse_groups_in_use(request: Request, host: Host) -> None:
    names = {group.name for group in request.groups if not group.present}
    for new in request.users:
        primary = new.group or new.name
        if new.present and new.name not in host.users and primary in names:
            raise RequestError(
                f"groups[{primary}] can't be removed: it is the primary group of the new user {new.name}"
            )
    absent = {host.groups[name].gid for name in names if name in host.groups}
    specs = {user.name: user for user in request.users}
    for user in host.users.values():
        spec = specs.get(user.name)
        stays = spec is None or (spec.present and spec.group is None)
        if stays and user.gid in absent:
            name = next(group.name for group in host.groups.values() if group.gid == user.gid)
            raise RequestError(f"groups[{name}] can't be removed: it is the primary group of {user.name}")


def _group(spec: GroupSpec, host: Host) -> Iterator[Step]:
    group = host.groups.get(spec.name)
    if group is None:
        argv = ["groupadd"] + (["-r"] if spec.system else [])
        argv += ["-g", str(spec.gid)] if spec.gid is not None else []
        after: Dict[str, Any] = {"gid": "(next free)" if spec.gid is None else spec.gid}
        yield Step(Change(CREATE, f"group {spec.name}", None, after), (Run((*argv, spec.name)),))
    elif spec.gid is not None and spec.gid != group.gid:
        change = Change(UPDATE, f"group {spec.name}", {"gid": group.gid}, {"gid": spec.gid})
        yield Step(change, (Run(("groupmod", "-g", str(spec.gid), spec.name)),))


def _leave(spec: UserSpec, user: User, host: Host) -> Iterator[Step]:
    """Nobody can log in any more before sessions end, and none is left when the user goes."""
    key = f"user {user.name}"
    if not user.locked or user.expires is None or user.expires > host.today:
        before = {"password_locked": user.locked, "expires": show_expiry(user.expires)}
        after = {"password_locked": True, "expires": show_expiry(LONG_AGO)}
        commands = (Run(("usermod", "-L", user.name)), Run(("chage", "-E", str(LONG_AGO), user.name)))
        yield Step(Change(LOCK, key, before, after), commands)
    yield from _end_sessions(user, host)
    if user.name in host.jobs:
        yield Step(Change(DELETE_JOBS, key, "cron and at jobs", None), (DeleteJobs(user.name, user.uid),))
    before_all = {"uid": user.uid, "home": user.home, "shell": user.shell, "comment": user.comment}
    # Closed before the name goes: the number may be given to somebody else.
    actions: Tuple[Action, ...] = (CloseHome(user.home, user.uid), Run(("userdel", user.name)))
    if spec.remove_home:
        actions = (Run(("userdel", "-r", user.name)),)
    # A process may have come to life between reading and locking.
    yield Step(Change(DELETE, key, before_all, None), (EndSessions(user.name, user.uid), *actions))


def _end_sessions(user: User, host: Host) -> Iterator[Step]:
    if user.uid in host.busy:
        change = Change(END_SESSIONS, f"user {user.name}", "processes are running", None)
        yield Step(change, (EndSessions(user.name, user.uid),))


def _user(spec: UserSpec, host: Host, groups: Dict[str, Group]) -> Iterator[Step]:
    user = host.users.get(spec.name)
    if user is None:
        yield _create(spec, groups)
        return
    yield from _update(spec, user, host)
    if spec.expires is not None and spec.expires != NEVER and spec.expires <= host.today:
        yield from _end_sessions(user, host)


def _create(spec: UserSpec, groups: Dict[str, Group]) -> Step:
    if spec.password_locked is False and spec.password is None:
        raise RequestError(
            f"users[{spec.name}].password_locked is false: a new user needs a password for that"
        )
    argv: List[str] = ["useradd"]
    after: Dict[str, Any] = {}

    def option(flag: str, field: str, value: Any) -> None:
        if value is not None:
            argv.extend((flag, str(value)))
            after[field] = value

    if spec.system:
        argv.append("-r")
    option("-u", "uid", spec.uid)
    primary = spec.group or spec.name
    # useradd fails to make the group of the user's own name where there is one.
    if primary == spec.name and primary not in groups:
        argv.append("-U")
    else:
        option("-g", "group", primary)
    supplementary = sorted(set(spec.groups or ()) - {primary})
    if supplementary:
        argv += ["-G", ",".join(supplementary)]
        after["groups"] = supplementary
    option("-c", "comment", spec.comment)
    option("-d", "home", spec.home)
    option("-s", "shell", spec.shell)
    argv += ["-m", "-K", "HOME_MODE=0700"] if spec.create_home else ["-M"]
    if spec.password is None:
        # By the policy of login.defs, logins by key would one day be refused until a password is changed.
        argv += ["-K", "PASS_MAX_DAYS=99999"]
    actions: List[Action] = [Run((*argv, spec.name))]
    if spec.password is not None:
        after["password"] = NEW_SECRET
        actions.append(_chpasswd(spec.name, spec.password, spec.password_locked is True))
    if spec.expires is not None and spec.expires != NEVER:
        after["expires"] = show_expiry(spec.expires)
        actions.append(Run(("chage", "-E", str(spec.expires), spec.name)))
    return Step(Change(CREATE, f"user {spec.name}", None, after), tuple(actions))


def _update(spec: UserSpec, user: User, host: Host) -> Iterator[Step]:
    before: Dict[str, Any] = {}
    after: Dict[str, Any] = {}
    argv: List[str] = []
    actions: List[Action] = []

    def differs(field: str, actual: Any, wanted: Any, *flags: str) -> None:
        if wanted is not None and wanted != actual:
            before[field], after[field] = actual, wanted
            argv.extend(flags)

    differs("uid", user.uid, spec.uid, "-u", str(spec.uid))
    if spec.group is not None:
        primary = next((group.name for group in host.groups.values() if group.gid == user.gid), str(user.gid))
        differs("group", primary, spec.group, "-g", spec.group)
    differs("comment", user.comment, spec.comment, "-c", str(spec.comment))
    differs("shell", user.shell, spec.shell, "-s", str(spec.shell))
    home = spec.home or user.home
    move = ("-m",) if user.home in host.homes and home not in host.homes else ()
    differs("home", user.home, spec.home, "-d", home, *move)
    _differing_groups(spec, user, host, differs)
    if argv:
        actions.append(Run(("usermod", *argv, user.name)))
    if spec.create_home and home not in host.homes and not move:
        before["home_exists"], after["home_exists"] = False, True
        actions.append(Run(("mkhomedir_helper", user.name, "0077")))
    actions.extend(_password(spec, user, before, after))
    if spec.expires is not None and show_expiry(spec.expires) != show_expiry(user.expires):
        before["expires"], after["expires"] = show_expiry(user.expires), show_expiry(spec.expires)
        actions.append(Run(("chage", "-E", str(spec.expires), user.name)))
    if actions:
        yield Step(Change(UPDATE, f"user {user.name}", before, after), tuple(actions))


def _differing_groups(spec: UserSpec, user: User, host: Host, differs: Any) -> None:
    if spec.groups is None:
        return
    primary = (
        {spec.group}
        if spec.group
        else {group.name for group in host.groups.values() if group.gid == user.gid}
    )
    wanted = set(spec.groups) - primary
    actual = {group.name for group in host.groups.values() if user.name in group.members} - primary
    if spec.groups_exclusive:
        differs("groups", sorted(actual), sorted(wanted), "-G", ",".join(sorted(wanted)))
    else:
        added = sorted(wanted - actual)
        differs("groups", sorted(actual), sorted(actual | wanted), "-a", "-G", ",".join(added))


def _password(spec: UserSpec, user: User, before: Dict[str, Any], after: Dict[str, Any]) -> Iterator[Action]:
    """Set the hash, or the lock in front of it; the plan shows neither hash."""
    locked = user.locked if spec.password_locked is None else spec.password_locked
    if spec.password is not None and spec.password != user.hash:
        # A user who never had a password is not kept out by the mark that stood for that.
        locked = bool(user.hash and user.locked) if spec.password_locked is None else locked
        before["password"], after["password"] = MASK if user.hash else None, NEW_SECRET
        yield _chpasswd(user.name, spec.password, locked)
    elif locked != user.locked:
        if not locked and not user.hash:
            raise RequestError(f"users[{user.name}].password_locked is false: there is no password to unlock")
        before["password_locked"], after["password_locked"] = user.locked, locked
        yield Run(("usermod", "-L" if locked else "-U", user.name))


def _chpasswd(name: str, password: str, locked: bool) -> Run:
    return Run(("chpasswd", "-e"), f"{name}:{'!' if locked else ''}{password}\n")
