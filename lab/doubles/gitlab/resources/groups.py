"""Groups: the tree, its settings, moves, and deletion with a delay."""

from __future__ import annotations

import copy
import re
from datetime import datetime, timezone
from typing import Any

from lab.doubles.gitlab import avatars
from lab.doubles.gitlab.api import (
    GUEST,
    MAINTAINER,
    OWNER,
    VISIBILITY,
    Request,
    bad_request,
    forbidden,
    not_found,
    route,
)
from lab.doubles.gitlab.auth import level_of, lineage, visible
from lab.doubles.gitlab.collection import typed
from lab.doubles.gitlab.lookup import claim, find_group, full_path, integer, moved, release, taken
from lab.doubles.gitlab.resources import settings
from lab.doubles.gitlab.resources.members import new_member
from lab.doubles.gitlab.resources.shares import shared_with
from lab.doubles.gitlab.state import Row, State, now

PATH = re.compile(r"[a-zA-Z0-9_][a-zA-Z0-9_.-]*")
LIST = (
    "archived",
    "skip_groups",
    "all_available",
    "visibility",
    "search",
    "owned",
    "order_by",
    "sort",
    "min_access_level",
    "top_level_only",
    "marked_for_deletion_on",
    "active",
    "statistics",
    "with_custom_attributes",
)
CREATE = {**settings.GROUP, **settings.GROUP_EE}
UPDATE = {**CREATE, **settings.GROUP_LATER, **settings.GROUP_EE_LATER}
IDENTITY = ("name", "path", "visibility", "avatar")


def entity(request: Request, row: Row) -> dict[str, Any]:
    state = request.state
    path = full_path(state, "group", row)
    hidden = {"enabled_git_access_protocol", "prevent_sharing_groups_outside_hierarchy"}
    enterprise = {} if request.ee else {**settings.GROUP_EE, **settings.GROUP_EE_LATER}
    shown = {name: row[name] for name in UPDATE if name not in hidden and name not in enterprise}
    detail_only = (
        "membership_lock",
        "prevent_forking_outside_group",
        "ip_restriction_ranges",
        "allowed_email_domains_list",
    )
    for name in detail_only:
        shown.pop(name, None)
    shown |= {
        "id": row["id"],
        "web_url": f"{request.base_url}/groups/{path}",
        "name": row["name"],
        "path": row["path"],
        "visibility": row["visibility"],
        "emails_disabled": not row["emails_enabled"],
        "archived": row["archived"],
        "avatar_url": avatars.url(request, "group", row),
        "full_name": " / ".join(group["name"] for _kind, group in reversed(lineage(state, "group", row))),
        "full_path": path,
        "created_at": row["created_at"],
        "parent_id": row["parent_id"],
        "organization_id": 1,
        "marked_for_deletion_on": row["marked_for_deletion_on"],
        "repository_storage": "default",
    }
    if str(request.get("with_custom_attributes", "")).lower() == "true" and request.caller.admin:
        shown["custom_attributes"] = list(state.peek(f"group/{row['id']}/custom_attributes").values())
    return shown


def detail(request: Request, row: Row) -> dict[str, Any]:
    shown = entity(request, row) | {
        "shared_with_groups": shared_with(request, "group", row),
        "enabled_git_access_protocol": row["enabled_git_access_protocol"],
        "prevent_sharing_groups_outside_hierarchy": row["prevent_sharing_groups_outside_hierarchy"],
    }
    if request.ee:
        shown |= {name: row[name] for name in ("membership_lock", "prevent_forking_outside_group")}
        shown |= {name: row[name] for name in ("ip_restriction_ranges", "allowed_email_domains_list")}
    return shown


def children(state: State, group: Row) -> list[Row]:
    return [row for row in state.peek("groups").values() if row["parent_id"] == group["id"]]


def descendants(state: State, group: Row) -> list[Row]:
    found: list[Row] = []
    waiting = children(state, group)
    while waiting:
        row = waiting.pop(0)
        found.append(row)
        waiting += children(state, row)
    return found


def flag(request: Request, name: str) -> bool:
    return str(request.get(name, "")).lower() in ("true", "1")


def select(request: Request, rows: list[Row]) -> list[Row]:
    """What the caller sees of ``rows``, filtered and in the order that was asked for."""
    rows = [row for row in rows if visible(request, "group", row)]
    if flag(request, "owned"):
        rows = [row for row in rows if level_of(request.state, request.caller, "group", row) >= OWNER]
    if request.get("min_access_level"):
        least = integer(request.params["min_access_level"], "min_access_level")
        rows = [row for row in rows if level_of(request.state, request.caller, "group", row) >= least]
    if flag(request, "top_level_only"):
        rows = [row for row in rows if row["parent_id"] is None]
    if request.get("visibility"):
        rows = [row for row in rows if row["visibility"] == request.params["visibility"]]
    if request.get("archived") is not None:
        rows = [row for row in rows if row["archived"] == flag(request, "archived")]
    search = str(request.get("search", "")).lower()
    if search:
        rows = [row for row in rows if search in full_path(request.state, "group", row).lower()]
    order = request.get("order_by", "name")
    key = {"id": lambda row: row["id"], "path": lambda row: row["path"]}.get(order, lambda row: row["name"])
    return sorted(rows, key=key, reverse=request.get("sort", "asc") == "desc")


@route("GET", "/groups", params=LIST, entity=entity, paged=True, enums={"visibility": VISIBILITY})
def groups(request: Request) -> list[Row]:
    return select(request, list(request.state.peek("groups").values()))


@route("GET", "/groups/{id}/subgroups", params=LIST, entity=entity, paged=True)
def subgroups(request: Request) -> list[Row]:
    return select(request, children(request.state, request.group))


@route("GET", "/groups/{id}/descendant_groups", params=LIST, entity=entity, paged=True)
def descendant_groups(request: Request) -> list[Row]:
    return select(request, descendants(request.state, request.group))


@route("GET", "/groups/{id}", params=("with_custom_attributes", "with_projects"), entity=detail)
def group(request: Request) -> Row:
    return request.group


@route(
    "POST",
    "/groups",
    required=("name", "path"),
    params=(*IDENTITY, "parent_id", *CREATE),
    enums=settings.GROUP_ENUMS,
    entity=entity,
)
def create(request: Request) -> Row:
    parent = find_group(request, request.params["parent_id"]) if request.get("parent_id") else None
    if parent is None:
        if not request.caller.user["can_create_group"]:
            raise forbidden()
    elif level_of(request.state, request.caller, "group", parent) < MAINTAINER:
        raise forbidden()
    defaults = copy.deepcopy({**UPDATE})
    row: Row = {
        **defaults,
        "name": request.params["name"],
        "path": request.params["path"],
        "parent_id": parent["id"] if parent else None,
        "visibility": request.get("visibility", parent["visibility"] if parent else "private"),
        "archived": False,
        "marked_for_deletion_on": None,
        "created_at": now(),
        "avatar": None,
    }
    _assign(request, row, CREATE)
    _accept(request, row, None)
    row = request.state.insert("groups", row)
    claim(request.state, "group", row)
    if parent is None:
        new_member(request.state, f"group/{row['id']}", request.caller.user["id"], OWNER)
    avatars.keep(request, row)
    return row


@route(
    "PUT", "/groups/{id}", level=OWNER, params=(*IDENTITY, *UPDATE), enums=settings.GROUP_ENUMS, entity=entity
)
def update(request: Request) -> Row:
    row = request.group
    after = dict(row)
    for name in ("name", "path", "visibility"):
        after[name] = request.get(name, row[name])
    _assign(request, after, UPDATE)
    _accept(request, after, row)
    before = full_path(request.state, "group", row)
    row.update(after)
    moved(request.state, before, full_path(request.state, "group", row))
    avatars.keep(request, row)
    return row


def _assign(request: Request, row: Row, allowed: dict[str, Any]) -> None:
    for name, default in allowed.items():
        if name in request.params and (
            request.ee or name not in {**settings.GROUP_EE, **settings.GROUP_EE_LATER}
        ):
            row[name] = typed(request.params[name], default)


def _accept(request: Request, row: Row, before: Row | None) -> None:
    state = request.state
    if not PATH.fullmatch(str(row["path"])) or str(row["path"]).endswith((".git", ".atom", ".")):
        raise bad_request(
            "Failed to save group {:path=>[\"can contain only letters, digits, '_', '-' and '.'. "
            "Cannot start with '-' or end in '.', '.git' or '.atom'.\"]}"
        )
    if taken(state, full_path(state, "group", row), "group", row.get("id")):
        raise bad_request('Failed to save group {:path=>["has already been taken"]}')
    rank = VISIBILITY.index(row["visibility"])
    parent = state.row("groups", row["parent_id"]) if row["parent_id"] else None
    if parent is not None and rank > VISIBILITY.index(parent["visibility"]):
        raise bad_request(
            {
                "visibility_level": [
                    f"{row['visibility']} is not allowed since the parent group has a "
                    f"{parent['visibility']} visibility."
                ]
            }
        )
    if before is None:
        return
    below = [(each, "sub-groups") for each in children(state, before)]
    below += [
        (each, "projects") for each in state.peek("projects").values() if each["namespace_id"] == before["id"]
    ]
    for each, what in below:
        if VISIBILITY.index(each["visibility"]) > rank:
            raise bad_request(
                {
                    "visibility_level": [
                        f"{row['visibility']} is not allowed since there are {what} with higher visibility."
                    ]
                }
            )


@route("POST", "/groups/{id}/transfer", level=OWNER, params=("group_id",), entity=detail)
def transfer(request: Request) -> Row:
    row = request.group
    parent = find_group(request, request.params["group_id"]) if request.get("group_id") else None
    if parent is not None:
        if level_of(request.state, request.caller, "group", parent) < OWNER:
            raise forbidden()
        if any(each["id"] == row["id"] for _kind, each in lineage(request.state, "group", parent)):
            raise bad_request("Transfer failed: Cannot transfer group to one of its subgroup.")
    after = {**row, "parent_id": parent["id"] if parent else None}
    _accept(request, after, row)
    before = full_path(request.state, "group", row)
    row.update(after)
    moved(request.state, before, full_path(request.state, "group", row))
    return row


@route("POST", "/groups/{id}/archive", status=200, level=OWNER, entity=entity)
def archive(request: Request) -> Row:
    return _set(request.group, archived=True)


@route("POST", "/groups/{id}/unarchive", status=200, level=OWNER, entity=entity)
def unarchive(request: Request) -> Row:
    return _set(request.group, archived=False)


def _set(row: Row, **values: Any) -> Row:
    row.update(values)
    return row


@route("DELETE", "/groups/{id}", status=202, level=OWNER, params=("permanently_remove", "full_path"))
def delete(request: Request) -> dict[str, str]:
    row = request.group
    if flag(request, "permanently_remove"):
        if row["marked_for_deletion_on"] is None:
            raise bad_request("Group must be marked for deletion first.")
        if request.get("full_path") != full_path(request.state, "group", row):
            raise bad_request("`full_path` is incorrect. You must enter the complete path for the group.")
        remove(request.state, row)
    elif row["marked_for_deletion_on"] is not None:
        raise bad_request("Group has been already marked for deletion")
    else:
        row["marked_for_deletion_on"] = datetime.now(timezone.utc).date().isoformat()
    return {"message": "202 Accepted"}


def remove(state: State, row: Row) -> None:
    """The group, all below it, and nothing left of them."""
    from lab.doubles.gitlab.resources.projects import remove as remove_project

    for child in children(state, row):
        remove(state, child)
    for project in [each for each in state.peek("projects").values() if each["namespace_id"] == row["id"]]:
        remove_project(state, project)
    release(state, full_path(state, "group", row))
    state.drop_owner(f"group/{row['id']}")
    del state.rows("groups")[str(row["id"])]


@route("POST", "/groups/{id}/restore", level=OWNER, entity=detail)
def restore(request: Request) -> Row:
    if request.group["marked_for_deletion_on"] is None:
        raise not_found("Group")
    return _set(request.group, marked_for_deletion_on=None)


@route("GET", "/groups/{id}/avatar", level=GUEST)
def avatar(request: Request) -> Any:
    return avatars.content(request.group)
