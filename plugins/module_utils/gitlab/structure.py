# Copyright (c) 2026 Groundwork contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Groups and projects themselves: made, renamed, moved, set, archived, and scheduled for deletion."""

from __future__ import annotations

import hashlib
import os
import re
from typing import Any, Dict, Iterator, List, Mapping, Optional, Tuple

from ..plan import CREATE, DELETE, UPDATE, Change
from .context import Context
from .levels import wider
from .model import GROUP, PROJECT, Node
from .read import Stock, path_of, resting
from .steps import CLOSING, NARROWING, STRUCTURE, Step, shown_settings, title

MOVE = "move"
RESTORE = "restore"
ARCHIVE = "archive"

# Names in requests whose answers have another one.
_ANSWERED_AS = {
    "container_expiration_policy_attributes": "container_expiration_policy",
    "public_builds": "public_jobs",
}
# Taken when it is made, and never shown again.
_WRITE_ONLY = (
    "initialize_with_readme",
    "import_url",
    "template_name",
    "template_project_id",
    "use_custom_template",
)
# What the Community Edition neither takes nor shows.
_ENTERPRISE = {
    PROJECT: [
        "allow_pipeline_trigger_approve_deployment",
        "approvals_before_merge",
        "auto_duo_code_review_enabled",
        "ci_restrict_pipeline_cancellation_role",
        "external_authorization_classification_label",
        "issues_template",
        "merge_pipelines_enabled",
        "merge_requests_template",
        "merge_trains_enabled",
        "merge_trains_skip_train_allowed",
        "mirror",
        "mirror_overwrites_diverged_branches",
        "mirror_trigger_builds",
        "mirror_user_id",
        "only_mirror_protected_branches",
        "only_allow_merge_if_all_status_checks_passed",
        "prevent_merge_without_jira_issue",
        "requirements_access_level",
    ],
    GROUP: [
        "allowed_email_domains_list",
        "extra_shared_runners_minutes_limit",
        "file_template_project_id",
        "ip_restriction_ranges",
        "membership_lock",
        "prevent_forking_outside_group",
        "service_access_tokens_expiration_enforced",
        "shared_runners_minutes_limit",
        "unique_project_download_limit",
        "wiki_access_level",
    ],
}
# Since this version every edition keeps what was deleted for a while before it is gone.
_DELAYED_SINCE = (18, 0)


def check(context: Context, stock: Stock) -> None:
    """What is wrong with groups and projects that only GitLab can tell."""
    confirmed = context.confirmed
    for node in context.model.nodes:
        if node.absent:
            if not _there(node):
                continue
            if node.path not in confirmed:
                rule = f"must be confirmed: gitlab_config_confirm_deletion has to name {node.path}"
                context.violations.add(f"{node.place}.state", "absent", rule)
            if not _delayed(context):
                version = context.client.metadata().get("version")
                rule = f"this GitLab ({version}) deletes at once; the delay needs 18.0 or newer"
                context.violations.add(f"{node.place}.state", "absent", rule)
            continue
        _check_visibility(context, node)
        _check_settings(context, stock, node)
        picture = node.options.get("avatar")
        if picture is not None and not (isinstance(picture, str) and os.path.isfile(picture)):
            context.violations.add(
                f"{node.place}.avatar", picture, "must be the path of a picture on the controller"
            )
        if node.parent is not None and node.parent.absent:
            context.violations.add(
                f"{node.place}.state", "present", f"is in {node.parent.path}, which is to be absent"
            )


def _delayed(context: Context) -> bool:
    match = re.match(r"(\d+)\.(\d+)", str(context.client.metadata().get("version")))
    return context.enterprise or bool(match and (int(match[1]), int(match[2])) >= _DELAYED_SINCE)


def _there(node: Node) -> bool:
    return bool(node.row) and not _leaving(node)


def _leaving(node: Node) -> bool:
    """Whether it is scheduled for deletion."""
    return bool(node.row.get("marked_for_deletion_on") or node.row.get("marked_for_deletion_at"))


def _check_visibility(context: Context, node: Node) -> None:
    if node.parent is None or "visibility" not in node.options:
        return
    limit = node.parent.options.get("visibility") or node.parent.row.get("visibility") or "private"
    if wider(node.options["visibility"], limit):
        rule = f"must not be wider than {limit}, the visibility of the group {node.parent.path}"
        context.violations.add(f"{node.place}.visibility", node.options["visibility"], rule)


def _check_settings(context: Context, stock: Stock, node: Node) -> None:
    known = stock.known_settings(node.kind)
    for name, value in list(node.options.get("settings", {}).items()):
        if not known or _ANSWERED_AS.get(name, name) in known or name in _WRITE_ONLY:
            continue
        if name in _ENTERPRISE[node.kind] and not context.enterprise:
            context.warn(f"{node.place}.settings.{name}: passed over, it needs the Enterprise Edition")
            node.options["settings"] = {k: v for k, v in node.options["settings"].items() if k != name}
        else:
            rule = f"is no setting of a {node.kind} that this GitLab shows"
            secret = shown_settings({name: value})[name] != value
            context.violations.add(f"{node.place}.settings.{name}", value, rule, secret)


def steps(context: Context, node: Node) -> Iterator[Step]:
    """The steps of one group or project, without what is in it."""
    if node.absent:
        if _there(node):
            change = Change(DELETE, title(node), {"path": path_of(node.kind, node.row)})
            yield Step(node, change, CLOSING, lambda: context.client.delete(node.address))
        return
    if not node.row:
        wanted = {"path": node.path, **_wanted(node)}
        yield Step(
            node,
            Change(CREATE, title(node), None, shown_settings(wanted)),
            STRUCTURE,
            lambda: _create(context, node),
        )
    else:
        yield from _existing(context, node)
    if node.kind == PROJECT and node.archived and not node.row.get("archived"):
        change = Change(ARCHIVE, title(node), {"archived": False}, {"archived": True})
        yield Step(node, change, CLOSING, lambda: _post(context, node, "archive"))


def _existing(context: Context, node: Node) -> Iterator[Step]:
    if _leaving(node):
        change = Change(RESTORE, title(node), {"marked_for_deletion": True}, {"marked_for_deletion": False})
        yield Step(node, change, STRUCTURE, lambda: _post(context, node, "restore"))
    if node.kind == PROJECT and "archived" in node.options and node.row.get("archived") and not node.archived:
        change = Change("unarchive", title(node), {"archived": True}, {"archived": False})
        yield Step(node, change, STRUCTURE, lambda: _post(context, node, "unarchive"))
    if resting(node):
        return
    now = path_of(node.kind, node.row)
    if now != node.path and not _carried(node, now):
        change = Change(MOVE, title(node), {"path": now}, {"path": node.path})
        yield Step(node, change, STRUCTURE, lambda: _move(context, node))
    fresh = differing(_wanted(node), node.row)
    visibility = fresh.get("visibility")
    if node.kind == GROUP and visibility and wider(visibility[0], visibility[1]):
        del fresh["visibility"]
        yield _setting(context, node, {"visibility": visibility}, NARROWING)
    if fresh:
        yield _setting(context, node, fresh, STRUCTURE)
    picture = _picture(node)
    if picture:
        change = Change(
            UPDATE, title(node, "avatar"), {"url": node.row.get("avatar_url")}, {"file": picture[0]}
        )
        yield Step(node, change, STRUCTURE, lambda: _show(context, node, picture))


def _setting(context: Context, node: Node, found: Mapping[str, Tuple[Any, Any]], phase: int) -> Step:
    before = {name: actual for name, (actual, _wish) in found.items()}
    after = {name: wish for name, (_actual, wish) in found.items()}
    change = Change(UPDATE, title(node, "settings"), shown_settings(before), shown_settings(after))
    return Step(node, change, phase, lambda: _put(context, node, after))


def _carried(node: Node, now: str) -> bool:
    """Whether it gets its path by what happens to the group that it is in."""
    if node.parent is None or not node.parent.row:
        return False
    return now == f"{path_of(GROUP, node.parent.row)}/{node.slug}"


def _wanted(node: Node) -> Dict[str, Any]:
    """Name, description, visibility and settings, as far as they are declared."""
    wanted: Dict[str, Any] = {}
    if node.name != node.slug or not node.row:
        wanted["name"] = node.name
    for name in ("description", "visibility"):
        if name in node.options:
            wanted[name] = node.options[name]
    wanted.update(node.options.get("settings", {}))
    return wanted


def differing(wanted: Mapping[str, Any], row: Mapping[str, Any]) -> Dict[str, Tuple[Any, Any]]:
    """``{name: (actual, wanted)}`` of settings that differ; mappings as far as they are declared."""
    found: Dict[str, Tuple[Any, Any]] = {}
    for name, wish in wanted.items():
        if name in _WRITE_ONLY or (name == "default_branch" and row.get("empty_repo")):
            continue
        actual = row.get(_ANSWERED_AS.get(name, name))
        if isinstance(wish, Mapping) and isinstance(actual, Mapping):
            actual = {key: actual.get(key) for key in wish}
        elif isinstance(wish, list) and isinstance(actual, list):
            if sorted(map(str, wish)) == sorted(map(str, actual)):
                continue
        elif wish in ("", None) and actual in ("", None):
            continue
        if actual != wish:
            found[name] = (actual, wish)
    return found


def _create(context: Context, node: Node) -> None:
    body: Dict[str, Any] = {"path": node.slug, "name": node.name}
    if node.parent is not None:
        body["parent_id" if node.kind == GROUP else "namespace_id"] = node.parent.id
    body["visibility"] = node.options.get("visibility", "private")
    if node.options.get("description"):
        body["description"] = node.options["description"]
    settings = node.options.get("settings", {})
    body.update({name: settings[name] for name in _WRITE_ONLY if name in settings})
    node.row.update(context.client.post(f"/{node.kind}s", body))
    rest = {name: wish for name, (_actual, wish) in differing(_wanted(node), node.row).items()}
    if rest:
        _put(context, node, rest)
    picture = _picture(node)
    if picture:
        _show(context, node, picture)


def _put(context: Context, node: Node, body: Mapping[str, Any]) -> None:
    node.row.update(context.client.put(node.address, body) or {})


def _post(context: Context, node: Node, verb: str) -> None:
    node.row.update(context.client.post(f"{node.address}/{verb}") or {})


def _move(context: Context, node: Node) -> None:
    """To another group first, then to another name, each only where it differs."""
    # A group above may have been moved a moment ago.
    node.row.update(context.client.get(node.address))
    now = path_of(node.kind, node.row)
    above, _slash, slug = now.rpartition("/")
    wanted_above = node.parent.path if node.parent else ""
    if above != wanted_above:
        if node.kind == GROUP:
            target = {"group_id": node.parent.id} if node.parent else {}
            context.client.post(f"{node.address}/transfer", target)
        else:
            context.client.put(
                f"{node.address}/transfer", {"namespace": node.parent.id if node.parent else ""}
            )
    if slug != node.slug:
        _put(context, node, {"path": node.slug})
    node.row.update(context.client.get(node.address))


def _picture(node: Node) -> Optional[Tuple[str, str]]:
    """``(name, path)`` of an avatar that is not up yet, or nothing. The name carries the content's hash."""
    path = node.options.get("avatar")
    if not path:
        return None
    with open(path, "rb") as file:
        digest = hashlib.sha256(file.read()).hexdigest()[:16]
    name = f"groundwork-{digest}{os.path.splitext(path)[1].lower()}"
    if str(node.row.get("avatar_url") or "").rpartition("/")[2] == name:
        return None
    return name, path


def _show(context: Context, node: Node, picture: Tuple[str, str]) -> None:
    name, path = picture
    with open(path, "rb") as file:
        content = file.read()
    node.row.update(context.client.put(node.address, {}, files={"avatar": (name, content)}) or {})


def unlisted(context: Context, stock: Stock) -> None:
    """Groups and projects that nobody declares, where their group wants them reported."""
    taken = {(node.kind, node.id) for node in context.model.nodes if node.id}
    groups = {path_of(GROUP, node.row).lower(): node for node in context.model.of(GROUP) if node.row}
    for kind, rows in stock.rows.items():
        for path, row in rows.items():
            if (kind, row["id"]) in taken:
                continue
            above = path.rpartition("/")[0]
            while above and above not in groups:
                above = above.rpartition("/")[0]
            if above and groups[above].enforced(f"{kind}s") == "report":
                context.note_unlisted(groups[above], f"{kind}s", path_of(kind, row))


def closing_order(found: List[Step]) -> List[Step]:
    """Projects before groups, and the deepest first."""
    return sorted(found, key=lambda step: (step.node.kind == GROUP, -step.node.depth))
