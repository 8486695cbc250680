# Copyright (c) 2026 Groundwork contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Activation: units that are to be enabled and running, reloads and commands that follow a change."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Callable, Dict, List, Mapping, Optional, Sequence, Tuple

from ..plan import Change
from . import commands
from .entries import TreeError

RUN = "run"
DAEMON_RELOAD = "daemon-reload"
STARTED = "started"
STOPPED = "stopped"
UNIT_DIRECTORY = "etc/systemd/system/"
_OPPOSITES = {"enable": "disable", "disable": "enable", "start": "stop", "stop": "start"}
_ON_CHANGE = ("reload", "restart")
_REPEATED = (*_ON_CHANGE, RUN)
_ENABLED = ("enabled", "static", "alias", "indirect", "generated")
_DISABLEABLE = ("enabled", "enabled-runtime", "linked", "linked-runtime")
_ACTIVE = ("active", "reloading", "activating")


@dataclass(frozen=True)
class Item:
    """One element of ``activate``: a unit, or a command.

    enabled, state: ensured on every run. on_change: ``reload`` or ``restart`` when the item is due.
    holds: a command that succeeds while a running unit has its effect; the item is due when it fails.
    paths, requires: see :class:`validation.Validator`.
    """

    unit: Optional[str] = None
    command: Optional[Tuple[str, ...]] = None
    enabled: Optional[bool] = None
    state: Optional[str] = None
    on_change: Optional[str] = None
    paths: Optional[Tuple[str, ...]] = None
    requires: Optional[str] = None
    holds: Optional[Tuple[str, ...]] = None


@dataclass(frozen=True)
class UnitStatus:
    """What systemd knows of a unit: the properties LoadState, ActiveState and UnitFileState."""

    load: str
    active: str
    file: str

    def is_active(self) -> bool:
        return self.active in _ACTIVE

    def is_enabled(self) -> bool:
        return self.file in _ENABLED


def systemd_runs() -> bool:
    """Whether this host was booted with systemd (the test of sd_booted(3))."""
    return os.path.isdir("/run/systemd/system")


def read_units(units: Sequence[str]) -> Dict[str, UnitStatus]:
    """The status of units, in one call. Raises :exc:`TreeError` when systemd does not answer."""
    properties = "--property=LoadState,ActiveState,UnitFileState"
    outcome = commands.run(["systemctl", "show", properties, "--", *units])
    if outcome.code != 0:
        raise TreeError(outcome.sentence())
    blocks = [
        dict(line.split("=", 1) for line in block.splitlines()) for block in outcome.output.split("\n\n")
    ]
    return {
        unit: UnitStatus(
            block.get("LoadState", ""), block.get("ActiveState", ""), block.get("UnitFileState", "")
        )
        for unit, block in zip(units, blocks)
    }


def plan_activation(
    items: Sequence[Item],
    changed: Sequence[str],
    read: Callable[[Sequence[str]], Mapping[str, UnitStatus]],
    will_exist: Callable[[str], bool],
    known: Callable[[Sequence[str]], bool] = lambda _command: True,
    succeeds: Callable[[Sequence[str]], bool] = lambda _command: True,
) -> List[Change]:
    """What has to be done once the changed paths are in place, in the order of the items.

    Kinds are systemctl's verbs, ``daemon-reload`` and ``run``. ``read`` is called at most once, and only for
    units that are ensured or due. ``known`` tells whether a command's program may be planned at all,
    ``succeeds`` how ``holds`` ends; it is not asked where the answer changes nothing.
    """
    present = [item for item in items if item.requires is None or will_exist(item.requires)]
    units = list(dict.fromkeys(item.unit for item in present if item.unit and _asks(item, changed)))
    status = read(units) if units else {}
    changes: List[Change] = []
    if any(commands.matches(path, [UNIT_DIRECTORY]) for path in changed):
        changes.append(Change(DAEMON_RELOAD, "systemd"))
    for item in present:
        if item.command and commands.due(changed, item.paths) and known(item.command):
            changes.append(Change(RUN, " ".join(item.command), after=list(item.command)))
        elif item.unit and item.unit in status:
            changes.extend(_plan_unit(item, status[item.unit], commands.due(changed, item.paths), succeeds))
    return list({(change.kind, change.key): change for change in changes}.values())


def argv(change: Change) -> Tuple[str, ...]:
    """The command that carries out a change of :func:`plan_activation`."""
    if change.kind == RUN:
        return tuple(change.after)
    if change.kind == DAEMON_RELOAD:
        return ("systemctl", "daemon-reload")
    return ("systemctl", change.kind, "--", change.key)


def apply(change: Change) -> None:
    """Carry out one change. Raises :exc:`TreeError` with the command's output."""
    outcome = commands.run(argv(change))
    if outcome.code != 0:
        raise TreeError(outcome.sentence())


def undoing(changes: Sequence[Change]) -> List[Change]:
    """What makes up for changes after the previous files are back: opposites, and everything repeated."""
    undone = [change for change in changes if change.kind == DAEMON_RELOAD]
    undone += [
        Change(_OPPOSITES[change.kind], change.key, change.after, change.before)
        for change in reversed(changes)
        if change.kind in _OPPOSITES
    ]
    stopped = {change.key for change in undone if change.kind == "stop"}
    undone += [change for change in changes if change.kind in _REPEATED and change.key not in stopped]
    return undone


def sentence(change: Change) -> str:
    """How the result names a change: ``reload ssh.service``, ``sysctl --system``."""
    reason = (
        f" because {change.before['failed']} failed" if change.kind in _ON_CHANGE and change.before else ""
    )
    return change.key if change.kind == RUN else f"{change.kind} {change.key}{reason}"


def _asks(item: Item, changed: Sequence[str]) -> bool:
    ensured = item.enabled is not None or item.state is not None or item.holds is not None
    return ensured or (item.on_change is not None and commands.due(changed, item.paths))


def _plan_unit(
    item: Item, status: UnitStatus, is_due: bool, succeeds: Callable[[Sequence[str]], bool]
) -> List[Change]:
    unit = item.unit or ""
    changes = []
    if item.enabled is True and not status.is_enabled():
        changes.append(Change("enable", unit, {"enabled": False}, {"enabled": True}))
    if item.enabled is False and status.file in _DISABLEABLE:
        changes.append(Change("disable", unit, {"enabled": True}, {"enabled": False}))
    if item.state == STARTED and not status.is_active():
        changes.append(Change("start", unit, {"active": False}, {"active": True}))
    elif item.state == STOPPED and status.is_active():
        changes.append(Change("stop", unit, {"active": True}, {"active": False}))
    elif item.state != STOPPED and item.on_change and status.is_active():
        # A unit that does not run reads the new files when it starts.
        if is_due:
            changes.append(Change(item.on_change, unit))
        elif item.holds and not succeeds(item.holds):
            changes.append(Change(item.on_change, unit, {"failed": " ".join(item.holds)}))
    return changes
