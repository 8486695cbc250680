"""Members of groups and projects: their level, and when it ends."""

from __future__ import annotations

from typing import Any

from lab.doubles.gitlab.api import (
    GUEST,
    LEVELS,
    MAINTAINER,
    OWNER,
    Request,
    bad_request,
    conflict,
    forbidden,
    not_found,
    route,
)
from lab.doubles.gitlab.auth import level_of, lineage, over, user_level
from lab.doubles.gitlab.lookup import integer, member_of
from lab.doubles.gitlab.resources.users import basic
from lab.doubles.gitlab.state import Row, State, now

WRITE = ("access_level", "expires_at")
GIVEN = {"access_level": tuple(LEVELS)}


def new_member(state: State, owner_key: str, user_id: int, level: int, expires_at: str | None = None) -> Row:
    row: Row = {"id": user_id, "access_level": level, "expires_at": expires_at, "created_at": now()}
    state.rows(f"{owner_key}/members")[str(user_id)] = row
    return row


def entity(request: Request, row: Row) -> dict[str, Any]:
    return basic(request, member_of(request, row["id"])) | {
        "access_level": row["access_level"],
        "created_at": row["created_at"],
        "expires_at": row["expires_at"],
        "membership_state": "active",
    }


def _filtered(request: Request, rows: list[Row]) -> list[Row]:
    query = str(request.get("query", "")).lower()
    users = request.state.peek("users")
    rows = [row for row in rows if not over(row["expires_at"]) and str(row["id"]) in users]
    return [
        row
        for row in rows
        if query in users[str(row["id"])]["username"].lower()
        or query in users[str(row["id"])]["name"].lower()
    ]


def _direct(request: Request) -> list[Row]:
    return _filtered(request, list(request.state.peek(f"{request.owner_key}/members").values()))


def _all(request: Request) -> list[Row]:
    """With those of the groups above, each with the highest level."""
    found: dict[int, Row] = {}
    for kind, owner in lineage(request.state, *request.owner):
        for row in request.state.peek(f"{kind}/{owner['id']}/members").values():
            if over(row["expires_at"]):
                continue
            known = found.get(row["id"])
            if known is None or known["access_level"] < row["access_level"]:
                found[row["id"]] = row
    return _filtered(request, list(found.values()))


def _one(request: Request) -> Row:
    row = request.state.row(f"{request.owner_key}/members", request.args["user_id"])
    if row is None:
        raise not_found()
    return row


def _one_of_all(request: Request) -> Row:
    row = next((row for row in _all(request) if str(row["id"]) == request.args["user_id"]), None)
    if row is None:
        raise not_found()
    return row


def _check(request: Request, user_id: int, level: int) -> None:
    kind, owner = request.owner
    if level > level_of(request.state, request.caller, kind, owner):
        raise forbidden()
    above = lineage(request.state, kind, owner)[1:]
    if above:
        inherited = user_level(request.state, user_id, *above[0])
        if inherited > level:
            raise bad_request(
                {
                    "access_level": [
                        f"should be greater than or equal to {LEVELS[inherited]} inherited membership from "
                        f"group {above[0][1]['name']}"
                    ]
                }
            )


def _add(request: Request) -> Row:
    identity = request.get("user_id")
    if identity is None and request.get("username"):
        users = request.state.peek("users").values()
        identity = next((row["id"] for row in users if row["username"] == request.params["username"]), None)
    user = member_of(request, identity)
    rows = request.rows("members")
    if str(user["id"]) in rows:
        raise conflict("Member already exists")
    level = integer(request.params["access_level"], "access_level")
    _check(request, user["id"], level)
    return new_member(request.state, request.owner_key, user["id"], level, request.get("expires_at") or None)


def _change(request: Request) -> Row:
    row = _one(request)
    level = integer(request.params["access_level"], "access_level")
    _check(request, row["id"], level)
    row["access_level"] = level
    if "expires_at" in request.params:
        row["expires_at"] = request.params["expires_at"] or None
    return row


def _remove(request: Request) -> None:
    row = _one(request)
    rows = request.rows("members")
    kind, group = request.owner
    owners = [each for each in rows.values() if each["access_level"] == OWNER]
    if kind == "group" and group["parent_id"] is None and owners == [row]:
        raise forbidden()
    del rows[str(row["id"])]


for _owner, _level in (("projects", MAINTAINER), ("groups", OWNER)):
    _many = f"/{_owner}/{{id}}/members"
    _lists = ("query", "user_ids", "show_seat_info")
    route("GET", _many, level=GUEST, params=(*_lists, "skip_users"), entity=entity, paged=True)(_direct)
    route("GET", f"{_many}/all", level=GUEST, params=(*_lists, "state"), entity=entity, paged=True)(_all)
    route("GET", f"{_many}/all/{{user_id}}", level=GUEST, entity=entity)(_one_of_all)
    route("GET", f"{_many}/{{user_id}}", level=GUEST, entity=entity)(_one)
    route(
        "POST",
        _many,
        level=_level,
        required=("access_level",),
        params=("user_id", "username", "expires_at"),
        enums=GIVEN,
        entity=entity,
    )(_add)
    route(
        "PUT",
        f"{_many}/{{user_id}}",
        level=_level,
        required=("access_level",),
        params=("expires_at",),
        enums=GIVEN,
        entity=entity,
    )(_change)
    route(
        "DELETE",
        f"{_many}/{{user_id}}",
        level=_level,
        params=("skip_subresources", "unassign_issuables"),
    )(_remove)
