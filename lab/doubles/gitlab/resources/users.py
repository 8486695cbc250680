"""Users, the caller's own, and the version."""

from __future__ import annotations

from typing import Any

from lab.doubles.gitlab.api import ADMIN, Request, bad_parameter, conflict, not_found, route
from lab.doubles.gitlab.seed import new_user
from lab.doubles.gitlab.state import Row


def basic(request: Request, row: Row) -> dict[str, Any]:
    return {
        "id": row["id"],
        "username": row["username"],
        "public_email": "",
        "name": row["name"],
        "state": row["state"],
        "locked": False,
        "avatar_url": None,
        "web_url": f"{request.base_url}/{row['username']}",
    }


def public(request: Request, row: Row) -> dict[str, Any]:
    shown = basic(request, row) | {"created_at": row["created_at"], "bot": row["bot"]}
    if request.caller.admin:
        shown |= {"email": row["email"], "is_admin": row["is_admin"], "external": row["external"]}
    return shown


def own(request: Request, row: Row) -> dict[str, Any]:
    return public(request, row) | {"email": row["email"], "can_create_group": row["can_create_group"]}


def by_id(request: Request, user_id: Any) -> dict[str, Any] | None:
    row = request.state.row("users", user_id)
    return None if row is None else basic(request, row)


@route(
    "GET",
    "/users",
    params=("username", "search", "active", "blocked", "exclude_internal"),
    entity=public,
    paged=True,
)
def users(request: Request) -> list[Row]:
    found = list(request.state.peek("users").values())
    username = request.params.get("username")
    if username is not None:
        found = [row for row in found if row["username"].lower() == username.lower()]
    search = str(request.get("search", "")).lower()
    if search:
        # An address is found by the whole of it alone.
        found = [
            row
            for row in found
            if search in row["username"].lower()
            or search in row["name"].lower()
            or search == row["email"].lower()
        ]
    for state in ("active", "blocked"):
        if str(request.get(state, "")).lower() == "true":
            found = [row for row in found if row["state"] == state]
    return sorted(found, key=lambda row: -int(row["id"]))


@route("GET", "/users/{id}", entity=public)
def user(request: Request) -> Row:
    row = request.state.row("users", request.args["id"])
    if row is None:
        raise not_found("User")
    return row


@route(
    "POST",
    "/users",
    level=ADMIN,
    required=("email", "name", "username"),
    params=("password", "reset_password", "force_random_password", "skip_confirmation", "admin", "external"),
    entity=public,
)
def create_user(request: Request) -> Row:
    if not any(request.get(name) for name in ("password", "reset_password", "force_random_password")):
        raise bad_parameter(
            "password, reset_password, force_random_password are missing, at least one is required"
        )
    for row in request.state.peek("users").values():
        if row["email"].lower() == request.params["email"].lower():
            raise conflict("Email has already been taken")
        if row["username"].lower() == request.params["username"].lower():
            raise conflict("Username has already been taken")
    return new_user(
        request.state,
        request.params["username"],
        request.params["name"],
        request.params["email"],
        admin=bool(request.get("admin", False)),
    )


@route("POST", "/users/{id}/block", level=ADMIN)
def block(request: Request) -> bool:
    user(request)["state"] = "blocked"
    return True


@route("POST", "/users/{id}/unblock", level=ADMIN)
def unblock(request: Request) -> bool:
    user(request)["state"] = "active"
    return True


@route("GET", "/user", scopes=("read_user",), entity=own)
def current(request: Request) -> Row:
    return request.caller.user


def _metadata(request: Request) -> dict[str, Any]:
    return {
        "version": request.version,
        "revision": "double",
        "kas": {"enabled": False, "externalUrl": None, "externalK8sProxyUrl": None, "version": None},
        "enterprise": request.ee,
    }


@route("GET", "/metadata", scopes=("read_user",))
def metadata(request: Request) -> dict[str, Any]:
    return _metadata(request)


@route("GET", "/version", scopes=("read_user",))
def version(request: Request) -> dict[str, Any]:
    return _metadata(request)
