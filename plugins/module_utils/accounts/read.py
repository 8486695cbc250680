# Copyright (c) 2026 Groundwork contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the host's files say about its accounts.

Files, because a loop over all users through NSS would ask a directory server for each of them.
"""

from __future__ import annotations

import os
import time
from typing import Dict, FrozenSet, Iterator, Mapping, Optional, Set

from .model import (
    NEVER,
    Group,
    Host,
    Request,
    User,
)

CRONTABS = ("/var/spool/cron/crontabs", "/var/spool/cron")
AT_JOBS = ("/var/spool/cron/atjobs", "/var/spool/at")
NO_LOGIN_UID = 2**32 - 1


def parse_users(passwd: str, shadow: str) -> Dict[str, User]:
    """passwd(5) and shadow(5) as users by name; lines that are no accounts (NIS) are passed over."""
    passwords: Dict[str, list[str]] = {}
    for line in shadow.splitlines():
        fields = line.split(":")
        if len(fields) >= 8:
            passwords[fields[0]] = fields
    users = {}
    for line in passwd.splitlines():
        fields = line.split(":")
        if len(fields) != 7 or not fields[2].isdigit() or not fields[3].isdigit():
            continue
        name, password, uid, gid, comment, home, shell = fields
        expires = None
        if name in passwords:
            password = passwords[name][1]
            # Field 8: the day of expiry, empty when there is none.
            expires = int(passwords[name][7]) if passwords[name][7].isdigit() else None
        users[name] = User(name, int(uid), int(gid), comment, home, shell, password, expires)
    return users


def parse_groups(text: str) -> Dict[str, Group]:
    """group(5) as groups by name."""
    groups = {}
    for line in text.splitlines():
        fields = line.split(":")
        if len(fields) == 4 and fields[2].isdigit():
            members = frozenset(member for member in fields[3].split(",") if member)
            groups[fields[0]] = Group(fields[0], int(fields[2]), members)
    return groups


def read_host(request: Request, environment: Mapping[str, str], root: str = "") -> Host:
    """The host as far as ``request`` needs it; processes only where sessions may have to end."""
    users = parse_users(_text(f"{root}/etc/passwd"), _text(f"{root}/etc/shadow"))
    today = int(time.time()) // 86400
    leaving = {user.name for user in request.users if not user.present} & set(users)
    ending = leaving | {
        user.name
        for user in request.users
        if user.present and user.expires is not None and user.expires != NEVER and user.expires <= today
    }
    uids = {users[name].uid for name in ending if name in users}
    homes = {users[user.name].home for user in request.users if user.name in users}
    homes |= {user.home for user in request.users if user.home}
    return Host(
        users=users,
        groups=parse_groups(_text(f"{root}/etc/group")),
        busy=frozenset(uid for uid in uids if any(process_ids(uid))),
        jobs=frozenset(name for name in leaving if any(job_files(name, users[name].uid, root))),
        homes=frozenset(home for home in homes if home and os.path.isdir(root + home)),
        connected=connected_uids(environment) if uids else frozenset(),
        today=today,
    )


def process_ids(uid: int) -> Iterator[int]:
    """Processes of the user that belong to the host.

    Those of a container have the same number by chance: they live in another PID namespace and outside
    the user's slice. What a user hides in a namespace of its own stays in that slice.
    """
    own = _link("/proc/self/ns/pid")
    for entry in os.listdir("/proc"):
        if not entry.isdigit() or uid not in _uids(f"/proc/{entry}"):
            continue
        if _link(f"/proc/{entry}/ns/pid") in (own, None) or f"user-{uid}.slice" in _text(
            f"/proc/{entry}/cgroup"
        ):
            yield int(entry)


def job_files(name: str, uid: int, root: str = "") -> Iterator[str]:
    """The user's crontab and at jobs."""
    for directory in CRONTABS:
        path = f"{root}{directory}/{name}"
        if os.path.isfile(path):
            yield path
    for directory in AT_JOBS:
        for entry in _entries(root + directory):
            if entry.is_file(follow_symlinks=False) and entry.stat(follow_symlinks=False).st_uid == uid:
                yield entry.path


def connected_uids(environment: Mapping[str, str]) -> FrozenSet[int]:
    """Uids behind this process: of all its parents, of the login, and of the one who called sudo."""
    uids: Set[int] = set()
    login = _text("/proc/self/loginuid").strip()
    if login.isdigit() and int(login) != NO_LOGIN_UID:
        uids.add(int(login))
    if environment.get("SUDO_UID", "").isdigit():
        uids.add(int(environment["SUDO_UID"]))
    process: Optional[int] = os.getpid()
    while process:
        uids.update(_uids(f"/proc/{process}"))
        process = _parent(process)
    return frozenset(uids)


def _status(path: str, field: str) -> list[str]:
    for line in _text(f"{path}/status").splitlines():
        if line.startswith(f"{field}:"):
            return line.split()[1:]
    return []


def _uids(path: str) -> Set[int]:
    # Real, effective, saved and file system uid. The owner of the directory would not do: it is root
    # for a process that may not be traced.
    return {int(uid) for uid in _status(path, "Uid")}


def _parent(process: int) -> Optional[int]:
    parent = _status(f"/proc/{process}", "PPid")
    return int(parent[0]) if parent else None


def _link(path: str) -> Optional[str]:
    try:
        return os.readlink(path)
    except OSError:
        return None


def _text(path: str) -> str:
    """The file's text, empty when it is not there: a process may end while it is looked at."""
    try:
        with open(path, encoding="utf-8", errors="surrogateescape") as file:
            return file.read()
    except (FileNotFoundError, ProcessLookupError):
        return ""


def _entries(path: str) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(path) as entries:
            return list(entries)
    except FileNotFoundError:
        return []
