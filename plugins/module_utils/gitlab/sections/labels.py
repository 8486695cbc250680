# Copyright (c) 2026 Groundwork contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Labels and badges."""

from __future__ import annotations

import re
from types import MappingProxyType
from typing import Any, Iterator, List, Tuple

from ..context import Context
from ..model import Node
from .base import Difference, Field, Item, Row, Section, declare

_COLOR = re.compile(r"#[0-9a-fA-F]{6}")


class Labels(Section):
    name = "labels"
    kinds = ("group", "project")
    path = "labels"
    query = MappingProxyType({"include_ancestor_groups": False, "with_counts": False})
    shorthand = "color"
    fields = declare(
        color=Field(required=True),
        description=Field(default=""),
        priority=Field("number"),
    )

    def rules(self, node: Node, key: str, item: Item) -> Iterator[Tuple[str, Any, str, bool]]:
        if isinstance(item.get("color"), str) and not _COLOR.fullmatch(item["color"]):
            rule = "must be a color as #RRGGBB; GitLab turns names into that, and it would differ in each run"
            yield f"{node.place}.labels[{key}].color", item["color"], rule, False
        if "priority" in item and node.kind == "group":
            place = f"{node.place}.labels[{key}].priority"
            yield place, item["priority"], "must be a project's; labels of groups have no priority", False

    def wanted(self, context: Context, node: Node, key: str, item: Item) -> Item:
        wanted = super().wanted(context, node, key, item)
        return {**wanted, "color": str(wanted["color"]).lower()}

    def view(self, context: Context, node: Node, row: Row) -> Item:
        seen = super().view(context, node, row)
        return {**seen, "color": str(seen["color"]).lower()}


class Badges(Section):
    name = "badges"
    kinds = ("group", "project")
    path = "badges"
    fields = declare(link_url=Field(required=True), image_url=Field(required=True))

    def rows(self, context: Context, node: Node) -> List[Row]:
        # Those of the groups above are listed with the project's own.
        return [row for row in super().rows(context, node) if row.get("kind", node.kind) == node.kind]

    def key_of(self, row: Row) -> str:
        return str(row.get("name") or f"#{row['id']}")

    def update(self, context: Context, node: Node, difference: Difference) -> None:
        context.client.put(self.item_address(node, difference.row), dict(difference.item))
