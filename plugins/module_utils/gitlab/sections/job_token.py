# Copyright (c) 2026 Groundwork contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# ruff: noqa: ARG002  # because all sections answer the same calls, whether they need each argument or not
"""Who may use job tokens against a project: whether that is limited, and who is on the lists."""

from __future__ import annotations

from types import MappingProxyType
from typing import Any, Dict, Iterator, List, Mapping, Tuple

from ..context import Context
from ..model import GROUP, PROJECT, Node
from .base import Difference, Field, Item, Row, Section, declare

_LISTS = {
    PROJECT: ("projects", "allowlist", "target_project_id", "path_with_namespace"),
    GROUP: ("groups", "groups_allowlist", "target_group_id", "full_path"),
}


class JobToken(Section):
    """Keys are ``limited``, ``project PATH`` and ``group PATH``."""

    name = "job_token"
    path = "job_token_scope"
    probe = MappingProxyType({"limited": True, "projects": (), "groups": ()})
    fields = declare(limited=Field("flag"))

    def _declared(self, node: Node) -> Dict[str, Any]:
        return dict(node.options.get(self.name) or {})

    def entries(self, node: Node) -> Dict[str, Item]:
        declared = self._declared(node)
        entries: Dict[str, Item] = {}
        for kind, (plural, *_rest) in _LISTS.items():
            entries.update({f"{kind} {path}": {} for path in declared.get(plural) or []})
        if "limited" in declared:
            entries["limited"] = {"limited": declared["limited"]}
        return entries

    def validate(self, node: Node) -> Iterator[Tuple[str, Any, str, bool]]:
        declared = node.options.get(self.name)
        place = f"{node.place}.{self.name}"
        if declared is None:
            return
        if not isinstance(declared, dict):
            yield place, declared, "must be a mapping with limited, projects and groups", False
            return
        for key, value in declared.items():
            if key == "limited" and not isinstance(value, bool):
                yield f"{place}.limited", value, "must be true or false", False
            elif key in ("projects", "groups") and not isinstance(value, list):
                yield f"{place}.{key}", value, "must be a list of full paths", False
            elif key not in ("limited", "projects", "groups"):
                yield f"{place}.{key}", value, "is not known; must be one of groups, limited, projects", False

    def resolve(self, context: Context, node: Node) -> Iterator[Tuple[str, Any, str, bool]]:
        for key in self.entries(node):
            kind, _blank, path = key.partition(" ")
            if path and not context.exists(kind, path):
                rule = f"must be the full path of a {kind} that this GitLab has"
                yield f"{node.place}.job_token.{kind}s", path, rule, False

    def rows(self, context: Context, node: Node) -> List[Row]:
        rows: List[Row] = []
        declared, enforced = self._declared(node), node.enforced(self.name) != "leave"
        address = self.address(node)
        if "limited" in declared:
            rows.append({"key": "limited", "limited": context.client.get(address).get("inbound_enabled")})
        for kind, (plural, path, _target, full_path) in _LISTS.items():
            if plural not in declared and not enforced:
                continue
            for row in context.client.pages(f"{address}/{path}"):
                # The list of groups gives no path, only the page's address.
                name = row.get(full_path) or str(row.get("web_url", "")).partition("/groups/")[2]
                if not (kind == PROJECT and row["id"] == node.id):
                    rows.append({"key": f"{kind} {name}", "kind": kind, "id": row["id"]})
        return rows

    def exported(self, context: Context, node: Node, rows: Mapping[str, Row]) -> Any:
        found: Dict[str, Any] = {"limited": rows["limited"]["limited"]}
        for kind, (plural, *_rest) in _LISTS.items():
            found[plural] = [key.partition(" ")[2] for key in rows if key.startswith(f"{kind} ")]
        return {name: value for name, value in found.items() if value != []}

    def key_of(self, row: Row) -> str:
        return str(row["key"])

    def create(self, context: Context, node: Node, difference: Difference) -> None:
        kind, _blank, path = difference.key.partition(" ")
        if kind == "limited":
            self._limit(context, node, difference)
            return
        _plural, listed, target, _full_path = _LISTS[kind]
        context.client.post(f"{self.address(node)}/{listed}", {target: context.id_of(kind, path)})

    def update(self, context: Context, node: Node, difference: Difference) -> None:
        self._limit(context, node, difference)

    def _limit(self, context: Context, node: Node, difference: Difference) -> None:
        context.client.patch(self.address(node), {"enabled": difference.item["limited"]})

    def spared(self, context: Context, node: Node, row: Row) -> bool:
        return bool(row["key"] == "limited")

    def delete(self, context: Context, node: Node, difference: Difference) -> None:
        listed = _LISTS[difference.row["kind"]][1]
        context.client.delete(f"{self.address(node)}/{listed}/{difference.row['id']}")
