# Copyright (c) 2026 Groundwork contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# ruff: noqa: ARG002  # because all sections answer the same calls, whether they need each argument or not
"""Push rules and approvals of merge requests: the Enterprise Edition's."""

from __future__ import annotations

from typing import Any, Dict, Iterable, Iterator, List, Mapping, Tuple

from ..context import Context
from ..model import GROUP, Node
from .base import Difference, Field, Item, Row, Section, declare


class Single(Section):
    """One thing instead of several: its settings are the section's value, and it has no key."""

    def entries(self, node: Node) -> Dict[str, Item]:
        declared = node.options.get(self.name)
        return {"": dict(declared)} if isinstance(declared, Mapping) else {}

    def active(self, node: Node) -> bool:
        return self.name in node.options

    def rows(self, context: Context, node: Node) -> List[Row]:
        row = context.client.find(self.address(node))
        return [row] if row else []

    def key_of(self, row: Row) -> str:
        return ""

    def exported(self, context: Context, node: Node, rows: Mapping[str, Row]) -> Any:
        return self.export(context, node, rows[""]) if rows else {}

    def item_address(self, node: Node, row: Row) -> str:
        return self.address(node)

    def create(self, context: Context, node: Node, difference: Difference) -> None:
        context.client.post(self.address(node), self.payload(context, node, difference.item))


class PushRules(Single):
    name = "push_rules"
    kinds = ("group", "project")
    enterprise = ("group", "project")
    path = "push_rule"
    fields = declare(
        author_email_regex=Field(),
        branch_name_regex=Field(),
        commit_message_regex=Field(),
        commit_message_negative_regex=Field(),
        file_name_regex=Field(),
        commit_committer_check=Field("flag"),
        commit_committer_name_check=Field("flag"),
        deny_delete_tag=Field("flag"),
        max_file_size=Field("number"),
        member_check=Field("flag"),
        prevent_secrets=Field("flag"),
        reject_non_dco_commits=Field("flag"),
        reject_unsigned_commits=Field("flag"),
    )


class Approvals(Single):
    name = "approvals"
    enterprise = ("project",)
    path = "approvals"
    fields = declare(
        disable_overriding_approvers_per_merge_request=Field("flag"),
        merge_requests_author_approval=Field("flag"),
        merge_requests_disable_committers_approval=Field("flag"),
        require_reauthentication_to_approve=Field("flag"),
        reset_approvals_on_push=Field("flag"),
        selective_code_owner_removals=Field("flag"),
    )

    def update(self, context: Context, node: Node, difference: Difference) -> None:
        body = {name: difference.item[name] for name in difference.changed}
        context.client.post(self.address(node), self.payload(context, node, body))


class ApprovalRules(Section):
    """Who has to approve, by the rule's name."""

    name = "approval_rules"
    enterprise = ("project",)
    path = "approval_rules"
    fields = declare(
        approvals_required=Field("number", required=True),
        users=Field("texts", default=()),
        groups=Field("texts", default=()),
        protected_branches=Field("texts", default=()),
    )

    def users(self, node: Node) -> Iterable[str]:
        return [str(user) for item in self.entries(node).values() for user in item.get("users") or []]

    def resolve(self, context: Context, node: Node) -> Iterator[Tuple[str, Any, str, bool]]:
        for key, item in self.entries(node).items():
            place = f"{node.place}.{self.name}[{key}]"
            for user in item.get("users") or []:
                if context.user_id(user) is None:
                    yield f"{place}.users", user, "must be a user that this GitLab knows", False
            for group in item.get("groups") or []:
                if not context.exists(GROUP, group):
                    yield (
                        f"{place}.groups",
                        group,
                        "must be the full path of a group that this GitLab has",
                        False,
                    )

    def view(self, context: Context, node: Node, row: Row) -> Item:
        context.learn(row.get("users") or [])
        return {
            "approvals_required": row.get("approvals_required"),
            "users": sorted(user["username"].lower() for user in row.get("users") or []),
            "groups": sorted(group["full_path"] for group in row.get("groups") or []),
            "protected_branches": sorted(branch["name"] for branch in row.get("protected_branches") or []),
        }

    def wanted(self, context: Context, node: Node, key: str, item: Item) -> Item:
        wanted = super().wanted(context, node, key, item)
        return {**wanted, "users": sorted(user.lower() for user in wanted["users"])}

    def spared(self, context: Context, node: Node, row: Row) -> bool:
        return row.get("rule_type", "regular") not in ("regular", "any_approver")

    def payload(self, context: Context, node: Node, item: Mapping[str, Any]) -> Dict[str, Any]:
        body: Dict[str, Any] = {}
        if "approvals_required" in item:
            body["approvals_required"] = item["approvals_required"]
        if "users" in item:
            body["user_ids"] = [context.user_id(user) for user in item["users"]]
        if "groups" in item:
            body["group_ids"] = [context.id_of(GROUP, group) for group in item["groups"]]
        if "protected_branches" in item:
            ids = {
                row["name"]: row["id"] for row in context.client.pages(f"{node.address}/protected_branches")
            }
            body["protected_branch_ids"] = [ids[name] for name in item["protected_branches"] if name in ids]
        return body
