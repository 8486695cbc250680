"""Pipelines by the clock, triggers, and whose job tokens a project lets in."""

# ruff: noqa: ARG001  # entities and rules share one signature, whether they need all of it or not

from __future__ import annotations

import re
import secrets
from typing import Any

from lab.doubles.gitlab.api import DEVELOPER, MAINTAINER, Request, bad_request, not_found, route
from lab.doubles.gitlab.collection import Collection, serve, typed
from lab.doubles.gitlab.lookup import find_group, find_project
from lab.doubles.gitlab.resources.project_entity import basic as project_basic
from lab.doubles.gitlab.resources.users import by_id
from lab.doubles.gitlab.state import Row

FIELD = re.compile(r"[\d*/,\-A-Za-z?#L]+")
VARIABLE = {"variable_type": ("env_var", "file")}


def schedule(request: Request, row: Row) -> dict[str, Any]:
    names = (
        "id",
        "description",
        "ref",
        "cron",
        "cron_timezone",
        "active",
        "created_at",
        "updated_at",
        "inputs",
    )
    return {name: row[name] for name in names} | {
        "next_run_at": None,
        "owner": by_id(request, row["owner_id"]),
    }


def schedule_detail(request: Request, row: Row) -> dict[str, Any]:
    return schedule(request, row) | {
        "last_pipeline": None,
        "variables": [variable(request, each) for each in row["variables"].values()],
    }


def variable(request: Request, row: Row) -> dict[str, Any]:
    return {"variable_type": row["variable_type"], "key": row["key"], "value": row["value"], "raw": False}


def _check_schedule(request: Request, row: Row, before: Row | None) -> None:
    parts = str(row["cron"]).split()
    if not str(row["cron"]).startswith("@") and (len(parts) != 5 or not all(map(FIELD.fullmatch, parts))):
        raise bad_request({"cron": ["syntax is invalid"]})
    if before is None:
        row |= {"owner_id": request.caller.user["id"], "variables": {}}
    # GitLab keeps the full name of a reference.
    if not str(row["ref"]).startswith("refs/"):
        row["ref"] = f"refs/heads/{row['ref']}"


_schedules = serve(
    Collection(
        "pipeline_schedules",
        "pipeline_schedules",
        "pipeline_schedule_id",
        {"description": "", "ref": "", "cron": "", "cron_timezone": "UTC", "active": True, "inputs": []},
        schedule,
        required=("description", "ref", "cron"),
        read=DEVELOPER,
        write=DEVELOPER,
        check=_check_schedule,
        detail_entity=schedule_detail,
        listed=frozenset(("scope",)),
    )
)
_ONE = "/projects/{id}/pipeline_schedules/{pipeline_schedule_id}"


@route("POST", f"{_ONE}/take_ownership", level=MAINTAINER, entity=schedule_detail)
def take_ownership(request: Request) -> Row:
    row = _schedules.find(request)
    row["owner_id"] = request.caller.user["id"]
    return row


@route(
    "POST",
    f"{_ONE}/variables",
    level=DEVELOPER,
    required=("key", "value"),
    params=("variable_type",),
    enums=VARIABLE,
    entity=variable,
)
def add_variable(request: Request) -> Row:
    row = _schedules.find(request)
    key = request.params["key"]
    if key in row["variables"]:
        raise bad_request({"key": ["has already been taken"]})
    kind = request.get("variable_type", "env_var")
    row["variables"][key] = {"key": key, "value": request.params["value"], "variable_type": kind}
    return dict(row["variables"][key])


@route(
    "PUT",
    f"{_ONE}/variables/{{key}}",
    level=DEVELOPER,
    params=("value", "variable_type"),
    enums=VARIABLE,
    entity=variable,
)
def change_variable(request: Request) -> Row:
    found = _variable(request)
    found |= {name: request.params[name] for name in ("value", "variable_type") if name in request.params}
    return found


@route("DELETE", f"{_ONE}/variables/{{key}}", status=202, level=DEVELOPER, entity=variable)
def delete_variable(request: Request) -> Row:
    found = _variable(request)
    del _schedules.find(request)["variables"][found["key"]]
    return found


def _variable(request: Request) -> Row:
    found = _schedules.find(request)["variables"].get(request.args["key"])
    if found is None:
        raise not_found("Variable")
    row: Row = found
    return row


def trigger(request: Request, row: Row) -> dict[str, Any]:
    mine = row["owner_id"] == request.caller.user["id"]
    names = ("id", "description", "created_at", "updated_at", "expires_at")
    return {name: row[name] for name in names} | {
        # Others see the beginning alone.
        "token": row["token"] if mine else row["token"][:4],
        "last_used": None,
        "owner": by_id(request, row["owner_id"]),
    }


def _check_trigger(request: Request, row: Row, before: Row | None) -> None:
    if before is None:
        row |= {"token": f"glptt-{secrets.token_hex(20)}", "owner_id": request.caller.user["id"]}


serve(
    Collection(
        "triggers",
        "triggers",
        "trigger_id",
        {"description": "", "expires_at": None},
        trigger,
        required=("description",),
        fixed=frozenset(("expires_at",)),
        read=MAINTAINER,
        check=_check_trigger,
    )
)

SCOPE = "/projects/{id}/job_token_scope"


@route("GET", SCOPE, level=MAINTAINER)
def job_token_scope(request: Request) -> dict[str, bool]:
    return {name: bool(request.project[name]) for name in ("inbound_enabled", "outbound_enabled")}


@route("PATCH", SCOPE, status=204, level=MAINTAINER, required=("enabled",))
def change_job_token_scope(request: Request) -> None:
    request.project["inbound_enabled"] = typed(request.params["enabled"], True)


@route("GET", f"{SCOPE}/allowlist", level=MAINTAINER, paged=True)
def allowed_projects(request: Request) -> list[dict[str, Any]]:
    """The project itself is always among them."""
    ids = [request.project["id"], *(row["target"] for row in _allowed(request, "projects"))]
    found = (request.state.row("projects", identity) for identity in ids)
    return [project_basic(request, row) for row in found if row is not None]


@route("POST", f"{SCOPE}/allowlist", level=MAINTAINER, required=("target_project_id",))
def allow_project(request: Request) -> dict[str, Any]:
    target = find_project(request, request.params["target_project_id"])
    _allow(request, "projects", target)
    return {"source_project_id": request.project["id"], "target_project_id": target["id"]}


@route("DELETE", f"{SCOPE}/allowlist/{{target_project_id}}", level=MAINTAINER)
def disallow_project(request: Request) -> None:
    _disallow(request, "projects", request.args["target_project_id"])


@route("GET", f"{SCOPE}/groups_allowlist", level=MAINTAINER, paged=True)
def allowed_groups(request: Request) -> list[dict[str, Any]]:
    found = (request.state.row("groups", row["target"]) for row in _allowed(request, "groups"))
    return [_group(request, row) for row in found if row is not None]


def _group(request: Request, row: Row) -> dict[str, Any]:
    from lab.doubles.gitlab.lookup import full_path

    path = full_path(request.state, "group", row)
    return {"id": row["id"], "web_url": f"{request.base_url}/groups/{path}", "name": row["name"]}


@route("POST", f"{SCOPE}/groups_allowlist", level=MAINTAINER, required=("target_group_id",))
def allow_group(request: Request) -> dict[str, Any]:
    target = find_group(request, request.params["target_group_id"])
    _allow(request, "groups", target)
    return {"source_project_id": request.project["id"], "target_group_id": target["id"]}


@route("DELETE", f"{SCOPE}/groups_allowlist/{{target_group_id}}", level=MAINTAINER)
def disallow_group(request: Request) -> None:
    _disallow(request, "groups", request.args["target_group_id"])


def _allowed(request: Request, kind: str) -> list[Row]:
    return list(request.state.peek(f"{request.owner_key}/job_token_{kind}").values())


def _allow(request: Request, kind: str, target: Row) -> None:
    rows = request.rows(f"job_token_{kind}")
    if str(target["id"]) in rows or (kind == "projects" and target["id"] == request.project["id"]):
        raise bad_request("Target is already in the job token scope")
    rows[str(target["id"])] = {"id": target["id"], "target": target["id"]}


def _disallow(request: Request, kind: str, identity: str) -> None:
    if request.rows(f"job_token_{kind}").pop(identity, None) is None:
        raise not_found()
