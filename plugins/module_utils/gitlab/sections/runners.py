# Copyright (c) 2026 Groundwork contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Project runners that a project may use beside its own, by the runner's description."""

from __future__ import annotations

from types import MappingProxyType
from typing import Any, Iterator, Mapping, Tuple

from ..context import Context
from ..model import Node
from .base import Difference, Section


class Runners(Section):
    """The runners themselves are the role gitlab_runner's; here they are given to projects."""

    name = "runners"
    path = "runners"
    query: Mapping[str, Any] = MappingProxyType({"type": "project_type"})
    identity = "description"

    def resolve(self, context: Context, node: Node) -> Iterator[Tuple[str, Any, str, bool]]:
        for description in self.entries(node):
            if len(context.runners().get(description, [])) != 1:
                rule = "must be the description of one project runner that the token can see"
                yield f"{node.place}.runners", description, rule, False

    def create(self, context: Context, node: Node, difference: Difference) -> None:
        (runner,) = context.runners()[difference.key]
        context.client.post(self.address(node), {"runner_id": runner})
