# Copyright (c) 2026 Groundwork contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Being another user of the host for a moment: PostgreSQL's peer authentication looks at the process."""

from __future__ import annotations

import contextlib
import os
import pwd
from typing import Iterator, Optional


class UserError(Exception):
    """The user can't be taken on; the message names option, value and rule."""


@contextlib.contextmanager
def acting_as(user: Optional[str]) -> Iterator[None]:
    """Have the effective user and group of ``user``, where there is one, and the former ones afterwards."""
    if not user:
        yield
        return
    try:
        record = pwd.getpwnam(user)
    except KeyError:
        raise UserError(f"system_user is {user}: must be a user of the host") from None
    former = os.geteuid(), os.getegid()
    if former[0] not in (0, record.pw_uid):
        raise UserError(f"system_user is {user}: needs a module that runs as root, see become")
    os.setegid(record.pw_gid)
    os.seteuid(record.pw_uid)
    try:
        yield
    finally:
        os.seteuid(former[0])
        os.setegid(former[1])
