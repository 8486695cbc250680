# Copyright (c) 2026 Groundwork contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Deploy keys, by title."""

from __future__ import annotations

from typing import Any, Iterator, Tuple

from ...inputs import is_ssh_public_key
from ..context import Context
from ..model import Node
from .base import Field, Item, Row, Section, declare


class DeployKeys(Section):
    name = "deploy_keys"
    path = "deploy_keys"
    identity = "title"
    fields = declare(
        key=Field(required=True, fixed=True),
        can_push=Field("flag", default=False),
        expires_at=Field("date", default=None, fixed=True),
    )

    def rules(self, node: Node, key: str, item: Item) -> Iterator[Tuple[str, Any, str, bool]]:
        if isinstance(item.get("key"), str) and not is_ssh_public_key(item["key"].strip()):
            rule = "must be a public key of SSH on one line, as `ssh-ed25519 AAAA… comment`"
            yield f"{node.place}.deploy_keys[{key}].key", item["key"], rule, False

    def view(self, context: Context, node: Node, row: Row) -> Item:
        return _bare(super().view(context, node, row))

    def wanted(self, context: Context, node: Node, key: str, item: Item) -> Item:
        return _bare(super().wanted(context, node, key, item))


def _bare(item: Item) -> Item:
    """Without the comment, which GitLab may cut off."""
    return {**item, "key": " ".join(str(item.get("key", "")).split()[:2])}
