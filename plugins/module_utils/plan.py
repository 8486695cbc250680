# Copyright (c) 2026 Groundwork contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The core that every module of the collection shares: compare, plan, apply.

A module reads the actual state in as few calls as it can, turns both sides into
mappings from a key to a comparable value, and hands the difference to
:func:`reconcile`. Check mode, diff mode, statistics and the shape of the result
are decided here, once.
"""

from __future__ import annotations

import json
import time
from dataclasses import dataclass, field
from typing import Any, Callable, Dict, Iterator, List, Mapping, Optional, Sequence

CREATE = "create"
UPDATE = "update"
DELETE = "delete"

MASK = "(secret)"


@dataclass(frozen=True)
class Change:
    """One difference between what is and what should be.

    kind: ``create``, ``update``, ``delete``, or a verb of the module's own domain.
    key: what is changed, unique among the changes of one kind: a path, a user, an address.
    before, after: JSON-serialisable values; ``None`` where the thing does not exist.
    secret: the values are replaced by a mask wherever they would be shown.
    """

    kind: str
    key: str
    before: Any = None
    after: Any = None
    secret: bool = False

    def public(self) -> Dict[str, Any]:
        """The change as it may be shown: ``{"kind", "key", "before", "after"}``."""
        return {
            "kind": self.kind,
            "key": self.key,
            "before": self._shown(self.before),
            "after": self._shown(self.after),
        }

    def _shown(self, value: Any) -> Any:
        return MASK if self.secret and value is not None else value


class PlanError(Exception):
    """A change could not be applied.

    ``applied`` holds the changes made before it, ``failed`` the one that failed,
    ``pending`` those that were not tried.
    """

    def __init__(
        self, reason: str, applied: Sequence[Change], failed: Change, pending: Sequence[Change]
    ) -> None:
        super().__init__(reason)
        self.reason = reason
        self.applied = list(applied)
        self.failed = failed
        self.pending = list(pending)

    def result(self) -> Dict[str, Any]:
        """Arguments for ``fail_json``: what failed, what was done before it, what was left."""
        return {
            "msg": f"{self.failed.kind} {self.failed.key}: {self.reason}",
            "changed": bool(self.applied),
            "applied": [change.public() for change in self.applied],
            "failed_change": self.failed.public(),
            "pending": [change.public() for change in self.pending],
        }


@dataclass
class Meter:
    """Counts what a module spends: calls to the outside (processes, requests), and seconds."""

    calls: int = 0
    started: float = field(default_factory=time.monotonic)

    def count(self, calls: int = 1) -> None:
        self.calls += calls

    def stats(self) -> Dict[str, Any]:
        """``{"calls": int, "seconds": float}`` since the meter was made."""
        return {"calls": self.calls, "seconds": round(time.monotonic() - self.started, 3)}


def compare(
    desired: Mapping[str, Any],
    actual: Mapping[str, Any],
    prune: bool = False,
    secret: Optional[Callable[[str], bool]] = None,
) -> List[Change]:
    """The changes that turn ``actual`` into ``desired``, in the order of ``desired``.

    Keys that only ``actual`` has are left alone, or deleted last (in reverse order) with ``prune``.
    ``secret`` tells for a key whether its values may be shown.
    """

    def masked(key: str) -> bool:
        return secret is not None and secret(key)

    changes = [
        Change(UPDATE if key in actual else CREATE, key, actual.get(key), value, masked(key))
        for key, value in desired.items()
        if key not in actual or actual[key] != value
    ]
    if prune:
        surplus = [key for key in actual if key not in desired]
        changes.extend(Change(DELETE, key, actual[key], None, masked(key)) for key in reversed(surplus))
    return changes


def diff(changes: Sequence[Change]) -> List[Dict[str, str]]:
    """The changes in the shape that ``--diff`` prints: one before/after pair of texts for each."""
    return list(_diff(changes))


def _diff(changes: Sequence[Change]) -> Iterator[Dict[str, str]]:
    for change in changes:
        shown = change.public()
        yield {
            "before_header": f"{change.key} (before)",
            "after_header": f"{change.key} ({change.kind})",
            "before": _text(shown["before"]),
            "after": _text(shown["after"]),
        }


def _text(value: Any) -> str:
    if value is None:
        return ""
    text = (
        value if isinstance(value, str) else json.dumps(value, indent=2, sort_keys=True, ensure_ascii=False)
    )
    return text if text.endswith("\n") else text + "\n"


def reconcile(
    changes: Sequence[Change],
    apply: Callable[[Change], None],
    meter: Meter,
    check_mode: bool = False,
    differences: Optional[List[Dict[str, str]]] = None,
) -> Dict[str, Any]:
    """Apply the plan, or only tell it in check mode; the result that every module returns.

    ``apply`` is called once for each change, in order; what it raises becomes a :exc:`PlanError`.
    ``differences`` replaces the generic diff where a module has a better one (a file's text).
    Returns ``{"changed": bool, "plan": [change], "stats": {"calls", "seconds"}, "diff": [...]}``.
    """
    if not check_mode:
        for position, change in enumerate(changes):
            try:
                apply(change)
            except Exception as error:
                raise PlanError(str(error), changes[:position], change, changes[position + 1 :]) from error
    return {
        "changed": bool(changes),
        "plan": [change.public() for change in changes],
        "diff": diff(changes) if differences is None else differences,
        "stats": meter.stats(),
    }
