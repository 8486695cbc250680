# Copyright (c) 2026 Groundwork contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# ruff: noqa: ARG002  # because all sections answer the same calls, whether they need each argument or not
"""Files that a project is seeded with, and tags that version it."""

from __future__ import annotations

import base64
import hashlib
import posixpath
from typing import Any, Dict, Iterator, List, Mapping, Sequence, Tuple

from ..client import ApiError
from ..context import Context
from ..model import Node
from .base import Difference, Field, Item, Row, Section, declare


def branch_of(node: Node) -> str:
    """The branch that files go to."""
    declared = (node.options.get("settings") or {}).get("default_branch")
    return str(node.row.get("default_branch") or declared or "main")


class Files(Section):
    """Put there once; ``keep: true`` puts them right whenever they differ. All of a run in one commit."""

    name = "files"
    path = "repository/tree"
    identity = "path"
    shorthand = "content"
    fields = declare(
        content=Field(required=True),
        keep=Field("flag", default=False),
        executable=Field("flag", default=False),
    )

    def rules(self, node: Node, key: str, item: Item) -> Iterator[Tuple[str, Any, str, bool]]:
        if key.startswith(("/", "../")) or posixpath.normpath(key) != key:
            yield f"{node.place}.files", key, "must be a path in the repository, such as docs/index.md", False

    def active(self, node: Node) -> bool:
        return bool(node.options.get(self.name))

    def rows(self, context: Context, node: Node) -> List[Row]:
        # The listing of a folder has each file's hash, so that no file has to be fetched.
        if node.row.get("empty_repo"):
            return []
        rows: List[Row] = []
        for folder in sorted({posixpath.dirname(path) for path in self.entries(node)}):
            try:
                rows += context.client.pages(self.address(node), path=folder, ref=branch_of(node))
            except ApiError as error:
                if error.status != 404:
                    raise
        return [row for row in rows if row["type"] == "blob"]

    def differences(self, context: Context, node: Node, actual: Mapping[str, Row]) -> Iterator[Difference]:
        for path, item in self.entries(node).items():
            wanted = self.wanted(context, node, path, item)
            row = actual.get(path)
            if row is None:
                yield Difference(path, None, wanted, ("content",))
            elif wanted["keep"] and row["id"] != blob(wanted["content"]):
                yield Difference(path, row, wanted, ("content",))

    def commit(self, context: Context, node: Node, differences: Sequence[Difference]) -> None:
        """All of them or none."""
        actions = []
        for difference in differences:
            actions.append(
                {
                    "action": "create" if difference.actual is None else "update",
                    "file_path": difference.key,
                    "encoding": "base64",
                    "content": base64.b64encode(difference.item["content"].encode()).decode(),
                    **({"execute_filemode": True} if difference.item["executable"] else {}),
                }
            )
        names = ", ".join(difference.key for difference in differences)
        message = f"Seed {names}" if len(names) < 60 else f"Seed {len(differences)} files"
        context.client.post(
            f"{node.address}/repository/commits",
            {"branch": branch_of(node), "commit_message": message, "actions": actions},
        )
        node.row.setdefault("default_branch", branch_of(node))
        node.row["empty_repo"] = False

    def apply(self, context: Context, node: Node, difference: Difference) -> None:
        self.commit(context, node, [difference])

    def shown(self, context: Context, node: Node, difference: Difference) -> Tuple[Any, Any]:
        before = None if difference.actual is None else {"blob": difference.row["id"]}
        content = difference.item["content"]
        return before, {"blob": blob(content), "content": content}

    def export(self, context: Context, node: Node, row: Row) -> Any:
        return None


class Tags(Section):
    """Made once and never moved: who has pinned a version gets what it was."""

    name = "tags"
    path = "repository/tags"
    item = "name"
    shorthand = "ref"
    fields = declare(ref=Field(), message=Field())

    def rows(self, context: Context, node: Node) -> List[Row]:
        return [] if node.row.get("empty_repo") else super().rows(context, node)

    def differences(self, context: Context, node: Node, actual: Mapping[str, Row]) -> Iterator[Difference]:
        for difference in super().differences(context, node, actual):
            if difference.actual is None or difference.wanted is None:
                yield difference

    def create(self, context: Context, node: Node, difference: Difference) -> None:
        wanted: Item = difference.wanted or {}
        body: Dict[str, Any] = {"tag_name": difference.key, "ref": wanted.get("ref") or branch_of(node)}
        if wanted.get("message"):
            body["message"] = wanted["message"]
        context.client.post(self.address(node), body)

    def export(self, context: Context, node: Node, row: Row) -> Any:
        return None


def blob(content: str) -> str:
    """Git's hash of a file's content."""
    data = content.encode()
    return hashlib.sha1(b"blob %d\0" % len(data) + data, usedforsecurity=False).hexdigest()
