# Copyright (c) 2026 Groundwork contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From request and state to changes, and their order. No process is started here: a backend does that."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Callable, Dict, List, Optional, Sequence, Tuple

from ..plan import (
    Change,
    Meter,
    PlanError,
    reconcile,
)
from .model import (
    Backend,
    Effect,
    PackageManagerError,
    Request,
    RequestError,
    Spec,
    State,
    Transaction,
    parse_spec,
)

REPAIR = "configure"
HOLD = "hold"
UNHOLD = "unhold"
HOLD_FIRST = "hold_first"
TRANSACTION = "transaction"
MARKS = (HOLD, UNHOLD)


@dataclass(frozen=True)
class Decision:
    """What the request leaves to be done on this host.

    hold_first: holds to set before the transaction, which is to leave these packages alone.
    hold, unhold: holds to set after it, and to lift. hold_again: holds that it must not lose.
    """

    transaction: Transaction
    hold_first: Tuple[Spec, ...] = ()
    hold: Tuple[Spec, ...] = ()
    unhold: Tuple[Spec, ...] = ()
    hold_again: Tuple[Spec, ...] = ()


def decide(request: Request, state: State) -> Decision:
    """Compare request and state, ``upgrade`` apart; RequestError where a hold stands in the way."""
    install = tuple(spec for spec in request.install if not state.satisfies(spec))
    remove = tuple(spec for spec in request.remove if _must_go(spec, request, state))
    unhold = tuple(spec for spec in request.unhold if state.is_held(spec))
    for option, specs in (("install", install), ("remove", remove)):
        for spec in specs:
            if state.is_held(spec) and not spec.version and spec not in unhold:
                way = "add it to unhold" + (", or ask for a version" if option == "install" else "")
                raise RequestError(f"{option} has {spec.qualified}, which is on hold: {way}")
    hold = tuple(spec for spec in request.hold if not state.is_held(spec))
    changing = {spec.qualified for spec in install}
    hold_first = tuple(spec for spec in hold if _installed(spec, state) and spec.qualified not in changing)
    return Decision(
        Transaction(
            install=install,
            keep=tuple(replace(spec, version=_installed(spec, state)) for spec in hold_first),
            remove=remove,
            purge=request.purge,
            recommends=request.recommends,
            allow_held=any(state.is_held(spec) for spec in install + remove),
        ),
        hold_first=hold_first,
        hold=tuple(spec for spec in hold if spec not in hold_first),
        unhold=unhold,
        hold_again=tuple(
            replace(spec, version=None)
            for spec in install
            if state.is_held(spec) and replace(spec, version=None) not in unhold
        ),
    )


def _installed(spec: Spec, state: State) -> Optional[str]:
    package = state.find(spec)
    return package.version if package is not None and package.installed else None


def _must_go(spec: Spec, request: Request, state: State) -> bool:
    package = state.find(spec)
    return package is not None and (package.installed or (request.purge and package.residual))


def guessed_effects(decision: Decision, state: State) -> Tuple[Effect, ...]:
    """What the transaction does to the packages asked for, from the state alone.

    For check mode where the package manager can't tell: package lists are missing, or a source comes later.
    """
    effects = []
    for spec in decision.transaction.install:
        before = _installed(spec, state)
        effects.append(
            Effect("upgrade" if before else "install", spec.qualified, before, spec.version or "(candidate)")
        )
    for spec in decision.transaction.remove:
        package = state.find(spec)
        verb = "purge" if decision.transaction.purge else "remove"
        effects.append(Effect(verb, spec.qualified, package.version if package else None, None))
    return tuple(effects)


def changes(decision: Decision, effects: Sequence[Effect], repaired: Sequence[str] = ()) -> List[Change]:
    """The plan, in the order in which it is applied."""
    result = [Change(REPAIR, name, "interrupted", "configured") for name in repaired]
    result += [Change(UNHOLD, spec.qualified, "hold", None) for spec in decision.unhold]
    result += [Change(HOLD, spec.qualified, None, "hold") for spec in decision.hold_first]
    result += [Change(effect.verb, effect.name, effect.before, effect.after) for effect in effects]
    result += [Change(HOLD, spec.qualified, None, "hold") for spec in decision.hold]
    return result


def difference(plan: Sequence[Change]) -> List[Dict[str, str]]:
    """One before/after pair of texts with a line for each package, for ``--diff``."""
    if not plan:
        return []
    sides: Dict[str, str] = {"before_header": "packages", "after_header": "packages"}
    for side in ("before", "after"):
        lines = [
            f"{change.key} {getattr(change, side)}\n" for change in plan if getattr(change, side) is not None
        ]
        sides[side] = "".join(sorted(lines))
    return [sides]


def accounted(error: PlanError, plan: Sequence[Change], before: State, after: State) -> PlanError:
    """The failure of a transaction with what it did all the same, as the host itself tells."""
    done = [change for change in plan if _is_done(change, after)]
    left = [change for change in plan if change not in done and change != error.failed]
    if before == after:
        reason = f"{error.reason}; no package was changed"
    elif after.interrupted:
        reason = f"{error.reason}; the next run repairs {', '.join(after.interrupted)}"
    else:
        reason = error.reason
    return PlanError(reason, done, error.failed, left)


def _is_done(change: Change, state: State) -> bool:
    spec = parse_spec("plan", change.key)
    if change.kind in MARKS:
        return state.is_held(spec) == (change.kind == HOLD)
    if change.kind == REPAIR:
        return change.key not in state.interrupted
    return _installed(spec, state) == change.after and change.key not in state.interrupted


@dataclass
class Converger:
    """Brings a host to what the request says: read once, decide, one transaction."""

    backend: Backend
    meter: Meter
    check_mode: bool
    warn: Callable[[str], None]

    def run(self, request: Request) -> Dict[str, Any]:
        """The module's result; RequestError, PackageManagerError or PlanError when it can't be done."""
        state = self.backend.read()
        decide(request, state)
        repaired = state.interrupted
        if repaired and not self.check_mode:
            self.backend.repair()
            state = self.backend.read()
        decision = decide(request, state)
        effects: Tuple[Effect, ...] = ()
        if decision.transaction or request.upgrade != "none":
            try:
                decision, effects = self._foresee(request, decision, state, bool(repaired))
            except PackageManagerError as error:
                rest = (
                    "nothing but the interrupted run was finished" if repaired else "no package was changed"
                )
                raise PackageManagerError(f"{error}; {rest}") from error
        plan = changes(decision, effects, repaired)
        try:
            return reconcile(plan, self._applier(decision), self.meter, self.check_mode, difference(plan))
        except PlanError as error:
            raise accounted(error, plan, state, self.backend.read()) from error

    def _foresee(
        self, request: Request, decision: Decision, state: State, interrupted: bool
    ) -> Tuple[Decision, Tuple[Effect, ...]]:
        """The decision with its upgrades, and what the package manager says that it will do."""
        if self.check_mode:
            if interrupted:
                return decision, guessed_effects(decision, state)
            try:
                return self._simulated(request, decision, state)
            except PackageManagerError as error:
                if not self.backend.lists_are_stale(request.refresh):
                    self.warn(f"The plan has only the packages asked for, the package manager says: {error}")
                return decision, guessed_effects(decision, state)
        failure: Optional[PackageManagerError] = None
        refreshed = self.backend.lists_are_stale(request.refresh)
        if refreshed:
            failure = self._refresh()
        try:
            result = self._simulated(request, decision, state)
        except PackageManagerError as error:
            if failure is not None:
                raise PackageManagerError(f"{failure}; then: {error}") from error
            if refreshed:
                raise
            # The lists are within their time and yet may lack what a mirror got since.
            failure = self._refresh()
            if failure is not None:
                raise PackageManagerError(f"{error}; and {failure}") from error
            return self._simulated(request, decision, state)
        if failure is not None:
            self.warn(str(failure))
        return result

    def _refresh(self) -> Optional[PackageManagerError]:
        try:
            self.backend.refresh()
        except PackageManagerError as error:
            return error
        return None

    def _simulated(
        self, request: Request, decision: Decision, state: State
    ) -> Tuple[Decision, Tuple[Effect, ...]]:
        transaction = decision.transaction
        if request.upgrade == "full":
            transaction = replace(transaction, everything=True)
        elif request.upgrade == "security":
            asked = {spec.name for spec in request.install if spec.version}
            asked |= {spec.name for spec in transaction.install + transaction.remove + decision.hold_first}
            upgrades = self.backend.security_upgrades(state)
            transaction = replace(
                transaction, upgrades=tuple(spec for spec in upgrades if spec.name not in asked)
            )
        decision = replace(decision, transaction=transaction)
        return decision, self.backend.simulate(transaction) if transaction else ()

    def _applier(self, decision: Decision) -> Callable[[Change], None]:
        """Applies a change; the first one of each group does the work of its whole group."""
        first = {spec.qualified for spec in decision.hold_first}
        groups: Dict[str, Callable[[], None]] = {
            UNHOLD: lambda: self.backend.mark(UNHOLD, decision.unhold),
            HOLD_FIRST: lambda: self.backend.mark(HOLD, decision.hold_first),
            HOLD: lambda: self.backend.mark(HOLD, decision.hold),
            TRANSACTION: lambda: self._commit(decision),
        }

        def apply(change: Change) -> None:
            group = change.kind if change.kind in (*MARKS, REPAIR) else TRANSACTION
            if group == HOLD and change.key in first:
                group = HOLD_FIRST
            work = groups.pop(group, None)
            if work is not None:
                work()

        return apply

    def _commit(self, decision: Decision) -> None:
        self.backend.commit(decision.transaction)
        if decision.hold_again:
            self.backend.mark(HOLD, decision.hold_again)
