"""Groups and projects that are shared with groups."""

from __future__ import annotations

from typing import Any

from lab.doubles.gitlab.api import (
    GUEST,
    LEVELS,
    MAINTAINER,
    MINIMAL,
    OWNER,
    Request,
    bad_request,
    conflict,
    not_found,
    route,
)
from lab.doubles.gitlab.auth import level_of
from lab.doubles.gitlab.lookup import find_group, full_path, integer
from lab.doubles.gitlab.state import Row

GIVEN = {"group_access": tuple(level for level in LEVELS if level != MINIMAL)}


def shared_with(request: Request, kind: str, row: Row) -> list[dict[str, Any]]:
    shown = []
    for share in request.state.peek(f"{kind}/{row['id']}/shares").values():
        group = request.state.row("groups", share["group_id"])
        if group is not None:
            shown.append(
                {
                    "group_id": group["id"],
                    "group_name": group["name"],
                    "group_full_path": full_path(request.state, "group", group),
                    "group_access_level": share["group_access"],
                    "expires_at": share["expires_at"],
                }
            )
    return shown


def _share(request: Request) -> Row:
    kind, row = request.owner
    group = find_group(request, request.params["group_id"])
    if level_of(request.state, request.caller, "group", group) == 0 and group["visibility"] == "private":
        raise not_found("Group")
    if kind == "group" and group["id"] == row["id"]:
        raise bad_request({"shared_with_group": ["cannot be the group itself"]})
    shares = request.rows("shares")
    if str(group["id"]) in shares:
        raise conflict("Shared group has already been taken")
    share = {
        "id": request.state.next_id("shares"),
        "group_id": group["id"],
        "group_access": integer(request.params["group_access"], "group_access"),
        "expires_at": request.get("expires_at") or None,
    }
    shares[str(group["id"])] = share
    return share


def _unshare(request: Request) -> None:
    if request.rows("shares").pop(request.args["group_id"], None) is None:
        raise not_found()


def _link(request: Request, row: Row) -> dict[str, Any]:
    return {
        "id": row["id"],
        "project_id": request.project["id"],
        "group_id": row["group_id"],
        "group_access": row["group_access"],
        "expires_at": row["expires_at"],
    }


@route(
    "POST",
    "/projects/{id}/share",
    level=MAINTAINER,
    required=("group_id", "group_access"),
    params=("expires_at",),
    enums=GIVEN,
    entity=_link,
)
def share_project(request: Request) -> Row:
    return _share(request)


@route("DELETE", "/projects/{id}/share/{group_id}", level=MAINTAINER)
def unshare_project(request: Request) -> None:
    _unshare(request)


@route(
    "POST",
    "/groups/{id}/share",
    level=OWNER,
    required=("group_id", "group_access"),
    params=("expires_at",),
    enums=GIVEN,
)
def share_group(request: Request) -> dict[str, Any]:
    from lab.doubles.gitlab.resources.groups import detail

    _share(request)
    return detail(request, request.group)


@route("DELETE", "/groups/{id}/share/{group_id}", level=OWNER)
def unshare_group(request: Request) -> None:
    _unshare(request)


@route(
    "GET",
    "/projects/{id}/invited_groups",
    level=GUEST,
    params=("search", "min_access_level", "relation"),
    paged=True,
)
def invited(request: Request) -> list[Row]:
    from lab.doubles.gitlab.resources.groups import entity

    shares = request.state.peek(f"{request.owner_key}/shares").values()
    found = (request.state.row("groups", share["group_id"]) for share in shares)
    return [entity(request, group) for group in found if group is not None]
