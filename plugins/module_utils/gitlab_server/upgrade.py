# Copyright (c) 2026 Groundwork contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which versions an upgrade of GitLab has to go through.

GitLab runs the database migrations of its own release, and drops old ones at its required stops. Who jumps
over one is left with a database that no release can migrate any more.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Iterator, List, Mapping, Optional, Sequence, Tuple

_VERSION = re.compile(r"(?P<major>0|[1-9]\d*)\.(?P<minor>0|[1-9]\d*)\.(?P<patch>0|[1-9]\d*)")
_PACKAGE = re.compile(rf"(?P<version>{_VERSION.pattern})-(?P<edition>ce|ee)\.(?P<revision>\d+)")

Minor = Tuple[int, int]


class UpgradeError(Exception):
    """An upgrade that must not be; the message names the versions and the rule."""


@dataclass(frozen=True, order=True)
class Version:
    """A release of GitLab."""

    major: int
    minor: int
    patch: int

    @property
    def release(self) -> Minor:
        return (self.major, self.minor)

    def __str__(self) -> str:
        return f"{self.major}.{self.minor}.{self.patch}"


@dataclass(frozen=True)
class Stop:
    """A release that an upgrade must not jump over.

    condition: what an instance must have for it to be needed; empty for a stop that every instance needs.
    """

    major: int
    minor: int
    condition: str = ""

    @property
    def release(self) -> Minor:
        return (self.major, self.minor)

    def __str__(self) -> str:
        return f"{self.major}.{self.minor}"


@dataclass(frozen=True)
class Schedule:
    """The stops that are known one by one, and the rule for those after them.

    since: the release from which on each major release has its stops at ``minors``.
    """

    stops: Tuple[Stop, ...]
    since: Minor
    minors: Tuple[int, ...]


@dataclass(frozen=True)
class Installed:
    """The package on the host: its version and edition (``ce`` or ``ee``)."""

    version: Version
    edition: str


def parse_version(value: str) -> Version:
    """``18.5.1``. Raises :exc:`UpgradeError`."""
    match = _VERSION.fullmatch(value)
    if match is None:
        raise UpgradeError(f"version is {value!r}: must be a whole release such as 18.5.1")
    return Version(int(match["major"]), int(match["minor"]), int(match["patch"]))


def parse_package(value: str) -> Installed:
    """The version of a package, ``18.5.1-ce.0``. Raises :exc:`UpgradeError`."""
    match = _PACKAGE.fullmatch(value)
    if match is None:
        raise UpgradeError(f"the installed package has the version {value!r}, which is none of GitLab's")
    return Installed(parse_version(match["version"]), match["edition"])


def parse_schedule(document: Mapping[str, Any]) -> Schedule:
    """The data of the role: ``{"stops": [{"release", "condition"}], "since": "17.5", "minors": [2]}``."""
    stops = [
        Stop(*_minor(str(entry["release"])), condition=str(entry.get("condition", "")))
        for entry in document["stops"]
    ]
    return Schedule(
        tuple(sorted(stops, key=lambda stop: stop.release)),
        _minor(str(document["since"])),
        tuple(sorted(int(minor) for minor in document["minors"])),
    )


def _minor(value: str) -> Minor:
    match = re.fullmatch(r"(\d+)\.(\d+)", value)
    if match is None:
        raise UpgradeError(f"release is {value!r}: must be such as 18.5")
    return (int(match[1]), int(match[2]))


def between(schedule: Schedule, installed: Version, target: Version) -> List[Stop]:
    """Stops after the installed release and before the target's, oldest first, conditional ones too."""
    listed = {stop.release: stop for stop in schedule.stops}
    for release in _scheduled(schedule, target.major):
        listed.setdefault(release, Stop(*release))
    return [listed[release] for release in sorted(listed) if installed.release < release < target.release]


def _scheduled(schedule: Schedule, last_major: int) -> Iterator[Minor]:
    for major in range(schedule.since[0], last_major + 1):
        for minor in schedule.minors:
            if (major, minor) >= schedule.since:
                yield (major, minor)


def check(schedule: Schedule, installed: Optional[Installed], target: Version, edition: str) -> List[Stop]:
    """Refuse what must not be; otherwise the conditional stops that the upgrade jumps over.

    Raises :exc:`UpgradeError` for a downgrade, for a way from EE to CE, and for a jump over a required stop.
    """
    if installed is None:
        return []
    if target < installed.version:
        raise UpgradeError(
            f"version is {target}: must not be older than {installed.version}, which is installed; "
            f"GitLab can't be downgraded, only restored from a backup of {target}"
        )
    if installed.edition == "ee" and edition == "ce":
        raise UpgradeError(
            "edition is ce: must stay ee; the Enterprise Edition's database is not the Community's"
        )
    stops = between(schedule, installed.version, target)
    required = [stop for stop in stops if not stop.condition]
    if required:
        path = ", then ".join(f"{stop}.z" for stop in required)
        raise UpgradeError(
            f"version is {target}: must not jump over a required stop; from {installed.version} "
            f"upgrade to {path}, then {target}, each as its latest patch release, "
            "and wait for the background migrations after each"
        )
    return stops


def unfinished(status: str) -> List[str]:
    """Background migrations that are neither finished nor finalized.

    The lines of ``gitlab-rake gitlab:background_migrations:status`` are
    ``status | class,table,column,arguments``.
    """
    found: Sequence[str] = [line.strip() for line in status.splitlines() if "|" in line]
    left = []
    for line in found:
        state, _bar, migration = (part.strip() for part in line.partition("|"))
        if state not in ("finished", "finalized"):
            left.append(f"{migration} ({state})")
    return left
