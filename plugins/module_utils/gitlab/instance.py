# Copyright (c) 2026 Groundwork contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The settings of the whole instance."""

from __future__ import annotations

from typing import Iterator

from ..plan import UPDATE, Change
from .context import Context
from .model import Node
from .steps import CONTENT, Step, shown_settings, title
from .structure import differing

_PATH = "/application/settings"


def instance_steps(context: Context, node: Node) -> Iterator[Step]:
    """One step with all settings that differ, if there are any."""
    wanted = node.options.get("settings") or {}
    if not wanted:
        return
    row = context.client.get(_PATH)
    for name in wanted:
        if name not in row:
            rule = "is no setting that this GitLab shows"
            context.violations.add(f"{node.place}.settings.{name}", wanted[name], rule, secret=True)
    found = differing(wanted, row)
    if found:
        before = {name: actual for name, (actual, _wish) in found.items()}
        after = {name: wish for name, (_actual, wish) in found.items()}
        change = Change(UPDATE, title(node, "settings"), shown_settings(before), shown_settings(after))
        yield Step(node, change, CONTENT, lambda: context.client.put(_PATH, after))
