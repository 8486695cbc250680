# Copyright (c) 2026 Groundwork contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One run of config_tree on a host, from the tree that arrived to the result."""

from __future__ import annotations

import os
from dataclasses import dataclass, field, replace
from typing import Any, Callable, Dict, List, Mapping, Optional, Sequence

from ..plan import Change, Meter, PlanError, reconcile
from . import activation, commands
from .differences import differences
from .entries import Tree, TreeError
from .files import Files
from .guard import ARMED, FIRED, Guard, Sentry
from .manifest import Manifest, Store
from .planning import ADOPT, RELEASE, RESTORE, FilePlan, owned_after, owned_during, plan_files
from .undo import Undo
from .validation import RefusedError, Validator, validate

_FILE_KINDS = ("create", "update", "delete", RESTORE, ADOPT, RELEASE)


@dataclass(frozen=True)
class Request:
    """What a task asks for. tree: empty for ``state: absent``."""

    name: str
    tree: Tree = field(default_factory=Tree)
    validators: Sequence[Validator] = ()
    items: Sequence[activation.Item] = ()
    guard: Optional[Guard] = None
    absent: bool = False
    check_mode: bool = False
    show_diff: bool = False


class RunError(Exception):
    """The run failed; ``result`` holds the arguments of ``fail_json``."""

    def __init__(self, msg: str, **result: Any) -> None:
        super().__init__(msg)
        self.result: Dict[str, Any] = {"msg": msg, **result}


class Run:
    """Lay one tree on this host. warn: told what the result can't say."""

    def __init__(self, request: Request, warn: Callable[[str], None], files: Optional[Files] = None) -> None:
        self.request = request
        self.files = files or Files()
        self.store = Store(self.files, request.name)
        self.sentry = Sentry(self.files, request.name)
        self.meter = Meter()
        self.warn = warn
        self._plan = FilePlan()

    def execute(self) -> Dict[str, Any]:
        """The result of the module. Raises :exc:`RunError`; what it says about the host holds."""
        try:
            if self.request.check_mode:
                return self._reconcile()
            with self.store.lock(create=not self.request.absent):
                return self._reconcile()
        except (TreeError, OSError) as error:
            raise RunError(f"{self.request.name}: {error}", changed=False) from error

    def _reconcile(self) -> Dict[str, Any]:
        self._settle_earlier_guard()
        manifest = self.store.read()
        plan = plan_files(self.request.tree, manifest, self.files, self.store)
        changes = [*plan.changes, *self._plan_activation(plan, manifest)]
        self._refuse_impossible(plan)
        self._validate(plan)
        told = reconcile(
            changes, self._apply, self.meter, True, differences(plan) if self.request.show_diff else []
        )
        guarded = False
        outdated = bool(changes) or owned_after(manifest, self.request.tree) != manifest
        if outdated and not self.request.check_mode:
            guarded = self._carry_out(plan, changes, manifest)
        return {
            **told,
            "stats": self.meter.stats(),
            "paths": plan.paths(),
            "activated": [activation.sentence(c) for c in changes if c.kind not in _FILE_KINDS],
            "guard": ARMED if guarded else "unset",
        }

    def _settle_earlier_guard(self) -> None:
        """What an earlier run left unconfirmed is put back first: the oldest state known to be good wins."""
        state = self.sentry.state()
        if state is None:
            return
        if self.request.check_mode:
            self.warn(f"{self.request.name}: an earlier change was not confirmed, its rollback is {state}")
            return
        if state != FIRED:
            self.meter.count()
            self.sentry.fire()
        self.warn(f"{self.request.name}: an earlier change was not confirmed: {self.sentry.report()}")
        self.sentry.forget()

    def _plan_activation(self, plan: FilePlan, manifest: Manifest) -> List[Change]:
        def known(command: Sequence[str]) -> bool:
            return not self.request.check_mode or commands.find(command) is not None

        def succeeds(command: Sequence[str]) -> bool:
            self.meter.count()
            return commands.run(command).code == 0

        return activation.plan_activation(
            self.request.items,
            sorted(manifest.pending.union(plan.paths())),
            self._read_units,
            lambda path: plan.will_exist(self.files, path),
            known,
            succeeds,
        )

    def _read_units(self, units: Sequence[str]) -> Mapping[str, activation.UnitStatus]:
        if activation.systemd_runs():
            self.meter.count()
            return activation.read_units(units)
        if self.request.check_mode:
            return dict.fromkeys(units, activation.UnitStatus("not-found", "inactive", ""))
        raise TreeError(f"activate names {', '.join(units)}, but the host was not booted with systemd")

    def _refuse_impossible(self, plan: FilePlan) -> None:
        if self.request.check_mode:
            return
        unknown = self.files.accounts.unknown([entry for entry in plan.after.values() if entry is not None])
        if unknown:
            raise TreeError("the host has no " + ", no ".join(unknown))
        if self.request.guard and plan.paths() and not activation.systemd_runs():
            raise TreeError("guard needs a host that was booted with systemd")

    def _validate(self, plan: FilePlan) -> None:
        request = self.request
        try:
            processes = validate(
                request.validators, plan, self.files, request.tree.directory_mode, request.check_mode
            )
            self.meter.count(processes)
        except RefusedError as refusal:
            output = self._redacted(refusal.outcome.output, plan)
            raise RunError(
                f"{request.name}: {self._redacted(str(refusal), plan)}\n"
                f"Nothing on the host was changed. Staged: {', '.join(plan.paths())}",
                changed=False,
                command=list(refusal.outcome.command),
                rc=refusal.outcome.code,
                output=output,
                paths=plan.paths(),
            ) from refusal

    def _carry_out(self, plan: FilePlan, changes: Sequence[Change], manifest: Manifest) -> bool:
        """Do it; whether a guard is armed now. Raises :exc:`RunError` after everything was put back."""
        paths = plan.paths()
        made = frozenset(parent for parent in plan.parents if not self.files.exists(parent))
        undo = Undo(self.files, self.store, self.sentry, manifest, plan, made)
        guard = self.request.guard if paths else None
        if guard is not None:
            self.meter.count(2)
            following = [change for change in changes if change.kind not in _FILE_KINDS]
            self.sentry.arm(guard, undo.rollback(guard, following))
        try:
            during = owned_during(plan, manifest, self.store, self.request.tree)
            if during.pending:
                self.store.write(during)
            for directory in {os.path.dirname(path) for path in manifest.pending}:
                self.files.sweep(directory)
            self._plan = plan
            reconcile(changes, self._apply, self.meter)
            if guard is not None:
                self.meter.count()
                self.sentry.restart_clock()
            self._finish(during)
        except (PlanError, TreeError, OSError) as error:
            raise self._undone(error, undo, guard, plan) from error
        return guard is not None

    def _apply(self, change: Change) -> None:
        if change.kind in (ADOPT, RELEASE):
            return
        if change.kind not in _FILE_KINDS:
            self.meter.count()
            activation.apply(change)
            return
        entry = self._plan.after[change.key]
        if entry is None:
            self.files.remove(change.key)
        else:
            self.files.make_parents(change.key, self.request.tree.directory_mode)
            self.files.write(entry)

    def _finish(self, during: Manifest) -> None:
        after = owned_after(during, self.request.tree)
        for parent in sorted(during.parents - after.parents, reverse=True):
            self.files.remove_empty(parent)
        self.store.write(after)
        # Last: a manifest must never name a backup that is gone.
        for path in set(during.entries) - set(after.entries):
            self.store.forget_backup(path)

    def _undone(self, error: Exception, undo: Undo, guard: Optional[Guard], plan: FilePlan) -> RunError:
        attempted: List[Change] = []
        details: Dict[str, Any] = {}
        if isinstance(error, PlanError):
            attempted = [*error.applied, error.failed]
            details = {
                key: value for key, value in error.result().items() if key in ("failed_change", "pending")
            }
            reason = f"{error.failed.kind} {error.failed.key}: {error.reason}"
        else:
            reason = str(error)
        if guard is not None and self.sentry.state() != ARMED:
            self.sentry.fire()
            ending = "The guard has put the previous files back"
            self.sentry.forget()
        else:
            ending = undo.run(attempted)
        return RunError(
            f"{self.request.name}: {self._redacted(reason, plan)}\n{self._redacted(ending, plan)}",
            changed=False,
            paths=plan.paths(),
            **details,
        )

    def _redacted(self, text: str, plan: FilePlan) -> str:
        entries = [entry for entry in plan.after.values() if entry is not None]
        secret = {entry.path for entry in entries if entry.secret}
        replaced = [replace(old, secret=True) for path, old in plan.before.items() if old and path in secret]
        return commands.redact(text, commands.secret_words([*entries, *replaced]))
