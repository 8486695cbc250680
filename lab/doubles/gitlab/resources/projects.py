"""Projects: creation, settings, moves, archives, and deletion with a delay."""

from __future__ import annotations

import copy
import re
from datetime import datetime, timezone
from typing import Any

from lab.doubles.gitlab import avatars
from lab.doubles.gitlab.api import (
    DEVELOPER,
    GUEST,
    MAINTAINER,
    OWNER,
    VISIBILITY,
    Request,
    bad_parameter,
    bad_request,
    forbidden,
    not_found,
    route,
)
from lab.doubles.gitlab.auth import level_of
from lab.doubles.gitlab.collection import typed
from lab.doubles.gitlab.lookup import claim, find_group, full_path, moved, release, taken
from lab.doubles.gitlab.repository import first_commit
from lab.doubles.gitlab.resources import settings
from lab.doubles.gitlab.resources.project_entity import basic, entity, with_access
from lab.doubles.gitlab.resources.project_lists import flag
from lab.doubles.gitlab.state import Row, State, now

PATH = re.compile(r"[a-zA-Z0-9_][a-zA-Z0-9_.-]*")
COMMON = {
    *settings.PROJECT,
    *(name for name in settings.PROJECT_EE if name not in settings.PROJECT_EE_LATER),
    *settings.SWITCHES,
    "name",
    "path",
    "default_branch",
    "visibility",
    "avatar",
    "tag_list",
    "public_builds",
    "emails_disabled",
    "container_expiration_policy_attributes",
}
CREATE = COMMON | {"namespace_id", "initialize_with_readme", "import_url", "template_name"}
UPDATE = COMMON | {*settings.PROJECT_LATER, *settings.PROJECT_EE_LATER}
DEFAULTS = {**settings.PROJECT, **settings.PROJECT_LATER, **settings.PROJECT_EE}


@route(
    "GET",
    "/projects/{id}",
    params=("statistics", "with_custom_attributes", "license"),
    entity=with_access,
)
def project(request: Request) -> Row:
    return request.project


@route("POST", "/projects", params=CREATE, enums=settings.PROJECT_ENUMS, entity=entity)
def create(request: Request) -> Row:
    name, path = request.get("name"), request.get("path")
    if not name and not path:
        raise bad_parameter("name, path are missing, at least one parameter must be provided")
    group = _namespace(request)
    row: Row = {
        **copy.deepcopy(DEFAULTS),
        "container_expiration_policy": dict(settings.EXPIRATION_POLICY),
        "name": name or path,
        "path": path or re.sub(r"[^a-zA-Z0-9_.-]+", "-", name).strip("-").lower(),
        "namespace_id": group["id"],
        "visibility": request.get("visibility", "private"),
        "default_branch": None,
        "creator_id": request.caller.user["id"],
        "archived": False,
        "marked_for_deletion_on": None,
        "created_at": now(),
        "updated_at": now(),
        "avatar": None,
        "inbound_enabled": True,
        "outbound_enabled": False,
    }
    _assign(request, row, CREATE)
    _accept(request, row, None)
    row = request.state.insert("projects", row)
    claim(request.state, "project", row)
    avatars.keep(request, row)
    if flag(request, "initialize_with_readme"):
        first_commit(request.state, row, request.caller.user, request.get("default_branch") or "main")
    return row


def _namespace(request: Request) -> Row:
    given = request.get("namespace_id")
    if given is None:
        raise bad_request({"namespace": ["the double has projects in groups only: give namespace_id"]})
    group = find_group(request, given)
    level = level_of(request.state, request.caller, "group", group)
    least = {
        "noone": 100,
        "administrator": 100,
        "owner": OWNER,
        "maintainer": MAINTAINER,
        "developer": DEVELOPER,
    }
    if level < least[group["project_creation_level"]] and not request.caller.admin:
        raise bad_request({"namespace": ["is not valid"]})
    return group


@route(
    "PUT",
    "/projects/{id}",
    level=MAINTAINER,
    params=UPDATE,
    enums={**settings.PROJECT_ENUMS, **settings.PROJECT_ENUMS_LATER},
    entity=entity,
)
def update(request: Request) -> Row:
    row = request.project
    has = level_of(request.state, request.caller, "project", row)
    for name in ("path", "visibility"):
        # Moving it and showing it to others is its owners' business.
        if has < OWNER and request.get(name, row[name]) != row[name]:
            raise forbidden()
    if row["archived"]:
        raise forbidden()
    after = copy.deepcopy(row)
    for name in ("name", "path", "visibility"):
        after[name] = request.get(name, row[name])
    branch = request.get("default_branch")
    if branch is not None:
        branches = request.state.peek(f"project/{row['id']}/branches")
        if branches and branch not in branches:
            raise bad_request({"base": [f"Could not change HEAD: branch '{branch}' does not exist"]})
        after["default_branch"] = branch if branches else row["default_branch"]
    _assign(request, after, UPDATE)
    _accept(request, after, row)
    before = full_path(request.state, "project", row)
    row.update(after, updated_at=now())
    moved(request.state, before, full_path(request.state, "project", row))
    avatars.keep(request, row)
    return row


def _assign(request: Request, row: Row, allowed: set[str]) -> None:
    given = {name: value for name, value in request.params.items() if name in allowed}
    for name, value in given.items():
        if name in settings.PROJECT_EE and not request.ee:
            continue
        if name in DEFAULTS:
            row[name] = typed(value, DEFAULTS[name])
        elif name in settings.SWITCHES:
            row[settings.SWITCHES[name]] = "enabled" if typed(value, True) else "disabled"
    if "tag_list" in given:
        row["topics"] = typed(given["tag_list"], [])
    if "public_builds" in given:
        row["public_jobs"] = typed(given["public_builds"], True)
    if "emails_disabled" in given:
        row["emails_enabled"] = not typed(given["emails_disabled"], True)
    policy = given.get("container_expiration_policy_attributes")
    if isinstance(policy, dict):
        renamed = {"name_regex_delete": "name_regex"}
        row["container_expiration_policy"] |= {
            renamed.get(name, name): value for name, value in policy.items()
        }


def _accept(request: Request, row: Row, before: Row | None) -> None:
    if not PATH.fullmatch(row["path"]) or row["path"].endswith((".git", ".atom", ".")):
        raise bad_request(
            {
                "path": [
                    "can contain only letters, digits, '_', '-' and '.'. Cannot start with '-', end in "
                    "'.git' or end in '.atom'"
                ]
            }
        )
    if taken(request.state, full_path(request.state, "project", row), "project", row.get("id")):
        raise bad_request(
            {"project_namespace.name": ["has already been taken"], "path": ["has already been taken"]}
        )
    for other in request.state.peek("projects").values():
        beside = other["namespace_id"] == row["namespace_id"] and other["id"] != row.get("id")
        if beside and other["name"] == row["name"]:
            raise bad_request({"name": ["has already been taken"]})
    group = request.state.row("groups", row["namespace_id"])
    if group is not None and VISIBILITY.index(row["visibility"]) > VISIBILITY.index(group["visibility"]):
        raise bad_request(
            {"visibility_level": [f"{row['visibility']} is not allowed in a {group['visibility']} group."]}
        )
    del before


@route("PUT", "/projects/{id}/transfer", level=OWNER, required=("namespace",), entity=entity)
def transfer(request: Request) -> Row:
    row = request.project
    group = find_group(request, request.params["namespace"])
    if level_of(request.state, request.caller, "group", group) < MAINTAINER:
        raise bad_request("Transfer failed, please contact an admin.")
    after = {**row, "namespace_id": group["id"]}
    _accept(request, after, row)
    before = full_path(request.state, "project", row)
    row.update(after)
    moved(request.state, before, full_path(request.state, "project", row))
    return row


@route("POST", "/projects/{id}/archive", level=OWNER, entity=entity)
def archive(request: Request) -> Row:
    request.project["archived"] = True
    return request.project


@route("POST", "/projects/{id}/unarchive", level=OWNER, entity=entity)
def unarchive(request: Request) -> Row:
    request.project["archived"] = False
    return request.project


@route("DELETE", "/projects/{id}", status=202, level=OWNER, params=("permanently_remove", "full_path"))
def delete(request: Request) -> dict[str, str]:
    row = request.project
    if flag(request, "permanently_remove"):
        if row["marked_for_deletion_on"] is None:
            raise bad_request("Project must be marked for deletion first.")
        if request.get("full_path") != full_path(request.state, "project", row):
            raise bad_request("`full_path` is incorrect. You must enter the complete path for the project.")
        remove(request.state, row)
    elif row["marked_for_deletion_on"] is not None:
        raise bad_request("Project has been already marked for deletion")
    else:
        row["marked_for_deletion_on"] = datetime.now(timezone.utc).date().isoformat()
        _rename(request.state, row, f"{row['path']}-deletion_scheduled-{row['id']}")
    return {"message": "202 Accepted"}


@route("POST", "/projects/{id}/restore", level=OWNER, entity=entity)
def restore(request: Request) -> Row:
    row = request.project
    if row["marked_for_deletion_on"] is None:
        raise not_found("Project")
    row["marked_for_deletion_on"] = None
    _rename(request.state, row, row["path"].rpartition("-deletion_scheduled-")[0])
    return row


def _rename(state: State, row: Row, path: str) -> None:
    """What is scheduled for deletion gives its path free for another project."""
    before = full_path(state, "project", row)
    row["path"] = path
    moved(state, before, full_path(state, "project", row))


def remove(state: State, row: Row) -> None:
    release(state, full_path(state, "project", row))
    state.drop_owner(f"project/{row['id']}")
    del state.rows("projects")[str(row["id"])]


@route("GET", "/projects/{id}/avatar", level=GUEST)
def avatar(request: Request) -> Any:
    return avatars.content(request.project)


__all__ = ["basic", "create", "remove", "update"]
