"""Sections that are plain lists: hooks, labels, deploy keys, badges, mirrors, triggers, environments."""

# ruff: noqa: ARG001  # entities and rules share one signature, whether they need all of it or not

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from lab.doubles.gitlab.api import (
    ADMIN,
    DEVELOPER,
    MAINTAINER,
    OWNER,
    REPORTER,
    Request,
    bad_request,
    conflict,
    route,
)
from lab.doubles.gitlab.collection import OWNERS, Collection, serve
from lab.doubles.gitlab.lookup import full_path
from lab.doubles.gitlab.state import Row

EVENTS = (
    "issues_events",
    "confidential_issues_events",
    "note_events",
    "confidential_note_events",
    "job_events",
    "pipeline_events",
    "wiki_page_events",
    "deployment_events",
    "feature_flag_events",
    "releases_events",
    "milestone_events",
    "emoji_events",
    "resource_access_token_events",
    "vulnerability_events",
)
HOOK: dict[str, Any] = {
    "url": "",
    "name": None,
    "description": None,
    "push_events": True,
    "tag_push_events": False,
    "merge_requests_events": False,
    "enable_ssl_verification": True,
    "token": None,
    "push_events_branch_filter": None,
    "branch_filter_strategy": "wildcard",
    "url_variables": [],
    "custom_headers": [],
}
PROJECT_HOOK = {**HOOK, **dict.fromkeys(EVENTS, False), "custom_webhook_template": None}
SYSTEM_HOOK = {**HOOK, "repository_update_events": True}
STRATEGIES = {"branch_filter_strategy": ("wildcard", "regex", "all_branches")}


def is_url(value: Any) -> bool:
    return bool(re.fullmatch(r"(https?|ssh|git)://\S+", str(value)))


def _check_hook(request: Request, row: Row, before: Row | None) -> None:
    if not is_url(row["url"]):
        raise bad_request("Invalid url given")


def hook(request: Request, row: Row) -> dict[str, Any]:
    """Everything but the token, and of variables and headers their names alone."""
    shown = {name: value for name, value in row.items() if name not in ("token", "updated_at")}
    for name in ("url_variables", "custom_headers"):
        shown[name] = [{"key": each["key"]} for each in row[name]]
    shown |= {"alert_status": "executable", "disabled_until": None}
    kind, owner = request.owner
    if owner:
        shown[f"{kind}_id"] = owner["id"]
    return shown


serve(
    Collection(
        "hooks",
        "hooks",
        "hook_id",
        PROJECT_HOOK,
        hook,
        required=("url",),
        enums=STRATEGIES,
        read=MAINTAINER,
        check=_check_hook,
    )
)
serve(
    Collection(
        "hooks",
        "hooks",
        "hook_id",
        {**PROJECT_HOOK, "subgroup_events": False},
        hook,
        owners=("groups",),
        required=("url",),
        enums=STRATEGIES,
        read=OWNER,
        write=OWNER,
        check=_check_hook,
        enterprise=("groups",),
    )
)
serve(
    Collection(
        "hooks",
        "hooks",
        "hook_id",
        SYSTEM_HOOK,
        hook,
        owners=("instance",),
        required=("url",),
        enums=STRATEGIES,
        read=ADMIN,
        write=ADMIN,
        check=_check_hook,
    )
)


def _check_label(request: Request, row: Row, before: Row | None) -> None:
    new_name = row.pop("new_name", None)
    if new_name:
        row["name"] = new_name
    if not str(row["name"]).strip():
        raise bad_request({"title": ["is invalid"]})
    if not re.fullmatch(r"#[0-9A-Fa-f]{3}([0-9A-Fa-f]{3})?|[a-zA-Z]+", str(row["color"])):
        raise bad_request({"color": ["must be a valid color code"]})
    rows = request.state.peek(f"{request.owner_key}/labels").values()
    if any(each["name"] == row["name"] and each["id"] != row.get("id") for each in rows):
        # GitLab answers a taken name with a conflict of its own when a label is created.
        raise (
            bad_request({"title": ["has already been taken"]}) if before else conflict("Label already exists")
        )


def label(request: Request, row: Row) -> dict[str, Any]:
    shown = {name: row[name] for name in ("id", "name", "description", "color")}
    shown |= {"description_html": row["description"] or "", "text_color": "#FFFFFF", "subscribed": False}
    if request.owner[0] == "project":
        shown |= {"priority": row["priority"], "is_project_label": True}
    return shown


def _by_parameter(request: Request) -> None:
    """The older form of the route names the label in a parameter; python-gitlab uses it still."""
    request.args["name"] = str(request.params.pop("label_id", request.params.pop("name", "")))


for _owner, _fields in (("projects", {"priority": None}), ("groups", {})):
    _labels = serve(
        Collection(
            "labels",
            "labels",
            "name",
            {"name": "", "color": "", "description": None, **_fields},
            label,
            owners=(_owner,),
            required=("name", "color"),
            later={"new_name": None},
            fixed=frozenset(("name",)),
            by_name="name",
            what="Label",
            write=REPORTER,
            check=_check_label,
            listed=frozenset(("with_counts", "search", "include_ancestor_groups")),
        )
    )

    def _change_label(request: Request, labels: Collection = _labels) -> Row:
        _by_parameter(request)
        return labels.change(request)

    def _delete_label(request: Request, labels: Collection = _labels) -> None:
        _by_parameter(request)
        labels.delete(request)

    _path = f"{OWNERS[_owner]}/labels"
    _changeable = ("label_id", "name", "new_name", "color", "description", *_fields)
    route("PUT", _path, level=REPORTER, params=_changeable, entity=label)(_change_label)
    route("DELETE", _path, level=REPORTER, params=("label_id", "name"))(_delete_label)


def fingerprints(key: str) -> tuple[str, str]:
    """Of a public key, as ``ssh-keygen -l`` shows them; :exc:`ApiError` when it is none."""
    parts = key.split()
    try:
        blob = base64.b64decode(parts[1], validate=True)
    except (IndexError, binascii.Error):
        raise bad_request({"deploy_key.key": ["is invalid"]}) from None
    if not re.fullmatch(r"(ssh|ecdsa|sk-ssh|sk-ecdsa)-[a-z0-9@.-]+", parts[0]):
        raise bad_request({"deploy_key.key": ["is invalid"]})
    digest = base64.b64encode(hashlib.sha256(blob).digest()).decode().rstrip("=")
    md5 = hashlib.md5(blob, usedforsecurity=False).hexdigest()
    return ":".join(md5[i : i + 2] for i in range(0, 32, 2)), f"SHA256:{digest}"


def _check_key(request: Request, row: Row, before: Row | None) -> None:
    row["fingerprint"], row["fingerprint_sha256"] = fingerprints(str(row["key"]))
    for other in request.state.peek(f"{request.owner_key}/deploy_keys").values():
        if other["id"] != row.get("id") and other["fingerprint_sha256"] == row["fingerprint_sha256"]:
            raise bad_request({"deploy_key.fingerprint_sha256": ["has already been taken"]})


def deploy_key(request: Request, row: Row) -> dict[str, Any]:
    names = (
        "id",
        "title",
        "created_at",
        "expires_at",
        "key",
        "fingerprint",
        "fingerprint_sha256",
        "can_push",
    )
    return {name: row[name] for name in names} | {"usage_type": "auth", "last_used_at": None}


serve(
    Collection(
        "deploy_keys",
        "deploy_keys",
        "key_id",
        {"title": "", "key": "", "can_push": False, "expires_at": None},
        deploy_key,
        required=("title", "key"),
        fixed=frozenset(("key", "expires_at")),
        read=MAINTAINER,
        check=_check_key,
    )
)


def _check_badge(request: Request, row: Row, before: Row | None) -> None:
    for name in ("link_url", "image_url"):
        if not is_url(row[name]):
            raise bad_request({name: ["is blocked: Only allowed schemes are http, https"]})


def badge(request: Request, row: Row) -> dict[str, Any]:
    kind, owner = request.owner
    shown = {name: row[name] for name in ("id", "name", "link_url", "image_url")} | {"kind": kind}
    path = full_path(request.state, kind, owner)
    branch = owner.get("default_branch") or "main"
    for name in ("link_url", "image_url"):
        rendered = row[name].replace("%{project_path}", path).replace("%{default_branch}", branch)
        shown[f"rendered_{name}"] = rendered
    return shown


for _owner, _level in (("projects", MAINTAINER), ("groups", OWNER)):
    serve(
        Collection(
            "badges",
            "badges",
            "badge_id",
            {"link_url": "", "image_url": "", "name": None},
            badge,
            owners=(_owner,),
            required=("link_url", "image_url"),
            write=_level,
            check=_check_badge,
            listed=frozenset(("name",)),
        )
    )


def _check_mirror(request: Request, row: Row, before: Row | None) -> None:
    if not is_url(row["url"]):
        raise bad_request({"url": ["is blocked: Only allowed schemes are http, https, ssh, git"]})
    if row["only_protected_branches"] and row["mirror_branch_regex"]:
        raise bad_request("Cannot use both only_protected_branches and mirror_branch_regex")


def mirror(request: Request, row: Row) -> dict[str, Any]:
    """The address without its password."""
    parts = urlsplit(row["url"])
    address = parts.hostname + (f":{parts.port}" if parts.port else "") if parts.hostname else ""
    hidden = f"*****:*****@{address}" if parts.username else address
    shown = {
        name: row[name]
        for name in ("id", "enabled", "only_protected_branches", "keep_divergent_refs", "auth_method")
    }
    if request.ee:
        shown["mirror_branch_regex"] = row["mirror_branch_regex"]
    return shown | {
        "url": urlunsplit(parts._replace(netloc=hidden)),
        "update_status": "none",
        "last_update_at": None,
        "last_update_started_at": None,
        "last_successful_update_at": None,
        "last_error": None,
        "host_keys": [],
    }


serve(
    Collection(
        "remote_mirrors",
        "remote_mirrors",
        "mirror_id",
        {
            "url": "",
            "enabled": False,
            "auth_method": "password",
            "keep_divergent_refs": False,
            "only_protected_branches": False,
            "mirror_branch_regex": None,
        },
        mirror,
        required=("url",),
        fixed=frozenset(("url",)),
        read=MAINTAINER,
        check=_check_mirror,
        enums={"auth_method": ("ssh_public_key", "password")},
    )
)


def environment(request: Request, row: Row) -> dict[str, Any]:
    names = (
        "id",
        "name",
        "external_url",
        "created_at",
        "updated_at",
        "tier",
        "description",
        "auto_stop_setting",
    )
    slug = re.sub(r"[^a-z0-9]+", "-", row["name"].lower()).strip("-")[:24]
    return {name: row[name] for name in names} | {"slug": slug, "state": "available", "auto_stop_at": None}


def _check_environment(request: Request, row: Row, before: Row | None) -> None:
    if row["tier"] is None:
        row["tier"] = "production" if row["name"] in ("production", "live", "prod") else "other"


serve(
    Collection(
        "environments",
        "environments",
        "environment_id",
        {"name": "", "external_url": None, "tier": None, "description": None, "auto_stop_setting": "always"},
        environment,
        required=("name",),
        fixed=frozenset(("name",)),
        unique=("name",),
        read=REPORTER,
        write=DEVELOPER,
        enums={
            "tier": ("production", "staging", "testing", "development", "other"),
            "auto_stop_setting": ("always", "with_action"),
        },
        check=_check_environment,
        listed=frozenset(("name", "search", "states")),
    )
)
