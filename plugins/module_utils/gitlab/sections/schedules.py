# Copyright (c) 2026 Groundwork contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# ruff: noqa: ARG002  # because all sections answer the same calls, whether they need each argument or not
"""Pipeline schedules, by description, with their variables."""

from __future__ import annotations

import re
from typing import Any, Dict, Iterator, List, Mapping, Tuple

from ...plan import MASK
from ..client import quoted
from ..context import Context
from ..model import Node
from .base import Difference, Field, Item, Row, Section, declare

_BRANCH = "refs/heads/"
_CRON = re.compile(r"\S+( \S+){4}")


class Schedules(Section):
    name = "schedules"
    path = "pipeline_schedules"
    identity = "description"
    fields = declare(
        cron=Field(required=True),
        ref=Field(required=True),
        cron_timezone=Field(default="UTC"),
        active=Field("flag", default=True),
        variables=Field("mapping", secret=True),
    )

    def rules(self, node: Node, key: str, item: Item) -> Iterator[Tuple[str, Any, str, bool]]:
        if isinstance(item.get("cron"), str) and not _CRON.fullmatch(item["cron"]):
            rule = "must be five fields of cron with one blank between"
            yield f"{node.place}.schedules[{key}].cron", item["cron"], rule, False

    def rows(self, context: Context, node: Node) -> List[Row]:
        rows = super().rows(context, node)
        declared = self.entries(node)
        # The list leaves the variables out.
        for row in rows:
            if "variables" in declared.get(row["description"], {}):
                row["variables"] = context.client.get(self.item_address(node, row)).get("variables") or []
        return rows

    def view(self, context: Context, node: Node, row: Row) -> Item:
        variables = row.get("variables") or []
        seen = super().view(context, node, {**row, "variables": {}})
        return {
            **seen,
            "ref": _short(seen["ref"]),
            "variables": {one["key"]: one["value"] for one in variables},
        }

    def wanted(self, context: Context, node: Node, key: str, item: Item) -> Item:
        wanted = super().wanted(context, node, key, item)
        if "variables" in wanted:
            wanted["variables"] = {name: str(value) for name, value in wanted["variables"].items()}
        return {**wanted, "ref": _short(wanted["ref"])}

    def payload(self, context: Context, node: Node, item: Mapping[str, Any]) -> Dict[str, Any]:
        return {name: value for name, value in item.items() if name != "variables"}

    def create(self, context: Context, node: Node, difference: Difference) -> None:
        body = self.payload(context, node, difference.item)
        # Not active before its variables are complete: a pipeline without them could deploy elsewhere.
        late = bool(difference.item.get("variables")) and difference.item["active"]
        made = context.client.post(
            self.address(node), {"description": difference.key, **body, **({"active": False} if late else {})}
        )
        self._variables(context, node, made, difference.item.get("variables") or {})
        if late:
            context.client.put(self.item_address(node, made), {"active": True})

    def update(self, context: Context, node: Node, difference: Difference) -> None:
        if "variables" in difference.changed:
            self._variables(context, node, difference.row, difference.item["variables"])
        body = self.payload(context, node, {name: difference.item[name] for name in difference.changed})
        if body:
            context.client.put(self.item_address(node, difference.row), body)

    def _variables(self, context: Context, node: Node, row: Row, wanted: Mapping[str, str]) -> None:
        address = f"{self.item_address(node, row)}/variables"
        there = {one["key"]: one["value"] for one in row.get("variables") or []}
        for key, value in wanted.items():
            if key not in there:
                context.client.post(address, {"key": key, "value": value})
            elif there[key] != value:
                context.client.put(f"{address}/{quoted(key)}", {"value": value})
        for key in there:
            if key not in wanted:
                context.client.delete(f"{address}/{quoted(key)}")

    def mask(self, name: str, value: Any) -> Any:
        if name == "variables" and isinstance(value, Mapping):
            return dict.fromkeys(value, MASK)
        return value


def _short(ref: Any) -> str:
    text = str(ref or "")
    return text[len(_BRANCH) :] if text.startswith(_BRANCH) else text
