# Copyright (c) 2026 Groundwork contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Makes the changes of a plan with the system's own tools."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from typing import Callable, List, Optional, Tuple

from ..plan import Change
from .plan import (
    Action,
    CloseHome,
    DeleteGroup,
    DeleteJobs,
    EndSessions,
    Run,
    Step,
)
from .read import (
    job_files,
    parse_groups,
    process_ids,
)

# Starts a process: arguments and standard input to exit status, standard output, standard error.
Runner = Callable[[List[str], Optional[str]], Tuple[int, str, str]]

LOGIND_SECONDS = 5
SESSION_SECONDS = 15
POLL_SECONDS = 0.1
LINGER = "/var/lib/systemd/linger"
LOGIND_USERS = "/run/systemd/users"


class ApplyError(RuntimeError):
    """A step could not be made; the text says which command failed and what it said."""


class Applier:
    """Applies steps one by one, found by their change."""

    def __init__(self, steps: List[Step], run: Runner) -> None:
        self._steps = {(step.change.kind, step.change.key): step for step in steps}
        self._run = run

    def __call__(self, change: Change) -> None:
        for action in self._steps[(change.kind, change.key)].actions:
            self._do(action)

    def _do(self, action: Action) -> None:
        if isinstance(action, Run):
            self._command(action)
        elif isinstance(action, EndSessions):
            self._end_sessions(action)
        elif isinstance(action, DeleteJobs):
            for path in list(job_files(action.name, action.uid)):
                os.unlink(path)
        elif isinstance(action, CloseHome):
            _close_home(action)
        elif isinstance(action, DeleteGroup):
            # userdel takes the group of the user's name along when nobody else is in it.
            with open("/etc/group", encoding="utf-8") as file:
                still_there = action.name in parse_groups(file.read())
            if still_there:
                self._command(Run(("groupdel", action.name)))

    def _command(self, command: Run) -> None:
        status, out, err = self._run(list(command.argv), command.stdin)
        if status != 0:
            reason = " ".join((err.strip() or out.strip()).split("\n"))
            raise ApplyError(f"{' '.join(command.argv)} ended with status {status}: {reason}")

    def _end_sessions(self, sessions: EndSessions) -> None:
        if os.path.exists(f"{LINGER}/{sessions.name}"):
            self._run(["loginctl", "disable-linger", sessions.name], None)
        patience = time.monotonic()
        if os.path.exists(f"{LOGIND_USERS}/{sessions.uid}"):
            # A user manager that is killed at once stays behind as a failed unit.
            self._run(["loginctl", "terminate-user", sessions.name], None)
            patience += LOGIND_SECONDS
        deadline = patience + SESSION_SECONDS
        while True:
            left = list(process_ids(sessions.uid))
            if not left:
                return
            if time.monotonic() > deadline:
                raise ApplyError(f"processes of {sessions.name} do not end: {', '.join(map(str, left))}")
            if time.monotonic() >= patience:
                for process in left:
                    _kill(process)
            time.sleep(POLL_SECONDS)


def _kill(process: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(process, signal.SIGKILL)


def _close_home(home: CloseHome) -> None:
    """By descriptor, so that a symbolic link put in its place leads nowhere."""
    try:
        descriptor = os.open(home.path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    except OSError:
        return
    try:
        # A home such as /var/www belongs to others and stays as it is.
        if os.fstat(descriptor).st_uid == home.uid:
            os.fchown(descriptor, 0, 0)
            os.fchmod(descriptor, 0o700)
    finally:
        os.close(descriptor)
