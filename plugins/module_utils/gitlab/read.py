# Copyright (c) 2026 Groundwork contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What there is: whole trees of groups and projects in a few requests, and only the lists that are needed."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Dict, List, Mapping, Tuple

from .client import ApiError, quoted
from .context import Context
from .model import GROUP, INSTANCE, PROJECT, Node
from .sections import of
from .sections.base import Row, Section

# What has its secrets' digests in custom attributes, which are only listed on request.
_WITH_ATTRIBUTES = ("integrations", "mirrors")
Active = List[Tuple[Node, Section]]


@dataclass
class Stock:
    """GitLab's rows by full path in lower case, by kind."""

    rows: Dict[str, Dict[str, Row]] = field(default_factory=lambda: {GROUP: {}, PROJECT: {}})

    def add(self, kind: str, row: Row) -> None:
        self.rows[kind][path_of(kind, row).lower()] = row

    def get(self, kind: str, path: str) -> Row:
        return self.rows[kind].get(path.lower(), {})

    def known_settings(self, kind: str) -> List[str]:
        """Names that rows of a kind have; empty where there is no row yet."""
        return sorted({name for row in self.rows[kind].values() for name in row})


def path_of(kind: str, row: Mapping[str, Any]) -> str:
    return str(row["full_path"] if kind == GROUP else row["path_with_namespace"])


def who_asks(context: Context, check_mode: bool) -> None:
    """Whose token it is and what it opens; refuses one that can't do the work."""
    client = context.client
    # The one request that every token may make, whatever its scopes are.
    token = client.find("/personal_access_tokens/self")
    scopes = set((token or {}).get("scopes") or [])
    needed = {"api", "read_api"} if check_mode else {"api"}
    if token is not None and not scopes & needed:
        rule = f"is not enough, the token needs the scope {' or '.join(sorted(needed))}"
        context.violations.add(f"gitlab_config_token (scopes of {token.get('name')})", sorted(scopes), rule)
        context.violations.finish()
    context.enterprise = client.enterprise
    context.me = client.get("/user")
    if context.model.instance is not None and not context.me.get("is_admin"):
        user = context.me.get("username")
        context.violations.add("gitlab_config_instance", user, "needs a token of an administrator")


def locate(context: Context) -> Stock:
    """Read the trees of all declared top groups, and give each node its row.

    A group that was renamed or moved takes along what is in it: that is looked for below the old path.
    """
    stock = Stock()
    declared = {name for node in context.model.nodes for name in node.options}
    query = {"with_custom_attributes": True} if declared & set(_WITH_ATTRIBUTES) else {}
    tops = {
        path.partition("/")[0].lower(): None
        for node in context.model.nodes
        for path in (node.path, node.previous)
        if path
    }
    context.client.map(lambda top: read_tree(context, stock, top, query), tops)
    was: Dict[str, str] = {}
    for node in context.model.nodes:
        node.row = _row(context, stock, node, was)
        was[node.path] = path_of(node.kind, node.row) if node.row else node.path
    return stock


def read_tree(context: Context, stock: Stock, top: str, query: Mapping[str, Any]) -> None:
    """A top group, all groups and all projects below it; ``top`` is its path in lower case."""
    client = context.client
    row = client.find(f"/groups/{quoted(top)}", with_projects=False, **query)
    if row is None or row["full_path"].lower() != top:
        return
    stock.add(GROUP, row)
    for group in client.pages(f"/groups/{row['id']}/descendant_groups", **query):
        stock.add(GROUP, group)
    for project in client.pages(
        f"/groups/{row['id']}/projects", include_subgroups=True, with_shared=False, **query
    ):
        stock.add(PROJECT, project)


def _row(context: Context, stock: Stock, node: Node, was: Mapping[str, str]) -> Row:
    candidates = [node.path]
    if node.parent is not None and was[node.parent.path] != node.parent.path:
        candidates.append(f"{was[node.parent.path]}/{node.slug}")
    if node.previous:
        candidates.append(node.previous)
        head, _slash, rest = node.previous.partition("/")
        while rest and head not in was:
            part, _slash, rest = rest.partition("/")
            head = f"{head}/{part}"
        if rest and was[head] != head:
            candidates.append(f"{was[head]}/{rest}")
    found = [row for row in (stock.get(node.kind, path) for path in candidates) if row]
    if len({row["id"] for row in found}) > 1:
        other = path_of(node.kind, found[1])
        context.warn(f"{node.place}.previous_path: {other} is there as well as {node.path}; it is left alone")
    return found[0] if found else {}


def read_sections(context: Context) -> Tuple[Active, List[Dict[str, Row]]]:
    """The lists of all sections that somebody declares or enforces, side by side.

    Nothing is asked for a group or project that is not there yet, that goes, or that stays archived.
    """
    active: Active = []
    nodes = [*context.model.nodes, *([context.model.instance] if context.model.instance else [])]
    for node in nodes:
        if not node.absent and not resting(node):
            active.extend((node, section) for section in wanted_sections(context, node))

    def read(pair: Tuple[Node, Section]) -> Dict[str, Row]:
        node, section = pair
        if not node.id:
            return {}
        return section_rows(context, node, section)

    return active, context.client.map(read, active)


def section_rows(context: Context, node: Node, section: Section) -> Dict[str, Row]:
    """The rows of one section; a refusal says which section of what it was."""
    try:
        return section.read(context, node)
    except ApiError as error:
        if error.status != 403:
            raise
        place = f"{node.place or INSTANCE}.{section.name}"
        context.violations.add(
            place, "403 Forbidden", f"the token of {context.me.get('username')} may not read it"
        )
        return {}


def wanted_sections(context: Context, node: Node) -> List[Section]:
    """Sections of a node that are declared or enforced, and that this GitLab has."""
    return [section for section in of(node.kind) if section.active(node) and section.available(context, node)]


def resting(node: Node) -> bool:
    """Whether a project is archived and stays so: GitLab would refuse most changes of it."""
    return bool(node.row.get("archived")) and node.archived
