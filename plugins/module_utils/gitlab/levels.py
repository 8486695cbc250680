# Copyright (c) 2026 Groundwork contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""GitLab's access levels and visibilities, by the names that an inventory uses."""

from __future__ import annotations

from typing import Any, Optional

LEVELS = {
    "no one": 0,
    "minimal": 5,
    "guest": 10,
    "planner": 15,
    "reporter": 20,
    "developer": 30,
    "maintainer": 40,
    "owner": 50,
    "admin": 60,
}
NAMES = {number: name for name, number in LEVELS.items()}
MEMBER_LEVELS = ("minimal", "guest", "planner", "reporter", "developer", "maintainer", "owner")
SHARE_LEVELS = MEMBER_LEVELS[1:]
PROTECTION_LEVELS = ("no one", "developer", "maintainer", "admin")

# From the narrowest to the widest.
VISIBILITIES = ("private", "internal", "public")


def name_of(level: Any) -> str:
    """The name of a level; a number that nobody has named yet stays a number."""
    return NAMES.get(level, str(level))


def wider(visibility: str, limit: Optional[str]) -> bool:
    """Whether a visibility shows more than the limit; an unknown limit allows everything."""
    if limit not in VISIBILITIES:
        return False
    return VISIBILITIES.index(visibility) > VISIBILITIES.index(limit)
