# Copyright (c) 2026 Groundwork contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Putting everything back when a change can't be carried out to its end."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Dict, FrozenSet, List, Optional, Sequence

from ..plan import Change
from . import activation
from .entries import Entry, TreeError
from .files import Files
from .guard import Guard, Sentry
from .manifest import Manifest, Store
from .planning import RELEASE, RESTORE, FilePlan
from .rollback import Rollback


@dataclass
class Undo:
    """What was there before a plan is carried out. Made before the first write.

    made: directories that the plan makes on the way to its files.
    """

    files: Files
    store: Store
    sentry: Sentry
    manifest: Manifest
    plan: FilePlan
    made: FrozenSet[str]

    def __post_init__(self) -> None:
        self._records = self._read_records()

    def rollback(self, guard: Guard, following: Sequence[Change]) -> Rollback:
        """The same, in the form that the host can carry out by itself. following: the planned activation."""
        undone = activation.undoing(following)
        reloads = [change for change in undone if change.kind == activation.DAEMON_RELOAD]
        commands = [activation.argv(change) for change in (reloads if guard.revert else undone)]
        return Rollback(
            before={path: self.plan.before[path] for path in self.plan.paths()},
            records=self._records,
            parents=self.made,
            commands=[*commands, *guard.revert],
        )

    def run(self, attempted: Sequence[Change]) -> str:
        """Put the files and the manifest back and make up for the activation; how that ended, in words."""
        try:
            self._put_back()
        except (TreeError, OSError) as error:
            left = "; its guard will do it" if self.sentry.state() else ""
            return f"Putting the previous files back failed{left}: {error}"
        problems = self._activate([change for change in attempted if change.key not in self.plan.before])
        if self.sentry.state():
            self.sentry.discard()
        if problems:
            return "The previous files are back, but activating them failed: " + "; ".join(problems)
        return "The previous files are back and active"

    def _read_records(self) -> Dict[str, Optional[Entry]]:
        """What the store knows before the change: the backups that the change gives up, and the manifest."""
        given_up = [change.key for change in self.plan.changes if change.kind in (RELEASE, RESTORE)]
        backups = {path: self.files.read(path) for path in map(self.store.backup_path, given_up)}
        kept: Dict[str, Optional[Entry]] = {path: entry for path, entry in backups.items() if entry}
        return {**kept, self.store.path: self.files.read(self.store.path)}

    def _put_back(self) -> None:
        before = {path: self.plan.before[path] for path in self.plan.paths()}
        for path in sorted((path for path, entry in before.items() if entry is None), reverse=True):
            self.files.remove(path)
        for path, entry in sorted(before.items()):
            if entry is not None and self.files.read(path) != entry:
                self.files.make_parents(path, 0o755)
                self.files.write(entry)
        for parent in sorted(self.made, reverse=True):
            self.files.remove_empty(parent)
        for path in before:
            if path not in self.manifest.entries:
                self.store.forget_backup(path)
        for path, entry in self._records.items():
            if entry is not None:
                self.files.make_parents(path, 0o700)
                self.files.write(entry)
        if self._records[self.store.path] is None:
            self.store.write(Manifest())

    def _activate(self, attempted: Sequence[Change]) -> List[str]:
        problems = []
        for change in activation.undoing(attempted):
            try:
                activation.apply(change)
            except TreeError as error:
                problems.append(str(error))
        return problems
