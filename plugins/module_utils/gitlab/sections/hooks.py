# Copyright (c) 2026 Groundwork contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# ruff: noqa: ARG002  # because all sections answer the same calls, whether they need each argument or not
"""Webhooks, by URL: of projects, of groups (Enterprise Edition), and of the instance (system hooks)."""

from __future__ import annotations

from typing import Any, Dict, Iterator, Mapping, Tuple

from ..context import Context
from ..model import INSTANCE, Node
from ..secrets import seal, unseal
from .base import Difference, Field, Item, Row, Section, declare

_EVENTS = (
    "confidential_issues_events",
    "confidential_note_events",
    "deployment_events",
    "emoji_events",
    "feature_flag_events",
    "issues_events",
    "job_events",
    "merge_requests_events",
    "milestone_events",
    "note_events",
    "pipeline_events",
    "push_events",
    "releases_events",
    "repository_update_events",
    "resource_access_token_events",
    "subgroup_events",
    "member_events",
    "tag_push_events",
    "vulnerability_events",
    "wiki_page_events",
)


class Hooks(Section):
    name = "hooks"
    kinds = ("group", "project", "instance")
    enterprise = ("group",)
    path = "hooks"
    identity = "url"
    fields = declare(
        **{event: Field("flag") for event in _EVENTS},
        name=Field(),
        description=Field(default=""),
        token=Field(secret=True),
        enable_ssl_verification=Field("flag", default=True),
        push_events_branch_filter=Field(),
        branch_filter_strategy=Field(choices=("wildcard", "regex", "all_branches")),
        custom_webhook_template=Field(),
    )

    def rules(self, node: Node, key: str, item: Item) -> Iterator[Tuple[str, Any, str, bool]]:
        if not key.startswith(("https://", "http://")):
            yield (
                f"{node.place}.hooks",
                key,
                "must be keyed by a URL that starts with https:// or http://",
                False,
            )
        if "@" in key.split("://", 1)[-1].split("/", 1)[0]:
            yield f"{node.place}.hooks", "(secret)", "must not carry a login in the URL; use token", False

    def resolve(self, context: Context, node: Node) -> Iterator[Tuple[str, Any, str, bool]]:
        for key, item in self.entries(node).items():
            if item.get("token") and not context.digester:
                yield (
                    "gitlab_config_digest_key",
                    "",
                    f"is needed: {node.place}.hooks[{key}] has a token",
                    False,
                )

    def address(self, node: Node) -> str:
        return "/hooks" if node.kind == INSTANCE else super().address(node)

    def view(self, context: Context, node: Node, row: Row) -> Item:
        seen = super().view(context, node, row)
        seen["description"], seen["token"] = unseal(row.get("description"))
        return seen

    def differences(self, context: Context, node: Node, actual: Mapping[str, Row]) -> Iterator[Difference]:
        for difference in super().differences(context, node, actual):
            wanted, row = difference.wanted, difference.actual
            if wanted is None or row is None or "token" not in wanted:
                yield difference
                continue
            same = unseal(row.get("description"))[1] == self._digest(
                context, node, difference.key, wanted["token"]
            )
            changed = tuple(name for name in difference.changed if name != "token" or not same)
            if changed:
                yield Difference(difference.key, row, wanted, changed)

    @staticmethod
    def _digest(context: Context, node: Node, url: str, token: str) -> str:
        return context.digester(token, node.kind, node.id, "hooks", url)

    def _sealed(
        self, context: Context, node: Node, difference: Difference, body: Dict[str, Any]
    ) -> Dict[str, Any]:
        """The body with the digest of the token that the hook has after the request."""
        text = difference.item.get("description", "")
        if difference.item.get("token"):
            digest = self._digest(context, node, difference.key, difference.item["token"])
            return {**body, "description": seal(text, digest)}
        _text, digest = unseal((difference.actual or {}).get("description"))
        return {**body, "description": seal(text, digest) if digest else text}

    def create(self, context: Context, node: Node, difference: Difference) -> None:
        body = {name: value for name, value in difference.item.items() if value != ""}
        body = self._sealed(context, node, difference, self.payload(context, node, body))
        context.client.post(self.address(node), {"url": difference.key, **body})

    def update(self, context: Context, node: Node, difference: Difference) -> None:
        body = self.payload(context, node, {name: difference.item[name] for name in difference.changed})
        if {"token", "description"} & set(difference.changed):
            body = self._sealed(context, node, difference, body)
        context.client.put(self.item_address(node, difference.row), {"url": difference.key, **body})
