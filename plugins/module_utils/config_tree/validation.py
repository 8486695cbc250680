# Copyright (c) 2026 Groundwork contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Validators: commands that must agree to the whole staged set before anything on the host is replaced."""

from __future__ import annotations

import os
import tempfile
from dataclasses import dataclass
from typing import Any, Dict, List, Optional, Sequence, Tuple

from . import commands
from .entries import TreeError
from .files import Files
from .planning import FilePlan
from .staging import in_child, stage


@dataclass(frozen=True)
class Validator:
    """A command that must agree. paths: see :func:`commands.due`.
    requires: it is left out where this path would not exist."""

    command: Tuple[str, ...]
    paths: Optional[Tuple[str, ...]] = None
    requires: Optional[str] = None


class RefusedError(TreeError):
    """A validator refused the staged set."""

    def __init__(self, outcome: commands.Outcome) -> None:
        super().__init__(outcome.sentence())
        self.outcome = outcome


def validate(
    validators: Sequence[Validator], plan: FilePlan, files: Files, directory_mode: int, check_mode: bool
) -> int:
    """Run the validators that are due over the staged set; how many processes it took.

    In check mode a program that the host does not have yet is passed over.
    Raises :exc:`RefusedError` at the first that refuses, :exc:`TreeError` when the staged set can't be made.
    """
    changed = plan.paths()
    wanted = [
        validator
        for validator in validators
        if due(validator, changed) and (not validator.requires or plan.will_exist(files, validator.requires))
    ]
    if not wanted:
        return 0

    def work() -> List[Dict[str, Any]]:
        stage({path: plan.after[path] for path in changed}, directory_mode, workspace)
        return _run(wanted, check_mode)

    with tempfile.TemporaryDirectory(
        prefix="groundwork-validation-", dir="/run" if os.path.isdir("/run") else None
    ) as workspace:
        results = in_child(work)
    for result in results:
        if result["code"] != 0:
            raise RefusedError(commands.Outcome(tuple(result["command"]), result["code"], result["output"]))
    return len(results) + 1


def due(validator: Validator, changed: Sequence[str]) -> bool:
    """Whether the validator concerns one of the changed paths."""
    return commands.due(changed, validator.paths)


def _run(validators: Sequence[Validator], check_mode: bool) -> List[Dict[str, Any]]:
    results: List[Dict[str, Any]] = []
    for validator in validators:
        if check_mode and commands.find(validator.command) is None:
            continue
        outcome = commands.run(validator.command)
        results.append({"command": list(outcome.command), "code": outcome.code, "output": outcome.output})
        if outcome.code != 0:
            break
    return results
