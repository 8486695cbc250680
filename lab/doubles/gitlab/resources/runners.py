"""Runners: made by a user, verified and asked for jobs by their own token, and whom they may serve."""

# ruff: noqa: ARG001  # entities and rules share one signature, whether they need all of it or not

from __future__ import annotations

import secrets
from typing import Any

from lab.doubles.gitlab.api import (
    ADMIN,
    MAINTAINER,
    OWNER,
    ApiError,
    Request,
    bad_parameter,
    bad_request,
    forbidden,
    not_found,
    route,
)
from lab.doubles.gitlab.auth import level_of
from lab.doubles.gitlab.collection import typed
from lab.doubles.gitlab.lookup import find_group, find_project
from lab.doubles.gitlab.resources.project_entity import basic as project_basic
from lab.doubles.gitlab.resources.users import by_id
from lab.doubles.gitlab.state import Row, now

FIELDS: dict[str, Any] = {
    "description": "",
    "maintenance_note": None,
    "paused": False,
    "locked": False,
    "access_level": "not_protected",
    "run_untagged": True,
    "tag_list": [],
    "maximum_timeout": None,
}
TYPES = ("instance_type", "group_type", "project_type")
ENUMS = {"access_level": ("not_protected", "ref_protected"), "runner_type": TYPES}
LIST = ("type", "paused", "status", "tag_list", "version_prefix", "scope")
MANAGE = ("manage_runner",)


def entity(request: Request, row: Row) -> dict[str, Any]:
    return {
        "id": row["id"],
        "description": row["description"],
        "ip_address": None,
        "active": not row["paused"],
        "paused": row["paused"],
        "is_shared": row["runner_type"] == "instance_type",
        "runner_type": row["runner_type"],
        "name": None,
        "online": row["contacted_at"] is not None,
        "created_by": by_id(request, row["creator_id"]),
        "created_at": row["created_at"],
        "status": "online" if row["contacted_at"] else "never_contacted",
        "job_execution_status": "active" if _busy(request, row) else "idle",
    }


def detail(request: Request, row: Row) -> dict[str, Any]:
    projects = [request.state.row("projects", each) for each in row["project_ids"]]
    groups = [request.state.row("groups", each) for each in row["group_ids"]]
    return entity(request, row) | {
        "tag_list": row["tag_list"],
        "run_untagged": row["run_untagged"],
        "locked": row["locked"],
        "maximum_timeout": row["maximum_timeout"],
        "access_level": row["access_level"],
        "version": None,
        "revision": None,
        "platform": None,
        "architecture": None,
        "contacted_at": row["contacted_at"],
        "maintenance_note": row["maintenance_note"],
        "projects": [project_basic(request, each) for each in projects if each],
        "groups": [
            {"id": each["id"], "web_url": f"{request.base_url}/groups/{each['path']}", "name": each["name"]}
            for each in groups
            if each
        ],
    }


def _busy(request: Request, row: Row) -> bool:
    return any(
        job["runner_id"] == row["id"] and job["status"] == "running"
        for job in request.state.peek("jobs").values()
    )


def new_token() -> str:
    """Of the kind that is made for a runner by a user; a runner that registered itself has another."""
    return f"glrt-{secrets.token_urlsafe(15)}"


def by_token(request: Request) -> Row:
    given = request.params.get("token")
    row = next((row for row in request.state.peek("runners").values() if row["token"] == given), None)
    if row is None:
        raise forbidden()
    return row


def _may(request: Request, row: Row) -> bool:
    """Whoever administers one of the projects or groups that it serves may administer it."""
    if request.caller.admin:
        return True
    for kind, table, least in (("project", "projects", MAINTAINER), ("group", "groups", OWNER)):
        for identity in row[f"{kind}_ids"]:
            owner = request.state.row(table, identity)
            if owner and level_of(request.state, request.caller, kind, owner) >= least:
                return True
    return False


def _find(request: Request) -> Row:
    row = request.state.row("runners", request.args["id"])
    if row is None:
        raise not_found("Runner")
    if not _may(request, row):
        raise forbidden("No access granted")
    return row


def _select(request: Request, rows: list[Row]) -> list[Row]:
    kind = request.get("type")
    if kind:
        rows = [row for row in rows if row["runner_type"] == kind]
    if request.get("paused") is not None:
        rows = [row for row in rows if row["paused"] == typed(request.params["paused"], False)]
    tags = typed(request.get("tag_list", []), [])
    rows = [row for row in rows if set(tags) <= set(row["tag_list"])]
    return sorted(rows, key=lambda row: -int(row["id"]))


@route(
    "POST",
    "/user/runners",
    required=("runner_type",),
    params=("group_id", "project_id", *FIELDS),
    enums=ENUMS,
    scopes=("create_runner",),
)
def create(request: Request) -> dict[str, Any]:
    kind = request.params["runner_type"]
    row: Row = {name: typed(request.get(name, default), default) for name, default in FIELDS.items()}
    row |= {"runner_type": kind, "project_ids": [], "group_ids": []}
    if kind == "project_type":
        if request.get("project_id") is None:
            raise bad_parameter("project_id is missing")
        project = find_project(request, request.params["project_id"])
        allowed = level_of(request.state, request.caller, "project", project) >= MAINTAINER
        row["project_ids"] = [project["id"]]
    elif kind == "group_type":
        if request.get("group_id") is None:
            raise bad_parameter("group_id is missing")
        group = find_group(request, request.params["group_id"])
        allowed = level_of(request.state, request.caller, "group", group) >= OWNER
        row["group_ids"] = [group["id"]]
    else:
        allowed = request.caller.admin
    if not allowed:
        raise forbidden()
    _check(row)
    row |= {
        "token": new_token(),
        "creator_id": request.caller.user["id"],
        "created_at": now(),
        "contacted_at": None,
    }
    row = request.state.insert("runners", row)
    return {"id": row["id"], "token": row["token"], "token_expires_at": None}


def _check(row: Row) -> None:
    if not row["run_untagged"] and not row["tag_list"]:
        raise bad_request(
            {"tags_list": ["can not be empty when runner is not allowed to pick untagged jobs"]}
        )
    if row["maximum_timeout"] is not None and int(row["maximum_timeout"]) < 600:
        raise bad_request({"maximum_timeout": ["needs to be at least 10 minutes"]})


@route("GET", "/runners/all", level=ADMIN, params=LIST, entity=entity, paged=True, scopes=MANAGE)
def all_runners(request: Request) -> list[Row]:
    return _select(request, list(request.state.peek("runners").values()))


@route("GET", "/runners", params=LIST, entity=entity, paged=True, scopes=MANAGE)
def own_runners(request: Request) -> list[Row]:
    return _select(request, [row for row in request.state.peek("runners").values() if _may(request, row)])


@route("GET", "/groups/{id}/runners", level=MAINTAINER, params=LIST[:-1], entity=entity, paged=True)
def group_runners(request: Request) -> list[Row]:
    rows = request.state.peek("runners").values()
    return _select(
        request,
        [
            row
            for row in rows
            if row["runner_type"] == "instance_type" or request.group["id"] in row["group_ids"]
        ],
    )


@route("GET", "/projects/{id}/runners", level=MAINTAINER, params=LIST, entity=entity, paged=True)
def project_runners(request: Request) -> list[Row]:
    rows = request.state.peek("runners").values()
    return _select(request, [row for row in rows if serves(request, row, request.project)])


def serves(request: Request, row: Row, project: Row) -> bool:
    from lab.doubles.gitlab.auth import lineage

    if row["runner_type"] == "project_type":
        return project["id"] in row["project_ids"]
    if row["runner_type"] == "group_type":
        above = {group["id"] for _kind, group in lineage(request.state, "project", project)[1:]}
        return bool(project["group_runners_enabled"]) and not above.isdisjoint(row["group_ids"])
    return bool(project["shared_runners_enabled"])


@route("GET", "/runners/{id}", entity=detail, scopes=MANAGE)
def runner(request: Request) -> Row:
    return _find(request)


@route("PUT", "/runners/{id}", params=(*FIELDS, "active"), enums=ENUMS, entity=detail, scopes=MANAGE)
def update(request: Request) -> Row:
    row = _find(request)
    after = dict(row)
    if "active" in request.params:
        after["paused"] = not typed(request.params["active"], True)
    after |= {
        name: typed(request.params[name], default)
        for name, default in FIELDS.items()
        if name in request.params
    }
    _check(after)
    row.update(after)
    return row


@route("DELETE", "/runners/{id}", scopes=MANAGE)
def delete(request: Request) -> None:
    row = _find(request)
    if len(row["project_ids"]) > 1:
        raise forbidden("Runner associated with more than one project")
    del request.state.rows("runners")[str(row["id"])]


@route("POST", "/runners/{id}/reset_authentication_token", scopes=MANAGE)
def reset(request: Request) -> dict[str, Any]:
    row = _find(request)
    row["token"] = new_token()
    return {"token": row["token"], "token_expires_at": None}


@route("POST", "/projects/{id}/runners", level=MAINTAINER, required=("runner_id",), entity=entity)
def enable(request: Request) -> Row:
    row = request.state.row("runners", request.params["runner_id"])
    if row is None:
        raise not_found("Runner")
    if row["runner_type"] != "project_type":
        raise forbidden("Only project runners can be assigned")
    if row["locked"]:
        raise forbidden("Runner is locked")
    if not _may(request, row):
        raise forbidden("No access granted")
    if request.project["id"] in row["project_ids"]:
        raise bad_request({"runner_projects": ["is invalid"]})
    row["project_ids"].append(request.project["id"])
    return row


@route("DELETE", "/projects/{id}/runners/{runner_id}", level=MAINTAINER)
def disable(request: Request) -> None:
    row = request.state.row("runners", request.args["runner_id"])
    if row is None or request.project["id"] not in row["project_ids"]:
        raise not_found("Runner")
    if row["project_ids"][0] == request.project["id"]:
        raise forbidden("You cannot unassign a runner from the owner project. Delete the runner instead")
    row["project_ids"].remove(request.project["id"])


@route(
    "GET",
    "/runners/{id}/jobs",
    params=("status", "system_id", "order_by", "sort", "cursor"),
    paged=True,
    scopes=MANAGE,
)
def jobs_of(request: Request) -> list[Any]:
    from lab.doubles.gitlab.resources.jobs import basic_with_project

    row = _find(request)
    wanted = request.get("status")
    return [
        basic_with_project(request, job)
        for job in request.state.peek("jobs").values()
        if job["runner_id"] == row["id"] and (not wanted or job["status"] == wanted)
    ]


@route(
    "POST", "/runners/verify", status=200, required=("token",), params=("system_id",), scopes=("anonymous",)
)
def verify(request: Request) -> dict[str, Any]:
    row = by_token(request)
    row["contacted_at"] = now()
    return {"id": row["id"], "token": row["token"], "token_expires_at": None}


@route("POST", "/runners/reset_authentication_token", required=("token",), scopes=("anonymous",))
def reset_own(request: Request) -> dict[str, Any]:
    row = by_token(request)
    row["token"] = new_token()
    return {"token": row["token"], "token_expires_at": None}


@route("DELETE", "/runners", required=("token",), scopes=("anonymous",))
def unregister(request: Request) -> None:
    row = by_token(request)
    del request.state.rows("runners")[str(row["id"])]


@route(
    "POST",
    "/runners",
    required=("token",),
    params=(*FIELDS, "active", "info", "maintainer_note"),
    scopes=("anonymous",),
)
def register(request: Request) -> None:
    """Registration tokens are off, as they are by default since 17.0."""
    raise ApiError(410, {"message": "410 Gone"})
