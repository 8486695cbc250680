"""What GitLab's Enterprise Edition has beyond the Community Edition: there, these routes are not found."""

# ruff: noqa: ARG001  # entities and rules share one signature, whether they need all of it or not

from __future__ import annotations

from typing import Any

from lab.doubles.gitlab.api import (
    DEVELOPER,
    MAINTAINER,
    OWNER,
    Request,
    bad_request,
    conflict,
    not_found,
    route,
)
from lab.doubles.gitlab.collection import Collection, serve, typed
from lab.doubles.gitlab.resources.protections import new_levels, shown_level
from lab.doubles.gitlab.resources.users import by_id
from lab.doubles.gitlab.state import Row, now

PUSH_RULE: dict[str, Any] = {
    "commit_message_regex": "",
    "commit_message_negative_regex": "",
    "branch_name_regex": "",
    "deny_delete_tag": False,
    "member_check": False,
    "prevent_secrets": False,
    "author_email_regex": "",
    "file_name_regex": "",
    "max_file_size": 0,
    "commit_committer_check": False,
    "commit_committer_name_check": False,
    "reject_unsigned_commits": False,
    "reject_non_dco_commits": False,
}


def _rule(request: Request) -> Row:
    row = request.state.row(f"{request.owner_key}/push_rule", 1)
    if row is None:
        raise not_found()
    return row


def rule(request: Request, row: Row) -> dict[str, Any]:
    kind, owner = request.owner
    shown = dict(row)
    return shown | ({"project_id": owner["id"]} if kind == "project" else {})


def _create_rule(request: Request) -> Row:
    rows = request.rows("push_rule")
    if rows:
        raise bad_request(f"{request.owner[0].capitalize()} push rule exists")
    row: Row = {name: typed(request.get(name, default), default) for name, default in PUSH_RULE.items()}
    rows["1"] = {"id": request.state.next_id("push_rules"), "created_at": now(), **row}
    return rows["1"]


def _change_rule(request: Request) -> Row:
    row = _rule(request)
    row |= {
        name: typed(value, PUSH_RULE[name]) for name, value in request.params.items() if name in PUSH_RULE
    }
    return row


def _delete_rule(request: Request) -> None:
    _rule(request)
    request.rows("push_rule").clear()


for _owner, _level in (("projects", MAINTAINER), ("groups", OWNER)):
    _path = f"/{_owner}/{{id}}/push_rule"
    route("GET", _path, level=_level, entity=rule, enterprise=True)(_rule)
    route("POST", _path, level=_level, params=PUSH_RULE, entity=rule, enterprise=True)(_create_rule)
    route("PUT", _path, level=_level, params=PUSH_RULE, entity=rule, enterprise=True)(_change_rule)
    route("DELETE", _path, level=_level, enterprise=True)(_delete_rule)

APPROVALS: dict[str, Any] = {
    "approvals_before_merge": 0,
    "reset_approvals_on_push": True,
    "disable_overriding_approvers_per_merge_request": False,
    "merge_requests_author_approval": False,
    "merge_requests_disable_committers_approval": False,
    "require_password_to_approve": False,
    "require_reauthentication_to_approve": False,
    "selective_code_owner_removals": False,
}
APPROVAL_PATH = "/projects/{id}/approvals"


def _approvals(request: Request) -> Row:
    return request.rows("approvals").setdefault("1", dict(APPROVALS))


@route("GET", APPROVAL_PATH, level=DEVELOPER, enterprise=True)
def approvals(request: Request) -> Row:
    return _approvals(request)


@route("POST", APPROVAL_PATH, level=MAINTAINER, params=APPROVALS, enterprise=True)
def change_approvals(request: Request) -> Row:
    row = _approvals(request)
    row |= {
        name: typed(value, APPROVALS[name]) for name, value in request.params.items() if name in APPROVALS
    }
    return row


def approval_rule(request: Request, row: Row) -> dict[str, Any]:
    names = (
        "id",
        "name",
        "rule_type",
        "report_type",
        "approvals_required",
        "applies_to_all_protected_branches",
    )
    users = [by_id(request, each) for each in row["user_ids"]]
    groups = [request.state.row("groups", each) for each in row["group_ids"]]
    branches = request.state.peek(f"{request.owner_key}/protected_branches")
    return {name: row[name] for name in names} | {
        "eligible_approvers": users,
        "users": users,
        "groups": [{"id": each["id"], "name": each["name"], "path": each["path"]} for each in groups if each],
        "contains_hidden_groups": False,
        "protected_branches": [
            {"id": branches[str(each)]["id"], "name": branches[str(each)]["name"]}
            for each in row["protected_branch_ids"]
            if str(each) in branches
        ],
    }


def _check_approval_rule(request: Request, row: Row, before: Row | None) -> None:
    # Names of users are turned into their ids, as ids are given too.
    names = row.pop("usernames", None) or []
    users = request.state.peek("users").values()
    found = [user["id"] for user in users if user["username"] in names]
    if len(found) != len(names):
        raise bad_request("Some of the usernames are unknown")
    row["user_ids"] = [*dict.fromkeys([*map(int, row["user_ids"]), *found])]
    row["report_type"] = None


serve(
    Collection(
        "approval_rules",
        "approval_rules",
        "approval_rule_id",
        {
            "name": "",
            "approvals_required": 0,
            "rule_type": "regular",
            "user_ids": [],
            "usernames": [],
            "group_ids": [],
            "protected_branch_ids": [],
            "applies_to_all_protected_branches": False,
        },
        approval_rule,
        required=("name", "approvals_required"),
        fixed=frozenset(("rule_type",)),
        unique=("name",),
        read=DEVELOPER,
        enterprise=("projects",),
        check=_check_approval_rule,
    )
)

ENVIRONMENTS = "/projects/{id}/protected_environments"


def protected_environment(request: Request, row: Row) -> dict[str, Any]:
    return {
        "name": row["name"],
        "deploy_access_levels": [
            {**shown_level(request, level), "group_inheritance_type": 0}
            for level in row["deploy_access_levels"]
        ],
        "required_approval_count": row["required_approval_count"],
        "approval_rules": row["approval_rules"],
    }


def _environment(request: Request) -> Row:
    rows = request.state.peek(f"{request.owner_key}/protected_environments")
    row = rows.get(request.args["name"])
    if row is None:
        raise not_found()
    return row


@route("GET", ENVIRONMENTS, level=MAINTAINER, entity=protected_environment, paged=True, enterprise=True)
def environments(request: Request) -> list[Row]:
    return list(request.state.peek(f"{request.owner_key}/protected_environments").values())


@route("GET", f"{ENVIRONMENTS}/{{name}}", level=MAINTAINER, entity=protected_environment, enterprise=True)
def environment(request: Request) -> Row:
    return _environment(request)


@route(
    "POST",
    ENVIRONMENTS,
    level=MAINTAINER,
    required=("name", "deploy_access_levels"),
    params=("required_approval_count", "approval_rules"),
    entity=protected_environment,
    enterprise=True,
)
def protect_environment(request: Request) -> Row:
    name = request.params["name"]
    rows = request.rows("protected_environments")
    if name in rows:
        raise conflict(f"Protected environment '{name}' already exists")
    row: Row = {
        "id": request.state.next_id("protected_environments"),
        "name": name,
        "deploy_access_levels": [],
    }
    row |= {"required_approval_count": 0, "approval_rules": []}
    rows[name] = _assign(request, row)
    return rows[name]


@route(
    "PUT",
    f"{ENVIRONMENTS}/{{name}}",
    level=MAINTAINER,
    params=("deploy_access_levels", "required_approval_count", "approval_rules"),
    entity=protected_environment,
    enterprise=True,
)
def change_environment(request: Request) -> Row:
    row = _environment(request)
    row.update(_assign(request, dict(row)))
    return row


@route("DELETE", f"{ENVIRONMENTS}/{{name}}", level=MAINTAINER, enterprise=True)
def unprotect_environment(request: Request) -> None:
    _environment(request)
    del request.rows("protected_environments")[request.args["name"]]


def _assign(request: Request, row: Row) -> Row:
    """Levels without an id are added, those with ``_destroy`` removed, others changed."""
    if "required_approval_count" in request.params:
        row["required_approval_count"] = int(request.params["required_approval_count"])
    for name in ("deploy_access_levels", "approval_rules"):
        entries = {each["id"]: dict(each) for each in row[name]}
        for given in request.get(name, []):
            identity = given.get("id")
            if identity is not None and int(identity) not in entries:
                raise not_found()
            if identity is not None and typed(given.get("_destroy", False), False):
                del entries[int(identity)]
                continue
            entry = entries[int(identity)] if identity is not None else new_levels(request.state, [0])[0]
            who = ("access_level", "user_id", "group_id", "required_approvals", "group_inheritance_type")
            entry |= {key: given[key] for key in who if key in given}
            if name == "approval_rules":
                entry.setdefault("required_approvals", 1)
            entries[entry["id"]] = entry
        row[name] = list(entries.values())
    return row
