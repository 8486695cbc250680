# Copyright (c) 2026 Groundwork contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Confirming a guarded change: only a connection that is made after it may disarm the rollback."""

from __future__ import annotations

import contextlib
import shlex
import time
from typing import Any, Dict, Iterator, Mapping, Optional, Sequence, Tuple

from ansible.errors import AnsibleConnectionFailure, AnsibleError
from ansible.plugins.action import ActionBase
from ansible.utils.display import Display

display = Display()

_DIRECTORY = "/var/lib/groundwork/rollback"
_CONFIRMED = "/run/groundwork-rollback"
_DEFAULT_SECONDS = 60
_CONNECT_SECONDS = 8
_PAUSE_SECONDS = 1
# How long a host may take to carry out its rollback, and to be reachable after it.
_ROLLBACK_SECONDS = 60


class Confirmation:
    """Disarms the guard of one tree over a new connection, or finds out how the rollback went."""

    def __init__(self, action: ActionBase, name: str, guard: Mapping[str, Any]) -> None:
        self._action = action
        self._connection = action._connection
        self._name = name
        self._seconds = int(guard.get("seconds") or _DEFAULT_SECONDS)

    def confirm(self, result: Dict[str, Any]) -> None:
        """Finish the result of a run that left its guard armed."""
        deadline = time.monotonic() + self._seconds
        with self._fresh_connections():
            state, problem = self._until("disarm", ("disarmed", "firing", "fired", ""), deadline)
            if state == "":
                # It may be gone because it was disarmed and only the answer was lost: that leaves a trace.
                state, problem = self._until("disarm", ("disarmed", "firing", "fired", ""), deadline)
            if state == "disarmed":
                result["guard"] = "confirmed"
                return
            self._rolled_back(result, problem)

    def lost(self, failure: AnsibleConnectionFailure) -> Dict[str, Any]:
        """The result of a run whose connection broke before it could answer."""
        result: Dict[str, Any] = {}
        with self._fresh_connections():
            self._rolled_back(result, failure)
        if not result:
            raise failure
        return result

    def _rolled_back(self, result: Dict[str, Any], problem: Optional[Exception]) -> None:
        display.warning(
            f"{self._name}: no new connection in time, waiting until the host has put its files back"
        )
        deadline = time.monotonic() + self._seconds + _ROLLBACK_SECONDS
        answer, last = self._until("collect", ("fired", ""), deadline)
        changed = ", ".join(result.get("paths", [])) or "the change"
        reason = f" The last attempt said: {problem}" if problem else ""
        if answer == "" and "paths" not in result:
            return
        result.update(failed=True, changed=False, guard="rolled_back")
        failure = (
            f"{self._name}: no new connection could be made within {self._seconds} seconds "
            f"after {changed} had changed."
        )
        if answer is None:
            ending = "The host puts the previous files back by itself, but is still not reachable"
            result["msg"] = f"{failure} {ending}: {last}"
        elif answer:
            result["rollback"] = answer.splitlines()[1:]
            ending = "The host has put the previous files back and is reachable again."
            result["msg"] = f"{failure} {ending}{reason}"
        else:
            result["msg"] = f"{self._name}: the guard of {changed} was removed by somebody else.{reason}"

    def _until(
        self, verb: str, states: Sequence[str], deadline: float
    ) -> Tuple[Optional[str], Optional[AnsibleError]]:
        """Ask until the answer begins with one of the states; it (``None``: in vain), and the last error."""
        problem: Optional[AnsibleError] = None
        while True:
            try:
                answer = self._ask(verb)
                if answer.partition("\n")[0] in states:
                    return answer, problem
            except AnsibleError as error:
                display.vvv(f"{self._name}: {verb}: {error}")
                problem = error
            if time.monotonic() > deadline:
                return None, problem
            time.sleep(_PAUSE_SECONDS)

    def _ask(self, verb: str) -> str:
        """The answer of the rollback script on the host, empty without one. Raises :exc:`AnsibleError`."""
        script = shlex.quote(f"{_DIRECTORY}/{self._name}/rollback.sh")
        confirmed = shlex.quote(f"{_CONFIRMED}/{self._name}")
        # Privileges are asked for like for any task: a change that breaks sudo is not confirmed either.
        answer = self._action._low_level_execute_command(
            f"if test -e {script}; then /bin/sh {script} {verb};"
            f" elif test {verb} = disarm && test -e {confirmed}; then echo disarmed; fi"
        )
        if answer["rc"] != 0:
            raise AnsibleError(f"{answer['stdout']}{answer['stderr']}".strip())
        return str(answer["stdout"]).replace("\r\n", "\n").strip()

    @contextlib.contextmanager
    def _fresh_connections(self) -> Iterator[None]:
        """Every command is a connection of its own: nothing that was open before the change carries it."""
        if hasattr(self._connection, "reset"):
            self._connection.reset()
        kept: Dict[str, Any] = {}
        for option, value in self._options().items():
            kept[option] = self._connection.get_option(option)
            self._connection.set_option(option, value)
        try:
            yield
        finally:
            for option, value in kept.items():
                self._connection.set_option(option, value)

    def _options(self) -> Dict[str, Any]:
        if getattr(self._connection, "transport", "") != "ssh":
            return {}
        arguments = self._connection.get_option("ssh_args") or ""
        # The first value of an option wins in ssh, so these go before what the user has set.
        alive = "-o ControlPath=none -o ServerAliveInterval=3 -o ServerAliveCountMax=3"
        return {"ssh_args": f"{alive} {arguments}", "timeout": _CONNECT_SECONDS, "reconnection_retries": 0}
