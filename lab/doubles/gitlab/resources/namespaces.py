"""Groups as what projects lie in; the double has no projects of users."""

from __future__ import annotations

from typing import Any

from lab.doubles.gitlab.api import MAINTAINER, Request, not_found, route
from lab.doubles.gitlab.auth import level_of, visible
from lab.doubles.gitlab.lookup import find_group, full_path
from lab.doubles.gitlab.resources.groups import descendants, flag, select
from lab.doubles.gitlab.state import Row


def entity(request: Request, row: Row) -> dict[str, Any]:
    path = full_path(request.state, "group", row)
    shown = {
        "id": row["id"],
        "name": row["name"],
        "path": row["path"],
        "kind": "group",
        "full_path": path,
        "parent_id": row["parent_id"],
        "avatar_url": None,
        "web_url": f"{request.base_url}/groups/{path}",
    }
    if level_of(request.state, request.caller, "group", row) < MAINTAINER:
        return shown
    inside = {row["id"], *(each["id"] for each in descendants(request.state, row))}
    projects = request.state.peek("projects").values()
    return shown | {
        "members_count_with_descendants": len(request.state.peek(f"group/{row['id']}/members")),
        "root_repository_size": 0,
        "projects_count": sum(each["namespace_id"] in inside for each in projects),
    }


@route(
    "GET",
    "/namespaces",
    params=("search", "owned_only", "top_level_only", "full_path_search"),
    entity=entity,
    paged=True,
)
def namespaces(request: Request) -> list[Row]:
    request.params["owned"] = flag(request, "owned_only")
    return select(request, list(request.state.peek("groups").values()))


@route("GET", "/namespaces/{id}", entity=entity)
def namespace(request: Request) -> Row:
    group = find_group(request, request.args["id"])
    if not visible(request, "group", group):
        raise not_found("Namespace")
    return group
