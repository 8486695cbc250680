"""What a fresh instance has: an administrator with a token, and its settings."""

from __future__ import annotations

from typing import Any

from lab.doubles.gitlab.state import Row, State, now

ROOT = "root"


def new_user(
    state: State, username: str, name: str, email: str, admin: bool = False, bot: bool = False
) -> Row:
    fields: dict[str, Any] = {
        "username": username,
        "name": name,
        "email": email,
        "state": "active",
        "is_admin": admin,
        "bot": bot,
        "created_at": now(),
        "external": False,
        "can_create_group": True,
        "projects_limit": 100_000,
    }
    return state.insert("users", fields)


def new_token(
    state: State,
    user: Row,
    secret: str,
    name: str,
    scopes: list[str],
    expires_at: str | None = None,
    owner: str = "",
) -> Row:
    """``owner`` (``project/12``) is set on the token of a project or a group, whose user is a bot."""
    fields: dict[str, Any] = {
        "user_id": user["id"],
        "token": secret,
        "name": name,
        "description": "",
        "scopes": scopes,
        "revoked": False,
        "created_at": now(),
        "expires_at": expires_at,
        "owner": owner,
    }
    return state.insert("tokens", fields)


def seed(state: State, root_token: str) -> None:
    root = new_user(state, ROOT, "Administrator", "admin@example.com", admin=True)
    new_token(state, root, root_token, "root", ["api", "sudo", "admin_mode"])
    state.dirty = True
