# Copyright (c) 2026 Groundwork contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lock-out guard: a change puts itself back unless a new connection confirms it in time.

Before files are replaced, what they replace is kept below :data:`ROLLBACK` with a
shell script that puts it back, and a systemd timer is started that runs the
script. The timer survives a reboot: its clock starts again. The state of a guard
is the name of one file in its directory and changes by rename only, so the
confirmation and the timer can't both win::

    armed -> disarmed          confirmed, everything is removed; :data:`CONFIRMED` tells who asks again
    armed -> firing -> fired   put back, remembered until a run has reported it
"""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass, replace
from typing import Optional, Tuple

from . import commands
from .activation import systemd_runs
from .entries import FILE, LINK, Entry, TreeError
from .files import Files
from .rollback import Rollback, script, service, timer

ROLLBACK = "/var/lib/groundwork/rollback"
CONFIRMED = "/run/groundwork-rollback"
UNITS = "/etc/systemd/system"
ARMED = "armed"
FIRING = "firing"
FIRED = "fired"


@dataclass(frozen=True)
class Guard:
    """What a role asks for. seconds: time for the confirmation, counted from the end of the activation.
    revert: commands of the rollback, in place of making up for the activation."""

    seconds: int
    revert: Tuple[Tuple[str, ...], ...] = ()


class Sentry:
    """The guard of one tree on this host."""

    def __init__(self, files: Files, name: str) -> None:
        self.files = files
        self.name = name
        self.directory = f"{ROLLBACK}/{name}"
        self.unit = f"groundwork-rollback-{name}"

    def state(self) -> Optional[str]:
        """``armed``, ``firing``, ``fired``; ``None`` without a guard."""
        return next((s for s in (ARMED, FIRING, FIRED) if self.files.exists(f"{self.directory}/{s}")), None)

    def arm(self, guard: Guard, rollback: Rollback) -> None:
        """Keep what the change replaces and start the clock.

        Raises :exc:`TreeError`, :exc:`OSError`; then nothing is armed.
        """
        if not systemd_runs():
            raise TreeError("guard needs a host that was booted with systemd")
        try:
            self._keep(rollback)
            self._install_units(guard.seconds)
            _systemctl("daemon-reload")
            self._write(f"{self.directory}/{ARMED}", "changed: " + ", ".join(rollback.before) + "\n", 0o600)
            _systemctl("start", f"{self.unit}.timer")
        except BaseException:
            self.discard()
            raise

    def restart_clock(self) -> None:
        """Give the confirmation its whole time. Raises :exc:`TreeError` when the rollback was quicker."""
        _systemctl("restart", f"{self.unit}.timer")
        if self.state() != ARMED:
            raise TreeError(
                "the rollback ran before the activation was done; guard.seconds is too short for it"
            )

    def fire(self) -> None:
        """Put everything back now, or wait for the rollback that is at it."""
        _systemctl("start", f"{self.unit}.service")

    def discard(self) -> None:
        """Remove the guard, whatever state it is in, without putting anything back."""
        commands.run(["systemctl", "stop", f"{self.unit}.timer"])
        for path in self._unit_files():
            self.files.remove(path)
        shutil.rmtree(self.files.real(self.directory), ignore_errors=True)
        commands.run(["systemctl", "daemon-reload"])

    def report(self) -> str:
        """What a rollback has to say: which paths it concerned and when it put them back."""
        found = self.files.read(f"{self.directory}/{FIRED}")
        return "; ".join(found.content.decode("utf-8", "replace").splitlines()) if found else ""

    def forget(self) -> None:
        """Remove what a rollback left to be reported."""
        shutil.rmtree(self.files.real(self.directory), ignore_errors=True)

    def _keep(self, rollback: Rollback) -> None:
        shutil.rmtree(self.files.real(self.directory), ignore_errors=True)
        self.files.make_parents(f"{self.directory}/files/x", 0o700)
        for number, entry in rollback.kept().items():
            self.files.write(replace(entry, path=f"{self.directory}/files/{number}"))
        confirmed = f"{CONFIRMED}/{self.name}"
        self.files.remove(confirmed)
        text = script(rollback, self.name, self.directory, self.unit, UNITS, confirmed)
        self._write(f"{self.directory}/rollback.sh", text, 0o700)

    def _install_units(self, seconds: int) -> None:
        self.files.make_parents(self._unit_files()[2], 0o755)
        self._write(self._unit_files()[0], service(self.name, self.directory), 0o644)
        self._write(self._unit_files()[1], timer(self.name, seconds), 0o644)
        self.files.write(Entry(self._unit_files()[2], LINK, target=f"../{self.unit}.timer"))

    def _unit_files(self) -> Tuple[str, str, str]:
        return (
            os.path.join(UNITS, f"{self.unit}.service"),
            os.path.join(UNITS, f"{self.unit}.timer"),
            os.path.join(UNITS, "timers.target.wants", f"{self.unit}.timer"),
        )

    def _write(self, path: str, text: str, mode: int) -> None:
        self.files.write(Entry(path, FILE, "0", "0", mode, text.encode()))


def _systemctl(*arguments: str) -> None:
    outcome = commands.run(["systemctl", *arguments])
    if outcome.code != 0:
        raise TreeError(outcome.sentence())
