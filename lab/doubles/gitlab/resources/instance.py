"""The instance's own: its settings, topics, and custom attributes of projects and groups."""

from __future__ import annotations

from typing import Any

from lab.doubles.gitlab.api import ADMIN, VISIBILITY, Request, bad_request, not_found, route
from lab.doubles.gitlab.collection import Collection, serve, typed
from lab.doubles.gitlab.state import Row

SETTINGS: dict[str, Any] = {
    "signup_enabled": True,
    "require_admin_approval_after_user_signup": True,
    "password_authentication_enabled_for_web": True,
    "password_authentication_enabled_for_git": True,
    "default_branch_name": None,
    "default_project_visibility": "private",
    "default_group_visibility": "private",
    "default_snippet_visibility": "private",
    "restricted_visibility_levels": [],
    "default_projects_limit": 100000,
    "default_project_creation": 2,
    "can_create_group": True,
    "shared_runners_enabled": True,
    "valid_runner_registrars": [],
    "allow_runner_registration_token": False,
    "auto_devops_enabled": True,
    "max_artifacts_size": 100,
    "max_attachment_size": 100,
    "session_expire_delay": 10080,
    "require_two_factor_authentication": False,
    "two_factor_grace_period": 48,
    "user_default_external": False,
    "gravatar_enabled": True,
    "home_page_url": "",
    "after_sign_out_path": "",
    "admin_mode": False,
    "allow_local_requests_from_web_hooks_and_services": False,
    "outbound_local_requests_whitelist": [],
    "deletion_adjourned_period": 30,
    "default_artifacts_expire_in": "30 days",
    "keep_latest_artifact": True,
    "container_registry_token_expire_delay": 5,
    "version_check_enabled": True,
    "usage_ping_enabled": True,
    "throttle_authenticated_api_enabled": False,
    "throttle_authenticated_api_requests_per_period": 7200,
    "throttle_authenticated_api_period_in_seconds": 3600,
    "enabled_git_access_protocol": "all",
    "default_branch_protection_defaults": {
        "allowed_to_push": [{"access_level": 40}],
        "allow_force_push": False,
        "allowed_to_merge": [{"access_level": 40}],
        "developer_can_initial_push": False,
    },
}


def _settings(request: Request) -> Row:
    row = request.state.rows("settings").setdefault("1", {"id": 1})
    return {"id": 1, **SETTINGS, **row}


@route("GET", "/application/settings", level=ADMIN)
def settings(request: Request) -> Row:
    return _settings(request)


@route(
    "PUT",
    "/application/settings",
    level=ADMIN,
    params=SETTINGS,
    enums={"default_project_visibility": VISIBILITY, "default_group_visibility": VISIBILITY},
)
def change_settings(request: Request) -> Row:
    row = request.state.rows("settings").setdefault("1", {"id": 1})
    row |= {name: typed(value, SETTINGS[name]) for name, value in request.params.items() if name in SETTINGS}
    return _settings(request)


APPEARANCE: dict[str, Any] = {
    "title": "",
    "description": "",
    "pwa_name": "",
    "pwa_short_name": "",
    "pwa_description": "",
    "member_guidelines": "",
    "new_project_guidelines": "",
    "profile_image_guidelines": "",
    "header_message": "",
    "footer_message": "",
    "message_background_color": "#E75E40",
    "message_font_color": "#FFFFFF",
    "email_header_and_footer_enabled": False,
}


def _appearance(request: Request) -> Row:
    return request.state.rows("appearance").setdefault("1", dict(APPEARANCE))


@route("GET", "/application/appearance", level=ADMIN)
def appearance(request: Request) -> Row:
    return _appearance(request)


@route("PUT", "/application/appearance", level=ADMIN, params=APPEARANCE)
def change_appearance(request: Request) -> Row:
    row = _appearance(request)
    row |= {
        name: typed(value, APPEARANCE[name]) for name, value in request.params.items() if name in APPEARANCE
    }
    return row


def topic(request: Request, row: Row) -> dict[str, Any]:
    projects = request.state.peek("projects").values()
    names = ("id", "name", "title", "description")
    return {name: row[name] for name in names} | {
        "total_projects_count": sum(row["name"] in project["topics"] for project in projects),
        "organization_id": 1,
        "avatar_url": None,
    }


serve(
    Collection(
        "topics",
        "topics",
        "id",
        {"name": "", "title": "", "description": None},
        topic,
        owners=("instance",),
        required=("name", "title"),
        unique=("name",),
        write=ADMIN,
        listed=frozenset(("search", "without_projects")),
    )
)


def _attributes(request: Request) -> list[Row]:
    return list(request.state.peek(f"{request.owner_key}/custom_attributes").values())


def _attribute(request: Request) -> Row:
    row = request.state.row(f"{request.owner_key}/custom_attributes", request.args["key"])
    if row is None:
        raise not_found("CustomAttribute")
    return row


def _set(request: Request) -> Row:
    key, value = request.args["key"], request.params["value"]
    if not value:
        raise bad_request({"value": ["can't be blank"]})
    row: Row = {"key": key, "value": str(value)}
    request.rows("custom_attributes")[key] = row
    return row


def _unset(request: Request) -> None:
    del request.rows("custom_attributes")[_attribute(request)["key"]]


for _owner in ("projects", "groups"):
    _many = f"/{_owner}/{{id}}/custom_attributes"
    route("GET", _many, level=ADMIN)(_attributes)
    route("GET", f"{_many}/{{key}}", level=ADMIN)(_attribute)
    route("PUT", f"{_many}/{{key}}", level=ADMIN, required=("value",))(_set)
    route("DELETE", f"{_many}/{{key}}", level=ADMIN)(_unset)
