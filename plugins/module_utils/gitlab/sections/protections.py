# Copyright (c) 2026 Groundwork contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Protected branches, tags and environments. None of them is ever off for a moment.

Where GitLab has a request that changes a protection, it is used. Where it has none (tags; branches of the
Community Edition), a cover goes up first: a protection of a wildcard that ends in ``**`` and matches the same
names, with the new levels. Then the old one goes, the new one comes, and the cover is taken away. GitLab lets
the most permissive of several matching rules decide, so the cover can't open what the new one would not.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import Any, Dict, Iterable, Iterator, List, Mapping, Tuple

from ..client import quoted
from ..context import Context
from ..levels import LEVELS, NAMES, PROTECTION_LEVELS
from ..model import GROUP, Node
from .base import Difference, Field, Item, Row, Section, declare

COVER = "**"
_KINDS = ("user", "group")


class Protection(Section):
    """What branches, tags and environments have in common: lists of who may.

    Someone is a level (``maintainer``), or in the Enterprise Edition ``user:alice`` or ``group:acme/ops``.
    """

    kinds = ("project",)
    item = "name"
    # The fields that are such lists, with what rows, arrays and single levels of requests are called.
    lists: Mapping[str, Tuple[str, str, str]] = MappingProxyType({})

    def entries(self, node: Node) -> Dict[str, Item]:
        entries = super().entries(node)
        for entry in entries.values():
            for name in self.lists:
                if isinstance(entry.get(name), str):
                    entry[name] = [entry[name]]
        return entries

    def rules(self, node: Node, key: str, item: Item) -> Iterator[Tuple[str, Any, str, bool]]:
        for name in self.lists:
            for who in item.get(name) or []:
                kind, _colon, rest = str(who).partition(":")
                if who not in PROTECTION_LEVELS and not (kind in _KINDS and rest):
                    rule = f"must be one of {', '.join(PROTECTION_LEVELS)}, or user:NAME, or group:PATH"
                    yield f"{node.place}.{self.name}[{key}].{name}", who, rule, False

    def users(self, node: Node) -> Iterable[str]:
        return [who[5:] for _key, _name, who in self._everybody(node) if who.startswith("user:")]

    def _everybody(self, node: Node) -> Iterator[Tuple[str, str, str]]:
        for key, entry in self.entries(node).items():
            for name in self.lists:
                for who in entry.get(name) or []:
                    yield key, name, str(who)

    def resolve(self, context: Context, node: Node) -> Iterator[Tuple[str, Any, str, bool]]:
        for key, name, who in self._everybody(node):
            place = f"{node.place}.{self.name}[{key}].{name}"
            if who in PROTECTION_LEVELS:
                continue
            if not context.enterprise:
                yield place, who, "must be a level; users and groups need the Enterprise Edition", False
            elif who.startswith("user:") and context.user_id(who[5:]) is None:
                yield place, who, "must be a user that this GitLab knows", False
            elif who.startswith("group:") and not context.exists(GROUP, who[6:]):
                yield place, who, "must be the full path of a group that this GitLab has", False
        if context.enterprise:
            return
        for key, entry in self.entries(node).items():
            for name in self.lists:
                if len(entry.get(name) or []) > 1:
                    place = f"{node.place}.{self.name}[{key}].{name}"
                    yield place, entry[name], "must be one level; several need the Enterprise Edition", False

    def wanted(self, context: Context, node: Node, key: str, item: Item) -> Item:
        wanted = super().wanted(context, node, key, item)
        for name in self.lists:
            if name in wanted:
                wanted[name] = sorted(self._reference(context, str(who)) for who in wanted[name])
        return wanted

    def view(self, context: Context, node: Node, row: Row) -> Item:
        seen = super().view(context, node, row)
        for name, (attribute, _array, _single) in self.lists.items():
            seen[name] = sorted(self._who(context, level) for level in row.get(attribute) or [])
        return seen

    @staticmethod
    def _reference(context: Context, who: str) -> str:
        if who.startswith("user:"):
            return f"user:{context.username(context.user_id(who[5:]) or 0)}"
        return who

    @staticmethod
    def _who(context: Context, level: Row) -> str:
        if level.get("user_id"):
            context.learn_ids([int(level["user_id"])])
            return f"user:{context.username(int(level['user_id']))}"
        if level.get("group_id"):
            return f"group:{context.group_path(int(level['group_id']))}"
        if level.get("deploy_key_id"):
            return f"deploy key:{level['deploy_key_id']}"
        return NAMES.get(level.get("access_level", -1), str(level.get("access_level")))

    def _array(self, context: Context, whos: Iterable[str]) -> List[Dict[str, Any]]:
        entries: List[Dict[str, Any]] = []
        for who in whos:
            if who.startswith("user:"):
                entries.append({"user_id": context.user_id(who[5:])})
            elif who.startswith("group:"):
                entries.append({"group_id": context.id_of(GROUP, who[6:])})
            else:
                entries.append({"access_level": LEVELS[who]})
        return entries

    def body(self, context: Context, item: Item) -> Dict[str, Any]:
        """What a request that creates one takes."""
        body: Dict[str, Any] = {}
        for name, value in item.items():
            if name not in self.lists:
                body[self.fields[name].api or name] = value
                continue
            _attribute, array, single = self.lists[name]
            if single and len(value) == 1 and value[0] in LEVELS:
                body[single] = LEVELS[value[0]]
            else:
                body[array] = self._array(context, value)
        return body

    def steps(self, context: Context, difference: Difference) -> Dict[str, Any]:
        """What a request that changes one takes: lists as what to add and what to take away."""
        body: Dict[str, Any] = {}
        for name in difference.changed:
            if name not in self.lists:
                body[self.fields[name].api or name] = difference.item[name]
                continue
            attribute, array, _single = self.lists[name]
            there = {self._who(context, level): level for level in difference.row.get(attribute) or []}
            fresh = [who for who in difference.item[name] if who not in there]
            gone = [level for who, level in there.items() if who not in difference.item[name]]
            body[array] = self._array(context, fresh) + [{"id": one["id"], "_destroy": True} for one in gone]
        return body

    def create(self, context: Context, node: Node, difference: Difference) -> None:
        context.client.post(
            self.address(node), {"name": difference.key, **self.body(context, difference.item)}
        )

    def replace(self, context: Context, node: Node, difference: Difference) -> None:
        """Under a cover: see the module."""
        cover = difference.key + COVER
        address = f"{self.address(node)}/{quoted(cover)}"
        if context.client.find(address) is None:
            context.client.post(self.address(node), {"name": cover, **self.body(context, difference.item)})
        self.delete(context, node, difference)
        self.create(context, node, difference)
        context.client.delete(address)

    def differences(self, context: Context, node: Node, actual: Mapping[str, Row]) -> Iterator[Difference]:
        """As for all sections, and covers that an interrupted run has left are taken away, last."""
        found = list(super().differences(context, node, actual))
        declared = self.entries(node)
        yield from found
        taken = {difference.key for difference in found}
        for key, row in actual.items():
            if key.endswith(COVER) and key[: -len(COVER)] in declared and key not in (*declared, *taken):
                yield Difference(key, row, None)


class ProtectedBranches(Protection):
    name = "protected_branches"
    path = "protected_branches"
    fields = declare(
        push=Field("texts", required=True),
        merge=Field("texts", required=True),
        unprotect=Field("texts", enterprise=True),
        allow_force_push=Field("flag", default=False),
        code_owner_approval_required=Field("flag", enterprise=True),
    )
    lists = MappingProxyType(
        {
            "push": ("push_access_levels", "allowed_to_push", "push_access_level"),
            "merge": ("merge_access_levels", "allowed_to_merge", "merge_access_level"),
            "unprotect": ("unprotect_access_levels", "allowed_to_unprotect", "unprotect_access_level"),
        }
    )

    def rows(self, context: Context, node: Node) -> List[Row]:
        # A group's protections are listed with the project's; they can only be changed at the group.
        return [row for row in super().rows(context, node) if not row.get("inherited")]

    def update(self, context: Context, node: Node, difference: Difference) -> None:
        if context.enterprise or not set(difference.changed) & set(self.lists):
            context.client.patch(self.item_address(node, difference.row), self.steps(context, difference))
        else:
            self.replace(context, node, difference)


class ProtectedTags(Protection):
    name = "protected_tags"
    path = "protected_tags"
    updatable = False
    shorthand = "create"
    fields = declare(create=Field("texts", required=True))
    lists = MappingProxyType({"create": ("create_access_levels", "allowed_to_create", "create_access_level")})


class ProtectedEnvironments(Protection):
    name = "protected_environments"
    enterprise = ("project",)
    path = "protected_environments"
    shorthand = "deploy"
    fields = declare(
        deploy=Field("texts", required=True),
        required_approval_count=Field("number"),
    )
    lists = MappingProxyType({"deploy": ("deploy_access_levels", "deploy_access_levels", "")})

    def update(self, context: Context, node: Node, difference: Difference) -> None:
        context.client.put(self.item_address(node, difference.row), self.steps(context, difference))
