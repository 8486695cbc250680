"""How projects are shown: in full, in short, and in the shortest form."""

from __future__ import annotations

from typing import Any

from lab.doubles.gitlab import avatars
from lab.doubles.gitlab.api import Request
from lab.doubles.gitlab.auth import lineage
from lab.doubles.gitlab.lookup import full_path
from lab.doubles.gitlab.resources import settings
from lab.doubles.gitlab.resources.shares import shared_with
from lab.doubles.gitlab.resources.users import basic as user
from lab.doubles.gitlab.state import Row

# Written, and shown under another name or not at all.
UNSHOWN = ("approvals_before_merge",)


def identity(request: Request, row: Row) -> dict[str, Any]:
    above = [group["name"] for _kind, group in reversed(lineage(request.state, "project", row)[1:])]
    return {
        "id": row["id"],
        "description": row["description"],
        "name": row["name"],
        "name_with_namespace": " / ".join([*above, row["name"]]),
        "path": row["path"],
        "path_with_namespace": full_path(request.state, "project", row),
        "created_at": row["created_at"],
    }


def basic(request: Request, row: Row) -> dict[str, Any]:
    path = full_path(request.state, "project", row)
    group = request.state.rows("groups")[str(row["namespace_id"])]
    group_path = full_path(request.state, "group", group)
    shown = identity(request, row) | {
        "default_branch": row["default_branch"] or "main",
        "tag_list": row["topics"],
        "topics": row["topics"],
        "ssh_url_to_repo": f"git@{request.base_url.partition('://')[2]}:{path}.git",
        "http_url_to_repo": f"{request.base_url}/{path}.git",
        "web_url": f"{request.base_url}/{path}",
        "readme_url": None,
        "forks_count": 0,
        "avatar_url": avatars.url(request, "project", row),
        "star_count": 0,
        "last_activity_at": row["updated_at"],
        "visibility": row["visibility"],
        "namespace": {
            "id": group["id"],
            "name": group["name"],
            "path": group["path"],
            "kind": "group",
            "full_path": group_path,
            "parent_id": group["parent_id"],
            "avatar_url": None,
            "web_url": f"{request.base_url}/groups/{group_path}",
        },
    }
    if str(request.get("with_custom_attributes", "")).lower() == "true" and request.caller.admin:
        shown["custom_attributes"] = list(
            request.state.peek(f"project/{row['id']}/custom_attributes").values()
        )
    return shown


def entity(request: Request, row: Row) -> dict[str, Any]:
    shown = basic(request, row)
    shown |= {name: row[name] for name in (*settings.PROJECT, *settings.PROJECT_LATER)}
    if request.ee:
        shown |= {name: row[name] for name in settings.PROJECT_EE}
    shown |= {old: row[level] != "disabled" for old, level in settings.SWITCHES.items()}
    return shown | {
        "container_registry_image_prefix": f"registry.example.com/{full_path(request.state, 'project', row)}",
        "marked_for_deletion_at": row["marked_for_deletion_on"],
        "marked_for_deletion_on": row["marked_for_deletion_on"],
        "empty_repo": not request.state.peek(f"project/{row['id']}/branches"),
        "archived": row["archived"],
        "creator_id": row["creator_id"],
        "emails_disabled": not row["emails_enabled"],
        "container_expiration_policy": {**row["container_expiration_policy"], "next_run_at": None},
        "import_status": "none",
        "updated_at": row["updated_at"],
        "ci_job_token_scope_enabled": row["outbound_enabled"],
        "shared_with_groups": shared_with(request, "project", row),
        "open_issues_count": 0,
    }


def with_access(request: Request, row: Row) -> dict[str, Any]:
    """One project by itself is shown with what the caller may do in it."""
    member = request.state.row(f"project/{row['id']}/members", request.caller.user["id"])
    access = {"access_level": member["access_level"], "notification_level": 3} if member else None
    return entity(request, row) | {"permissions": {"project_access": access, "group_access": None}}


def owner(request: Request, row: Row) -> dict[str, Any] | None:
    found = request.state.row("users", row["creator_id"])
    return None if found is None else user(request, found)
