# Copyright (c) 2026 Groundwork contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# ruff: noqa: ARG002  # because all sections answer the same calls, whether they need each argument or not
"""Who may do what: direct members, and groups that a group or project is shared with."""

from __future__ import annotations

import re
from typing import Any, Dict, Iterable, Iterator, List, Tuple

from ..context import Context
from ..levels import MEMBER_LEVELS, SHARE_LEVELS
from ..model import GROUP, Node
from .base import Difference, Field, Item, Row, Section, declare

# Users that GitLab makes for access tokens; they come and go with those.
_BOT = re.compile(r"(project|group)_[0-9]+_bot")


class Members(Section):
    """Direct members by user name; those that a group above gives are GitLab's to inherit."""

    name = "members"
    kinds = ("group", "project")
    path = "members"
    identity = "username"
    shorthand = "access_level"
    fields = declare(
        access_level=Field("level", required=True, choices=MEMBER_LEVELS),
        expires_at=Field("date", default=None),
    )

    def users(self, node: Node) -> Iterable[str]:
        return self.entries(node)

    def rows(self, context: Context, node: Node) -> List[Row]:
        rows = super().rows(context, node)
        context.learn(rows)
        return rows

    def key_of(self, row: Row) -> str:
        return str(row["username"]).lower()

    def entries(self, node: Node) -> Dict[str, Item]:
        return {key.lower(): item for key, item in super().entries(node).items()}

    def resolve(self, context: Context, node: Node) -> Iterator[Tuple[str, Any, str, bool]]:
        for username in self.entries(node):
            if context.user_id(username) is None:
                yield f"{node.place}.members", username, "must be a user that this GitLab knows", False

    def spared(self, context: Context, node: Node, row: Row) -> bool:
        # Whoever converges would otherwise take the right to do so away from themselves.
        return bool(_BOT.match(str(row["username"]))) or row["id"] == context.me.get("id")

    def create(self, context: Context, node: Node, difference: Difference) -> None:
        body = self.payload(context, node, difference.item)
        context.client.post(self.address(node), {"user_id": context.user_id(difference.key), **body})

    def update(self, context: Context, node: Node, difference: Difference) -> None:
        # The level is required by the request even where only the expiry changes.
        body = self.payload(context, node, difference.item)
        context.client.put(self.item_address(node, difference.row), body)


class Shares(Section):
    """Groups whose members come in, by full path. GitLab shows them with the project or group itself."""

    name = "shares"
    kinds = ("group", "project")
    path = "share"
    identity = "group_full_path"
    item = "group_id"
    shorthand = "access_level"
    # There is no request that changes a share; without it for a moment somebody may less, never more.
    updatable = False
    fields = declare(
        access_level=Field("level", api="group_access", required=True, choices=SHARE_LEVELS),
        expires_at=Field("date", default=None),
    )

    def rows(self, context: Context, node: Node) -> List[Row]:
        if node.row.get("shared_with_groups") is None:
            node.row.update(context.client.get(node.address, **_light(node)))
        rows = node.row.get("shared_with_groups") or []
        return [{**row, "group_access": row["group_access_level"]} for row in rows]

    def resolve(self, context: Context, node: Node) -> Iterator[Tuple[str, Any, str, bool]]:
        shared = {row["group_full_path"] for row in node.row.get("shared_with_groups") or []}
        for path in self.entries(node):
            if path not in shared and not context.exists(GROUP, path):
                yield (
                    f"{node.place}.shares",
                    path,
                    "must be the full path of a group that this GitLab has",
                    False,
                )

    def create(self, context: Context, node: Node, difference: Difference) -> None:
        body = self.payload(context, node, {name: value for name, value in difference.item.items() if value})
        context.client.post(self.address(node), {"group_id": context.id_of(GROUP, difference.key), **body})

    def replace(self, context: Context, node: Node, difference: Difference) -> None:
        self.delete(context, node, difference)
        self.create(context, node, difference)


def _light(node: Node) -> Dict[str, Any]:
    return {"with_projects": False} if node.kind == GROUP else {}
