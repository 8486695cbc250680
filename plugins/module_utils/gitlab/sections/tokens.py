# Copyright (c) 2026 Groundwork contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# ruff: noqa: ARG002  # because all sections answer the same calls, whether they need each argument or not
"""Deploy tokens and access tokens that are made, handed over and renewed without anybody seeing them.

GitLab shows a token once, when it is made. So each is handed to a CI variable right away, whose description
carries the token's number. A token that expires soon, whose rights are others, or that was never handed over
(a run was cut off between the two) is renewed: a new one is made and handed over before the old one goes.
"""

from __future__ import annotations

import datetime
import re
from typing import Any, Dict, Iterator, List, Mapping, Tuple

from ...plan import MASK
from ..client import quoted
from ..context import Context
from ..levels import MEMBER_LEVELS
from ..model import GROUP, PROJECT, Node
from .base import Difference, Field, Item, Row, Section, declare
from .variables import HANDED_OVER

_HANDED = re.compile(re.escape(HANDED_OVER) + r"(?P<id>[0-9]+)\]")
LIFETIME = 90
RENEWED_BEFORE = 14
_DELIVERY = ("variable", "project", "group", "protected", "raw")


def handed_over(description: Any) -> int:
    """The number of the token that a variable holds, from its description; 0 for any other variable."""
    match = _HANDED.search(str(description or ""))
    return int(match["id"]) if match else 0


class Tokens(Section):
    """What both kinds have in common."""

    kinds = ("group", "project")
    fields = declare(
        scopes=Field("texts", required=True),
        lifetime_days=Field("number", default=LIFETIME),
        renewed_before_days=Field("number", default=RENEWED_BEFORE),
        deliver=Field("mapping", required=True),
    )
    # Rights that a renewal is needed for.
    rights: Tuple[str, ...] = ("scopes",)

    def rules(self, node: Node, key: str, item: Item) -> Iterator[Tuple[str, Any, str, bool]]:
        place = f"{node.place}.{self.name}[{key}]"
        lifetime, before = (
            item.get("lifetime_days", LIFETIME),
            item.get("renewed_before_days", RENEWED_BEFORE),
        )
        if isinstance(lifetime, int) and not 1 <= lifetime <= 365:
            yield f"{place}.lifetime_days", lifetime, "must be from 1 to 365", False
        elif isinstance(lifetime, int) and isinstance(before, int) and not 0 <= before < lifetime:
            yield f"{place}.renewed_before_days", before, "must be less than lifetime_days", False
        deliver = item.get("deliver")
        if isinstance(deliver, Mapping):
            if not isinstance(deliver.get("variable"), str) or set(deliver) - set(_DELIVERY):
                rule = f"needs variable, and may have {', '.join(_DELIVERY[1:])}"
                yield f"{place}.deliver", dict(deliver), rule, False
            if "project" in deliver and "group" in deliver:
                yield f"{place}.deliver", dict(deliver), "must name a project or a group, not both", False

    def resolve(self, context: Context, node: Node) -> Iterator[Tuple[str, Any, str, bool]]:
        for key, item in self.entries(node).items():
            for kind in (PROJECT, GROUP):
                path = item["deliver"].get(kind)
                if path and not context.exists(kind, path):
                    place = f"{node.place}.{self.name}[{key}].deliver.{kind}"
                    yield place, path, f"must be the full path of a {kind} that this GitLab has", False

    def rows(self, context: Context, node: Node) -> List[Row]:
        today = datetime.date.today().isoformat()
        rows = [
            row
            for row in super().rows(context, node)
            if not row.get("revoked") and (not row.get("expires_at") or str(row["expires_at"])[:10] > today)
        ]
        holding = {key: self._held(context, node, item) for key, item in self.entries(node).items()}
        for row in rows:
            row["_held"] = holding.get(row["name"], 0) == row["id"]
        return rows

    def read(self, context: Context, node: Node) -> Dict[str, Row]:
        """The one in use stands under its name: the one handed over, else the newest; others beside it."""
        found: Dict[str, Row] = {}
        for row in sorted(self.rows(context, node), key=lambda row: (not row["_held"], -row["id"])):
            key = row["name"] if row["name"] not in found else f"{row['name']} (number {row['id']})"
            found[key] = row
        return found

    def _target(self, context: Context, node: Node, item: Item) -> str:
        for kind in (PROJECT, GROUP):
            if kind in item["deliver"]:
                return f"/{kind}s/{context.id_of(kind, item['deliver'][kind])}/variables"
        return f"{node.address}/variables"

    def _held(self, context: Context, node: Node, item: Item) -> int:
        deliver = item["deliver"]
        if any(kind in deliver and context.id_of(kind, deliver[kind]) is None for kind in (PROJECT, GROUP)):
            return 0
        address = f"{self._target(context, node, item)}/{quoted(deliver['variable'])}"
        row = context.client.find(address, **{"filter[environment_scope]": "*"})
        return handed_over(row.get("description")) if row else 0

    def differences(self, context: Context, node: Node, actual: Mapping[str, Row]) -> Iterator[Difference]:
        declared = self.entries(node)
        for key, item in declared.items():
            wanted, row = self.wanted(context, node, key, item), actual.get(key)
            if row is None:
                yield Difference(key, None, wanted, (*self.rights, "deliver"))
                continue
            seen = self.view(context, node, row)
            changed = [name for name in self.rights if seen.get(name) != wanted.get(name)]
            if not row["_held"]:
                changed.append("deliver")
            if self._due(row, wanted["renewed_before_days"]):
                changed.append("lifetime_days")
            if changed:
                yield Difference(key, row, wanted, tuple(changed))
        for key, row in actual.items():
            if key not in declared and row["name"] in declared:
                yield Difference(key, row, None)
        for difference in super().differences(context, node, actual):
            if difference.wanted is None and difference.actual and difference.row["name"] not in declared:
                yield difference

    @staticmethod
    def _due(row: Row, days: int) -> bool:
        if not row.get("expires_at"):
            return False
        expires = datetime.date.fromisoformat(str(row["expires_at"])[:10])
        return expires <= datetime.date.today() + datetime.timedelta(days=days)

    def create(self, context: Context, node: Node, difference: Difference) -> None:
        wanted = difference.item
        expires = datetime.date.today() + datetime.timedelta(days=wanted["lifetime_days"])
        rights = {name: wanted[name] for name in self.rights if wanted.get(name) not in (None, "")}
        body = {"expires_at": expires.isoformat(), **self.payload(context, node, rights)}
        made = context.client.post(self.address(node), {"name": difference.key, **body})
        self._hand_over(context, node, wanted, made)

    def update(self, context: Context, node: Node, difference: Difference) -> None:
        self.replace(context, node, difference)

    def _hand_over(self, context: Context, node: Node, item: Item, made: Row) -> None:
        deliver = item["deliver"]
        body = {
            "value": made["token"],
            "masked": True,
            "raw": True,
            "protected": bool(deliver.get("protected", True)),
            "description": f"{self.name} {made['name']} {HANDED_OVER}{made['id']}]",
        }
        address = self._target(context, node, item)
        scope: Dict[str, Any] = {"filter[environment_scope]": "*"}
        there = f"{address}/{quoted(deliver['variable'])}"
        if context.client.find(there, **scope) is None:
            context.client.post(address, {"key": deliver["variable"], "environment_scope": "*", **body})
        else:
            context.client.put(there, body, **scope)

    def shown(self, context: Context, node: Node, difference: Difference) -> Tuple[Any, Any]:
        row, wanted = difference.actual, difference.wanted
        before = {"expires_at": row.get("expires_at"), "token": MASK} if row else None
        after = None
        if wanted is not None:
            after = {name: wanted.get(name) for name in self.rights}
            after.update(token=MASK, deliver=wanted["deliver"]["variable"], reason=list(difference.changed))
        return before, after

    def export(self, context: Context, node: Node, row: Row) -> Any:
        # Made by other hands: without knowing where it is used it can't be renewed, so it is left alone.
        return None


class DeployTokens(Tokens):
    name = "deploy_tokens"
    path = "deploy_tokens"
    fields = declare(**Tokens.fields, username=Field())
    rights = ("scopes", "username")

    def view(self, context: Context, node: Node, row: Row) -> Item:
        return {"scopes": sorted(row.get("scopes") or []), "username": str(row.get("username") or "")}

    def differences(self, context: Context, node: Node, actual: Mapping[str, Row]) -> Iterator[Difference]:
        # GitLab gives a user name of its own where none is asked for.
        for difference in super().differences(context, node, actual):
            wanted = difference.wanted
            if wanted is None or difference.actual is None or "username" in wanted:
                yield difference
                continue
            changed = tuple(name for name in difference.changed if name != "username")
            if changed:
                yield Difference(difference.key, difference.actual, wanted, changed)


class AccessTokens(Tokens):
    name = "access_tokens"
    path = "access_tokens"
    fields = declare(
        **Tokens.fields,
        access_level=Field("level", default="maintainer", choices=MEMBER_LEVELS[1:]),
    )
    rights = ("scopes", "access_level")

    def view(self, context: Context, node: Node, row: Row) -> Item:
        return {name: Section.view(self, context, node, row)[name] for name in self.rights}
