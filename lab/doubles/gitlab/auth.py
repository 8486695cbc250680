"""Who asks, and what they may do: tokens with scopes, members of projects and groups with levels."""

from __future__ import annotations

from datetime import datetime, timezone

from lab.doubles.gitlab.api import (
    ADMIN,
    GUEST,
    ApiError,
    Caller,
    Request,
    Route,
    forbidden,
    not_found,
)
from lab.doubles.gitlab.state import Row, State

UNAUTHORIZED = ApiError(401, {"message": "401 Unauthorized"})


def today() -> str:
    return datetime.now(timezone.utc).date().isoformat()


def over(date: str | None) -> bool:
    """Whether a date of expiry has come."""
    return date is not None and date <= today()


def caller_of(state: State, secret: str | None) -> Caller:
    if not secret:
        raise UNAUTHORIZED
    token = next((row for row in state.peek("tokens").values() if row["token"] == secret), None)
    if token is None:
        raise UNAUTHORIZED
    for hit, why in (
        (token["revoked"], "Token was revoked. You have to re-authorize from the user."),
        (over(token["expires_at"]), "Token is expired. You can either do re-authorization or token refresh."),
    ):
        if hit:
            raise ApiError(401, {"error": "invalid_token", "error_description": why})
    user = state.row("users", token["user_id"])
    if user is None or user["state"] != "active":
        raise ApiError(403, {"message": "403 Forbidden - Your account has been blocked."})
    return Caller(user, token)


def check_scope(route: Route, caller: Caller) -> None:
    enough = {"api", *route.scopes}
    if route.method in ("GET", "HEAD"):
        enough.add("read_api")
    if enough.isdisjoint(caller.token["scopes"]):
        raise ApiError(
            403,
            {
                "error": "insufficient_scope",
                "error_description": "The request requires higher privileges than provided by the access "
                "token.",
                "scope": " ".join(sorted(enough)),
            },
        )


def check_level(request: Request) -> None:
    """What the path names must be there for the caller (404), and the level must suffice (403)."""
    level = request.route.level
    if level >= ADMIN and not request.caller.admin:
        raise forbidden()
    kind, row = request.owner
    if not row:
        return
    has = level_of(request.state, request.caller, kind, row)
    if has == 0 and not _open_to_all(row):
        raise not_found(kind.capitalize())
    # What anybody sees of a public thing is what a guest sees of a private one.
    if has < level and not (level <= GUEST and _open_to_all(row)):
        raise forbidden()


def _open_to_all(row: Row) -> bool:
    return bool(row.get("visibility") in ("public", "internal"))


def visible(request: Request, kind: str, row: Row) -> bool:
    return _open_to_all(row) or level_of(request.state, request.caller, kind, row) > 0


def level_of(state: State, caller: Caller, kind: str, row: Row) -> int:
    """The highest of: an administrator's, the members' of it and of the groups above, and the shares'."""
    if caller.admin:
        return ADMIN
    return user_level(state, caller.user["id"], kind, row)


def user_level(state: State, user_id: int, kind: str, row: Row) -> int:
    levels = [0]
    for owner_kind, owner in lineage(state, kind, row):
        members = state.peek(f"{owner_kind}/{owner['id']}/members")
        member = members.get(str(user_id))
        if member and not over(member["expires_at"]):
            levels.append(member["access_level"])
        for share in state.peek(f"{owner_kind}/{owner['id']}/shares").values():
            if over(share["expires_at"]):
                continue
            invited = state.row("groups", share["group_id"])
            if invited is not None:
                levels.append(min(share["group_access"], _member_level(state, user_id, invited)))
    return max(levels)


def _member_level(state: State, user_id: int, group: Row) -> int:
    """By membership alone: a share of a share gives nothing."""
    found = (
        state.peek(f"group/{owner['id']}/members").get(str(user_id))
        for _kind, owner in lineage(state, "group", group)
    )
    return max(
        (member["access_level"] for member in found if member and not over(member["expires_at"])), default=0
    )


def lineage(state: State, kind: str, row: Row) -> list[tuple[str, Row]]:
    """It, then the groups above it, nearest first."""
    found = [(kind, row)]
    parent = row["namespace_id"] if kind == "project" else row["parent_id"]
    while parent is not None:
        group = state.row("groups", parent)
        if group is None:
            break
        found.append(("group", group))
        parent = group["parent_id"]
    return found
