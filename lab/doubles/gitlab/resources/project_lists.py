"""Lists of projects: of the instance, and of a group with all below it."""

from __future__ import annotations

from typing import Any

from lab.doubles.gitlab.api import GUEST, OWNER, VISIBILITY, Request, route
from lab.doubles.gitlab.auth import level_of, visible
from lab.doubles.gitlab.lookup import find_project, full_path, integer
from lab.doubles.gitlab.resources.groups import descendants
from lab.doubles.gitlab.resources.project_entity import basic, entity
from lab.doubles.gitlab.state import Row

COMMON = (
    "archived",
    "visibility",
    "search",
    "order_by",
    "sort",
    "simple",
    "owned",
    "min_access_level",
    "with_custom_attributes",
)
ALL = (
    *COMMON,
    "membership",
    "id_after",
    "id_before",
    "search_namespaces",
    "statistics",
    "topic",
    "include_pending_delete",
    "active",
)


def flag(request: Request, name: str) -> bool:
    return str(request.get(name, "")).lower() in ("true", "1")


def shown(request: Request, row: Row) -> dict[str, Any]:
    return basic(request, row) if flag(request, "simple") else entity(request, row)


def select(request: Request, rows: list[Row]) -> list[Row]:
    rows = [row for row in rows if visible(request, "project", row)]
    if request.get("archived") is not None:
        rows = [row for row in rows if row["archived"] == flag(request, "archived")]
    if request.get("visibility"):
        rows = [row for row in rows if row["visibility"] == request.params["visibility"]]
    if request.get("topic"):
        rows = [row for row in rows if request.params["topic"] in row["topics"]]
    least = integer(request.get("min_access_level", 0), "min_access_level")
    least = max(least, OWNER if flag(request, "owned") else 0, GUEST if flag(request, "membership") else 0)
    if least and not (request.caller.admin and least <= GUEST):
        rows = [row for row in rows if level_of(request.state, request.caller, "project", row) >= least]
    search = str(request.get("search", "")).lower()
    if search:
        spaces = flag(request, "search_namespaces")
        rows = [
            row
            for row in rows
            if search in row["name"].lower()
            or search in row["path"].lower()
            or (spaces and search in full_path(request.state, "project", row).lower())
        ]
    for name, after in (("id_after", True), ("id_before", False)):
        if request.get(name):
            limit = integer(request.params[name], name)
            rows = [row for row in rows if (row["id"] > limit if after else row["id"] < limit)]
    order = request.get("order_by", "created_at")
    keys = {"name": lambda row: row["name"].lower(), "path": lambda row: row["path"]}
    key = keys.get(order, lambda row: row["id"])
    return sorted(rows, key=key, reverse=request.get("sort", "desc") == "desc")


@route("GET", "/projects", params=ALL, entity=shown, paged=True, enums={"visibility": VISIBILITY})
def projects(request: Request) -> list[Row]:
    return select(request, list(request.state.peek("projects").values()))


@route(
    "GET",
    "/groups/{id}/projects",
    params=(*COMMON, "include_subgroups", "with_shared", "include_ancestor_groups"),
    entity=shown,
    paged=True,
)
def group_projects(request: Request) -> list[Row]:
    groups = [request.group]
    if flag(request, "include_subgroups"):
        groups += descendants(request.state, request.group)
    ids = {group["id"] for group in groups}
    found = [row for row in request.state.peek("projects").values() if row["namespace_id"] in ids]
    if str(request.get("with_shared", "true")).lower() == "true":
        found += [
            row
            for row in request.state.peek("projects").values()
            if row["namespace_id"] not in ids
            and str(request.group["id"]) in request.state.peek(f"project/{row['id']}/shares")
        ]
    return select(request, found)


@route("POST", "/groups/{id}/projects/{project_id}", level=OWNER)
def move_into(request: Request) -> dict[str, Any]:
    """As a transfer of the project, asked of the group."""
    from lab.doubles.gitlab.resources.groups import detail
    from lab.doubles.gitlab.resources.projects import transfer

    group = request.group
    request.project = find_project(request, request.args["project_id"])
    request.params["namespace"] = group["id"]
    transfer(request)
    return detail(request, group)
