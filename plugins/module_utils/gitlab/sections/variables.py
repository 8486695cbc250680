# Copyright (c) 2026 Groundwork contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# ruff: noqa: ARG002  # because all sections answer the same calls, whether they need each argument or not
"""CI variables of projects, groups and the instance, by NAME, or NAME@SCOPE for one environment."""

from __future__ import annotations

import re
from typing import Any, Dict, Iterator, Mapping, Tuple

from ...plan import MASK
from ..client import quoted
from ..context import Context
from ..model import INSTANCE, Node
from ..secrets import seal, unseal
from .base import Difference, Field, Item, Row, Section, declare

# What the description of a variable says that holds a token of this GitLab.
HANDED_OVER = "[groundwork-token:"
_KEY = re.compile(r"[A-Za-z0-9_]{1,255}")
# Ci::Maskable: what GitLab takes as maskable, of values that are expanded and of raw ones.
_MASKABLE = re.compile(r"[a-zA-Z0-9_+=/@:.~-]{8,}")
_MASKABLE_RAW = re.compile(r"\S{8,}")


class Variables(Section):
    name = "variables"
    kinds = ("group", "project", "instance")
    path = "variables"
    identity = "key"
    shorthand = "value"
    fields = declare(
        value=Field(secret=True),
        type=Field(api="variable_type", default="env_var", choices=("env_var", "file")),
        protected=Field("flag", default=False),
        masked=Field("flag", default=False),
        hidden=Field("flag", default=False, fixed=True),
        raw=Field("flag", default=False),
        description=Field(default=""),
    )

    def address(self, node: Node) -> str:
        return "/admin/ci/variables" if node.kind == INSTANCE else super().address(node)

    def entries(self, node: Node) -> Dict[str, Item]:
        entries = super().entries(node)
        for item in entries.values():
            if isinstance(item.get("value"), int) and not isinstance(item["value"], bool):
                item["value"] = str(item["value"])
            if item.get("hidden") is True:
                item["masked"] = True
        return entries

    def rules(self, node: Node, key: str, item: Item) -> Iterator[Tuple[str, Any, str, bool]]:
        name, at, scope = key.partition("@")
        place = f"{node.place}.variables"
        if not _KEY.fullmatch(name) or (at and not scope):
            yield (
                place,
                key,
                "must be named with letters, digits and _, and @SCOPE for one environment",
                False,
            )
        if at and node.kind == INSTANCE:
            yield (
                place,
                key,
                "must not have a scope; variables of the instance are for all environments",
                False,
            )
        if item.get("hidden") and node.kind == INSTANCE:
            yield f"{place}[{key}].hidden", True, "must be false; the instance has no hidden variables", False
        value = item.get("value")
        if not item.get("masked") or not isinstance(value, str):
            return
        pattern = _MASKABLE_RAW if item.get("raw") else _MASKABLE
        if not pattern.fullmatch(value):
            rule = (
                "can't be masked: needs at least 8 characters on one line, without blanks"
                if item.get("raw")
                else "can't be masked: needs at least 8 characters on one line, letters, digits and _+=/@:.~-"
                " only (with raw: true all but blanks)"
            )
            yield f"{place}[{key}].value", value, rule, True

    def resolve(self, context: Context, node: Node) -> Iterator[Tuple[str, Any, str, bool]]:
        for key, item in self.entries(node).items():
            if item.get("hidden") and "value" in item and not context.digester:
                yield (
                    "gitlab_config_digest_key",
                    "",
                    f"is needed: {node.place}.variables[{key}] is hidden",
                    False,
                )

    def spared(self, context: Context, node: Node, row: Row) -> bool:
        # A token that was handed over belongs to the section that made it.
        return HANDED_OVER in str(row.get("description") or "")

    def key_of(self, row: Row) -> str:
        scope = row.get("environment_scope") or "*"
        return str(row["key"]) if scope == "*" else f"{row['key']}@{scope}"

    def view(self, context: Context, node: Node, row: Row) -> Item:
        seen = super().view(context, node, row)
        text, digest = unseal(row.get("description"))
        seen["description"] = text
        if row.get("hidden"):
            seen["value"] = digest
        return seen

    def wanted(self, context: Context, node: Node, key: str, item: Item) -> Item:
        wanted = super().wanted(context, node, key, item)
        if node.kind == INSTANCE:
            del wanted["hidden"]
        return wanted

    def differences(self, context: Context, node: Node, actual: Mapping[str, Row]) -> Iterator[Difference]:
        for difference in super().differences(context, node, actual):
            yield from self._narrowed(context, node, difference)

    def _narrowed(self, context: Context, node: Node, difference: Difference) -> Iterator[Difference]:
        """Hidden values are compared by their digest, for GitLab does not give them back."""
        wanted, row = difference.wanted, difference.actual
        if wanted is None or row is None or not row.get("hidden") or "value" not in wanted:
            yield difference
            return
        same = unseal(row.get("description"))[1] == self._digest(
            context, node, difference.key, wanted["value"]
        )
        changed = tuple(name for name in difference.changed if name != "value" or not same)
        if changed:
            yield Difference(difference.key, row, wanted, changed)

    @staticmethod
    def _digest(context: Context, node: Node, key: str, value: str) -> str:
        return context.digester(value, node.kind, node.id, "variables", key)

    def _body(self, context: Context, node: Node, difference: Difference) -> Dict[str, Any]:
        wanted = dict(difference.item)
        hidden = wanted.pop("hidden", False)
        body = self.payload(context, node, wanted)
        if hidden and "value" in wanted:
            digest = self._digest(context, node, difference.key, wanted["value"])
            body["description"] = seal(wanted.get("description", ""), digest)
        return body

    def create(self, context: Context, node: Node, difference: Difference) -> None:
        name, _at, scope = difference.key.partition("@")
        body = self._body(context, node, difference)
        if difference.item.get("hidden"):
            body["masked_and_hidden"] = body.pop("masked")
        if node.kind != INSTANCE:
            body["environment_scope"] = scope or "*"
        context.client.post(self.address(node), {"key": name, "value": "", **body})

    def update(self, context: Context, node: Node, difference: Difference) -> None:
        if "hidden" in difference.changed:
            # Two variables can't have one name and scope at once, so here the old one has to go first.
            self.delete(context, node, difference)
            self.create(context, node, difference)
            return
        names = {*difference.changed} & {*self.fields}
        full = self._body(context, node, difference)
        body = {self.fields[name].api or name: full[self.fields[name].api or name] for name in names}
        if difference.item.get("hidden") and "description" in full:
            body["description"] = full["description"]
        context.client.put(self._item(node, difference), body, **self._filter(node, difference))

    def delete(self, context: Context, node: Node, difference: Difference) -> None:
        context.client.delete(self._item(node, difference), **self._filter(node, difference))

    def _item(self, node: Node, difference: Difference) -> str:
        return f"{self.address(node)}/{quoted(difference.key.partition('@')[0])}"

    @staticmethod
    def _filter(node: Node, difference: Difference) -> Dict[str, Any]:
        if node.kind == INSTANCE:
            return {}
        return {"filter[environment_scope]": difference.key.partition("@")[2] or "*"}

    def mask(self, name: str, value: Any) -> Any:
        return MASK if name == "value" else value

    def export(self, context: Context, node: Node, row: Row) -> Any:
        entry = super().export(context, node, row)
        # A value that is not given is left as it is. Only a reference goes into the model.
        if not row.get("hidden"):
            reference = f"{node.path or 'instance'}:{self.key_of(row)}"
            entry["value"] = "{{ (gitlab_config_values | default({}))['" + reference + "'] | default(none) }}"
        return entry
