"""Tokens: of users, of projects and groups, and for deployment. A secret is told once."""

# ruff: noqa: ARG001  # entities and rules share one signature, whether they need all of it or not

from __future__ import annotations

import secrets
from datetime import datetime, timedelta, timezone
from typing import Any

from lab.doubles.gitlab.api import (
    ADMIN,
    GUEST,
    LEVELS,
    MAINTAINER,
    OWNER,
    Request,
    bad_request,
    forbidden,
    not_found,
    route,
)
from lab.doubles.gitlab.auth import level_of, over
from lab.doubles.gitlab.collection import Collection, serve
from lab.doubles.gitlab.resources.members import new_member
from lab.doubles.gitlab.seed import new_token, new_user
from lab.doubles.gitlab.state import Row, State

SCOPES = (
    "api",
    "read_api",
    "read_user",
    "create_runner",
    "manage_runner",
    "k8s_proxy",
    "read_repository",
    "write_repository",
    "read_registry",
    "write_registry",
    "self_rotate",
    "ai_features",
    "sudo",
    "admin_mode",
)
RESOURCE_SCOPES = tuple(scope for scope in SCOPES if scope not in ("sudo", "admin_mode", "read_user"))
DEPLOY_SCOPES = (
    "read_repository",
    "read_registry",
    "write_registry",
    "read_package_registry",
    "write_package_registry",
    "read_virtual_registry",
    "write_virtual_registry",
)
LONGEST = 365


def plain(request: Request, row: Row) -> dict[str, Any]:
    names = ("id", "name", "revoked", "created_at", "description", "scopes", "user_id", "expires_at")
    return {name: row[name] for name in names} | {
        "last_used_at": None,
        "active": not row["revoked"] and not over(row["expires_at"]),
    }


def with_ips(request: Request, row: Row) -> dict[str, Any]:
    return plain(request, row) | {"last_used_ips": []}


def with_secret(request: Request, row: Row) -> dict[str, Any]:
    return plain(request, row) | {"token": row["token"]}


def resource(request: Request, row: Row) -> dict[str, Any]:
    kind, _slash, identity = row["owner"].partition("/")
    member = request.state.row(f"{row['owner']}/members", row["user_id"])
    return plain(request, row) | {
        "access_level": member["access_level"] if member else row["access_level"],
        "resource_type": kind,
        "resource_id": int(identity),
    }


def resource_with_secret(request: Request, row: Row) -> dict[str, Any]:
    return resource(request, row) | {"token": row["token"]}


def _secret() -> str:
    return f"glpat-{secrets.token_hex(10)}"


def _expiry(value: Any, default_days: int) -> str:
    today = datetime.now(timezone.utc).date()
    if not value:
        return (today + timedelta(days=default_days)).isoformat()
    text = str(value)[:10]
    if not today.isoformat() < text <= (today + timedelta(days=LONGEST)).isoformat():
        raise bad_request({"expires_at": [f"must be after today and before {LONGEST} days from today"]})
    return text


def _rotated(request: Request, row: Row) -> Row:
    """A new secret in place of the old one, which is of no use from now on."""
    if row["revoked"]:
        raise bad_request("token already revoked")
    user = request.state.rows("users")[str(row["user_id"])]
    expires_at = _expiry(request.get("expires_at"), 7)
    row["revoked"] = True
    fresh = new_token(request.state, user, _secret(), row["name"], row["scopes"], expires_at, row["owner"])
    fresh["description"] = row["description"]
    fresh["access_level"] = row.get("access_level")
    return fresh


@route("GET", "/personal_access_tokens/self", entity=with_ips, scopes=SCOPES)
def own(request: Request) -> Row:
    return request.caller.token


@route("POST", "/personal_access_tokens/self/rotate", status=200, params=("expires_at",), entity=with_secret)
def rotate_own(request: Request) -> Row:
    return _rotated(request, request.caller.token)


@route(
    "GET",
    "/personal_access_tokens",
    params=("user_id", "revoked", "state", "search"),
    entity=with_ips,
    paged=True,
)
def all_tokens(request: Request) -> list[Row]:
    rows = request.state.peek("tokens").values()
    wanted = request.get("user_id")
    if wanted is not None and not request.caller.admin and int(wanted) != request.caller.user["id"]:
        raise forbidden()
    if not request.caller.admin:
        wanted = request.caller.user["id"]
    return [row for row in rows if wanted is None or row["user_id"] == int(wanted)]


def _personal(request: Request) -> Row:
    row = request.state.row("tokens", request.args["id"])
    if row is None:
        raise not_found()
    if not request.caller.admin and row["user_id"] != request.caller.user["id"]:
        raise not_found()
    return row


@route("GET", "/personal_access_tokens/{id}", entity=with_ips)
def token(request: Request) -> Row:
    return _personal(request)


@route("POST", "/personal_access_tokens/{id}/rotate", params=("expires_at",), status=201, entity=with_secret)
def rotate(request: Request) -> Row:
    return _rotated(request, _personal(request))


@route("DELETE", "/personal_access_tokens/{id}")
def revoke(request: Request) -> None:
    _personal(request)["revoked"] = True


@route(
    "POST",
    "/users/{user_id}/personal_access_tokens",
    level=ADMIN,
    required=("name", "scopes"),
    params=("expires_at", "description"),
    enums={"scopes": SCOPES},
    entity=with_secret,
)
def create_for(request: Request) -> Row:
    user = request.state.row("users", request.args["user_id"])
    if user is None:
        raise not_found("User")
    expires_at = _expiry(request.get("expires_at"), LONGEST)
    return new_token(
        request.state, user, _secret(), request.params["name"], request.params["scopes"], expires_at
    )


def _owned(request: Request) -> list[Row]:
    return [row for row in request.state.peek("tokens").values() if row["owner"] == request.owner_key]


def _listed(request: Request) -> list[Row]:
    wanted = request.get("state")
    rows = _owned(request)
    return [row for row in rows if not wanted or plain(request, row)["active"] == (wanted == "active")]


def _one(request: Request) -> Row:
    row = next((row for row in _owned(request) if str(row["id"]) == request.args["token_id"]), None)
    if row is None:
        raise not_found()
    return row


def _create(request: Request) -> Row:
    kind, owner = request.owner
    level = int(request.get("access_level", MAINTAINER))
    if level > level_of(request.state, request.caller, kind, owner):
        raise bad_request("User does not have permission to create a token with this access level")
    expires_at = _expiry(request.get("expires_at"), LONGEST)
    name = f"{kind}_{owner['id']}_bot_{secrets.token_hex(8)}"
    bot = new_user(request.state, name, request.params["name"], f"{name}@noreply.example.com", bot=True)
    new_member(request.state, request.owner_key, bot["id"], level, expires_at)
    row = new_token(
        request.state,
        bot,
        _secret(),
        request.params["name"],
        request.params["scopes"],
        expires_at,
        request.owner_key,
    )
    row["description"] = request.get("description", "")
    row["access_level"] = level
    return row


def _revoke(request: Request) -> None:
    row = _one(request)
    row["revoked"] = True
    request.rows("members").pop(str(row["user_id"]), None)


def _rotate(request: Request) -> Row:
    return _rotated(request, _one(request))


for _owner, _level in (("projects", MAINTAINER), ("groups", OWNER)):
    _many = f"/{_owner}/{{id}}/access_tokens"
    route("GET", _many, level=_level, params=("state",), entity=resource, paged=True)(_listed)
    route("GET", f"{_many}/{{token_id}}", level=_level, entity=resource)(_one)
    route(
        "POST",
        _many,
        level=_level,
        required=("name", "scopes"),
        params=("access_level", "expires_at", "description"),
        enums={"scopes": RESOURCE_SCOPES, "access_level": tuple(level for level in LEVELS if level >= GUEST)},
        entity=resource_with_secret,
    )(_create)
    route(
        "POST",
        f"{_many}/{{token_id}}/rotate",
        status=200,
        level=_level,
        params=("expires_at",),
        entity=resource_with_secret,
    )(_rotate)
    route("DELETE", f"{_many}/{{token_id}}", level=_level)(_revoke)


def deploy_token(request: Request, row: Row) -> dict[str, Any]:
    names = ("id", "name", "username", "expires_at", "scopes")
    return {name: row[name] for name in names} | {"revoked": False, "expired": over(row["expires_at"])}


def deploy_token_with_secret(request: Request, row: Row) -> dict[str, Any]:
    return deploy_token(request, row) | {"token": row["token"]}


def _check_deploy_token(request: Request, row: Row, before: Row | None) -> None:
    row["token"] = f"gldt-{secrets.token_hex(10)}"
    if not row["scopes"]:
        raise bad_request({"scopes": ["can't be blank"]})
    if not row["username"]:
        row["username"] = f"gitlab+deploy-token-{request.state.last_ids.get('deploy_tokens', 0) + 1}"


serve(
    Collection(
        "deploy_tokens",
        "deploy_tokens",
        "token_id",
        {"name": "", "scopes": [], "expires_at": None, "username": None},
        deploy_token,
        owners=("projects", "groups"),
        required=("name", "scopes"),
        enums={"scopes": DEPLOY_SCOPES},
        read=MAINTAINER,
        verbs=("list", "get", "create", "delete"),
        check=_check_deploy_token,
        created_entity=deploy_token_with_secret,
        listed=frozenset(("active",)),
    )
)


def user_token(
    state: State, username: str, scopes: list[str], admin: bool = False, expires_at: str | None = None
) -> str:
    """For tests: a token of a user, who comes to be with it."""
    with state.lock:
        users = state.peek("users").values()
        user = next((row for row in users if row["username"] == username), None)
        if user is None:
            user = new_user(state, username, username.capitalize(), f"{username}@example.com", admin=admin)
        return str(new_token(state, user, _secret(), "test", scopes, expires_at)["token"])
