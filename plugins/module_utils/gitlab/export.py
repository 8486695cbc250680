# Copyright (c) 2026 Groundwork contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An instance as an inventory would declare it. Secrets are no part of it, only references to be filled."""

from __future__ import annotations

from typing import Any, Dict, List, Mapping, Optional, Sequence, Tuple

from .client import Client
from .context import Context
from .levels import VISIBILITIES
from .model import GROUP, INSTANCE, PROJECT, Model, Node, Violations
from .read import Stock, read_tree, resting, section_rows, who_asks
from .secrets import Digester
from .sections import of
from .sections.base import Row

# Settings that an inventory would want, as far as this GitLab shows them. What depends on the edition, on the
# instance or on time (counters, dates, addresses) is none of them.
_SETTINGS: Mapping[str, Tuple[str, ...]] = {
    PROJECT: (
        "allow_merge_on_skipped_pipeline",
        "auto_cancel_pending_pipelines",
        "auto_devops_enabled",
        "autoclose_referenced_issues",
        "build_git_strategy",
        "build_timeout",
        "builds_access_level",
        "ci_config_path",
        "ci_default_git_depth",
        "ci_forward_deployment_enabled",
        "ci_separated_caches",
        "container_registry_access_level",
        "default_branch",
        "environments_access_level",
        "forking_access_level",
        "group_runners_enabled",
        "issues_access_level",
        "keep_latest_artifact",
        "lfs_enabled",
        "merge_commit_template",
        "merge_method",
        "merge_requests_access_level",
        "only_allow_merge_if_all_discussions_are_resolved",
        "only_allow_merge_if_pipeline_succeeds",
        "packages_enabled",
        "pages_access_level",
        "releases_access_level",
        "remove_source_branch_after_merge",
        "repository_access_level",
        "request_access_enabled",
        "resolve_outdated_diff_discussions",
        "shared_runners_enabled",
        "snippets_access_level",
        "squash_commit_template",
        "squash_option",
        "suggestion_commit_message",
        "topics",
        "wiki_access_level",
    ),
    GROUP: (
        "auto_devops_enabled",
        "default_branch",
        "lfs_enabled",
        "mentions_disabled",
        "project_creation_level",
        "request_access_enabled",
        "require_two_factor_authentication",
        "share_with_group_lock",
        "shared_runners_setting",
        "subgroup_creation_level",
        "two_factor_grace_period",
    ),
}


def export(client: Client, paths: Sequence[str]) -> Dict[str, Any]:
    """``{"gitlab_config_groups": [...], "gitlab_config_instance": {...}}``.

    paths: top groups; all that the token can see where none is named. The instance is told to administrators.
    """
    context = Context(client, Model((), None), Digester(""), Violations())
    who_asks(context, check_mode=True)
    tops = list(paths) or sorted(row["full_path"] for row in client.pages("/groups", top_level_only=True))
    stock = Stock()
    for top in tops:
        read_tree(context, stock, top.lower(), {})
        if not stock.get(GROUP, top):
            context.violations.add(
                "gitlab_export.groups", top, "must be the path of a top group that the token can see"
            )
    context.violations.finish()
    nodes = {
        path: Node(kind, path, {}, row=row) for kind, rows in stock.rows.items() for path, row in rows.items()
    }
    entries = dict(zip(nodes, client.map(lambda node: _entry(context, node), list(nodes.values()))))
    model: Dict[str, Any] = {"gitlab_config_groups": _nested(stock, entries)}
    if context.me.get("is_admin"):
        found = _sections(context, Node(INSTANCE, "", {}, row={"id": INSTANCE}))
        if found:
            model["gitlab_config_instance"] = found
    return model


def _entry(context: Context, node: Node) -> Dict[str, Any]:
    row = node.row
    entry: Dict[str, Any] = {"path": row["path"]}
    if row["name"] != row["path"]:
        entry["name"] = row["name"]
    if row.get("visibility") in VISIBILITIES:
        entry["visibility"] = row["visibility"]
    if row.get("description"):
        entry["description"] = row["description"]
    settings = {name: row[name] for name in _SETTINGS[node.kind] if _told(row, name)}
    if settings:
        entry["settings"] = settings
    if row.get("archived"):
        entry["archived"] = True
    node.options["archived"] = bool(row.get("archived"))
    if not resting(node):
        entry.update(_sections(context, node))
    return entry


def _told(row: Row, name: str) -> bool:
    return row.get(name) not in (None, "", [])


def _sections(context: Context, node: Node) -> Dict[str, Any]:
    found: Dict[str, Any] = {}
    for section in of(node.kind):
        node.options[section.name] = dict(section.probe)
        node.options["enforce"] = {section.name: "report"}
        if section.available(context, node) and section.active(node):
            told = section.exported(context, node, section_rows(context, node, section))
            if told:
                found[section.name] = told
        del node.options[section.name]
    return found


def _nested(stock: Stock, entries: Mapping[str, Dict[str, Any]]) -> List[Dict[str, Any]]:
    """The flat entries as the tree that they are; settings that all projects share become their defaults."""
    tops: List[Dict[str, Any]] = []
    for kind, rows in stock.rows.items():
        for path in sorted(rows):
            above: Optional[Dict[str, Any]] = entries.get(path.rpartition("/")[0])
            if above is not None:
                above.setdefault(f"{kind}s", []).append(entries[path])
            else:
                tops.append(entries[path])
    for top in tops:
        prefix = f"{top['path']}/".lower()
        projects = [entries[path] for path in stock.rows[PROJECT] if path.startswith(prefix)]
        shared = _shared([project.get("settings", {}) for project in projects])
        if shared:
            top["defaults"] = {"projects": {"settings": shared}}
            for project in projects:
                own = {name: value for name, value in project["settings"].items() if name not in shared}
                project.pop("settings")
                if own:
                    project["settings"] = own
    return tops


def _shared(settings: Sequence[Mapping[str, Any]]) -> Dict[str, Any]:
    if len(settings) < 2:
        return {}
    first, *rest = settings
    return {name: value for name, value in first.items() if all(one.get(name, None) == value for one in rest)}
