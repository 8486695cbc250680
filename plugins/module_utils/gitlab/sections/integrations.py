# Copyright (c) 2026 Groundwork contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# ruff: noqa: ARG002  # because all sections answer the same calls, whether they need each argument or not
"""Integrations (Jira, Slack, …) by the name that the API gives them."""

from __future__ import annotations

import json
from typing import Any, Dict, Iterator, List, Mapping, Tuple

from ...plan import MASK
from ..context import Context
from ..model import Node
from . import attributes
from .base import Difference, Field, Item, Row, Section, declare


class Integrations(Section):
    """``properties`` and ``events`` are compared as far as they are declared; ``secrets`` by their digest."""

    name = "integrations"
    kinds = ("group", "project")
    path = "integrations"
    identity = "slug"
    item = "slug"
    fields = declare(
        properties=Field("mapping", default=()),
        events=Field("mapping", default=()),
        secrets=Field("mapping", secret=True),
    )

    def resolve(self, context: Context, node: Node) -> Iterator[Tuple[str, Any, str, bool]]:
        for key, item in self.entries(node).items():
            if item.get("secrets") and not context.digester:
                yield (
                    "gitlab_config_digest_key",
                    "",
                    f"is needed: {node.place}.integrations[{key}] has secrets",
                    False,
                )

    def rows(self, context: Context, node: Node) -> List[Row]:
        slugs = list(self.entries(node))
        if node.enforced(self.name) != "leave":
            slugs += [row["slug"] for row in super().rows(context, node) if row["slug"] not in slugs]
        rows = [context.client.find(f"{self.address(node)}/{slug}") for slug in slugs]
        return [row for row in rows if row and row.get("active") and not row.get("inherited")]

    def differences(self, context: Context, node: Node, actual: Mapping[str, Row]) -> Iterator[Difference]:
        declared = self.entries(node)
        for key, item in declared.items():
            wanted = {name: dict(item.get(name) or {}) for name in self.fields}
            row = actual.get(key)
            if row is None:
                yield Difference(key, None, wanted, tuple(name for name in self.fields if wanted[name]))
                continue
            there = {"properties": row.get("properties") or {}, "events": row}
            for field in [field for field in wanted["properties"] if field not in there["properties"]]:
                place = f"{node.place}.{self.name}[{key}].properties.{field}"
                context.warn(
                    f"{place}: GitLab does not give it back, so it is not compared; is it one of secrets?"
                )
            changed = [
                name
                for name, values in there.items()
                if any(values[field] != value for field, value in wanted[name].items() if field in values)
            ]
            secret = json.dumps(wanted["secrets"], sort_keys=True)
            if wanted["secrets"] and attributes.changed(
                context, node, self._attribute(key), secret, self.name, key
            ):
                changed.append("secrets")
            if changed:
                yield Difference(key, row, wanted, tuple(changed))
        for difference in super().differences(context, node, actual):
            if difference.wanted is None:
                yield difference

    @staticmethod
    def _attribute(key: str) -> str:
        return f"groundwork_integration_{key}"

    def _write(self, context: Context, node: Node, difference: Difference) -> None:
        wanted: Item = difference.wanted or {}
        # All of it each time: GitLab demands what is required even where something else changes.
        body: Dict[str, Any] = {**wanted["properties"], **wanted["events"], **wanted["secrets"]}
        context.client.put(f"{self.address(node)}/{difference.key}", body)
        if wanted["secrets"]:
            secret = json.dumps(wanted["secrets"], sort_keys=True)
            digest = context.digester(secret, node.kind, node.id, self.name, difference.key)
            attributes.keep(context, node, self._attribute(difference.key), digest)

    def create(self, context: Context, node: Node, difference: Difference) -> None:
        self._write(context, node, difference)

    def update(self, context: Context, node: Node, difference: Difference) -> None:
        self._write(context, node, difference)

    def shown(self, context: Context, node: Node, difference: Difference) -> Tuple[Any, Any]:
        row, wanted = difference.actual, difference.wanted
        if wanted is None:
            return {"active": True}, None
        before: Any = None
        if row is not None:
            there = {"properties": row.get("properties") or {}, "events": row}
            before = {
                name: {field: values.get(field) for field in wanted[name]}
                for name, values in there.items()
                if name in difference.changed
            }
        after = {name: wanted[name] for name in difference.changed if name != "secrets"}
        if "secrets" in difference.changed:
            after["secrets"] = dict.fromkeys(wanted["secrets"], MASK)
        return before, after

    def export(self, context: Context, node: Node, row: Row) -> Any:
        entry: Dict[str, Any] = {
            "properties": {k: v for k, v in (row.get("properties") or {}).items() if v is not None}
        }
        events = {name: value for name, value in row.items() if name.endswith("_events")}
        return {**entry, "events": events} if events else entry
