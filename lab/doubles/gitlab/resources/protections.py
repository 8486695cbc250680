"""Protected branches and tags.

Every change of a rule is kept in order, so that a test can ask whether a branch was ever without one.
"""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import Any

from lab.doubles.gitlab.api import (
    DEVELOPER,
    LEVELS,
    MAINTAINER,
    Request,
    bad_parameter,
    bad_request,
    conflict,
    not_found,
    route,
)
from lab.doubles.gitlab.collection import typed
from lab.doubles.gitlab.state import Row, State

PUSH = (0, 30, 40, 60)
UNPROTECT = (30, 40, 60)
KINDS = {"push": PUSH, "merge": PUSH, "unprotect": UNPROTECT}
DESCRIPTIONS = {
    **LEVELS,
    0: "No one",
    60: "Instance admins",
    30: "Developers + Maintainers",
    40: "Maintainers",
}


def new_levels(state: State, levels: list[int]) -> list[Row]:
    return [
        {
            "id": state.next_id("access_levels"),
            "access_level": level,
            "user_id": None,
            "group_id": None,
            "deploy_key_id": None,
        }
        for level in levels
    ]


def shown_level(request: Request, level: Row) -> dict[str, Any]:
    description = DESCRIPTIONS.get(level["access_level"], "")
    if level["user_id"]:
        user = request.state.row("users", level["user_id"])
        description = user["name"] if user else ""
    elif level["group_id"]:
        group = request.state.row("groups", level["group_id"])
        description = group["name"] if group else ""
    shown = {
        "id": level["id"],
        "access_level": level["access_level"],
        "access_level_description": description,
        "deploy_key_id": level["deploy_key_id"],
    }
    return shown | ({"user_id": level["user_id"], "group_id": level["group_id"]} if request.ee else {})


def branch_entity(request: Request, row: Row) -> dict[str, Any]:
    shown = {
        "id": row["id"],
        "name": row["name"],
        "push_access_levels": [shown_level(request, level) for level in row["push_access_levels"]],
        "merge_access_levels": [shown_level(request, level) for level in row["merge_access_levels"]],
        "allow_force_push": row["allow_force_push"],
    }
    if request.ee:
        shown |= {
            "unprotect_access_levels": [
                shown_level(request, level) for level in row["unprotect_access_levels"]
            ],
            "code_owner_approval_required": row["code_owner_approval_required"],
            "inherited": False,
        }
    return shown


def tag_entity(request: Request, row: Row) -> dict[str, Any]:
    return {
        "name": row["name"],
        "create_access_levels": [shown_level(request, level) for level in row["create_access_levels"]],
    }


def _find(request: Request, table: str) -> Row:
    rows = request.state.peek(f"{request.owner_key}/{table}").values()
    row = next((row for row in rows if row["name"] == request.args["name"]), None)
    if row is None:
        raise not_found()
    return row


def note(state: State, owner_key: str, table: str) -> None:
    """Keep which rules there are now."""
    names = sorted(row["name"] for row in state.peek(f"{owner_key}/{table}").values())
    log = state.rows(f"{owner_key}/protection_log")
    log[str(len(log))] = {"kind": table, "names": names}


def gaps(state: State, project: Row, table: str, name: str) -> int:
    """How many times the branch or tag ``name`` was covered by a rule and then by none.

    ``table``: ``protected_branches`` or ``protected_tags``.
    """
    log = state.peek(f"project/{project['id']}/protection_log")
    found, covered = 0, False
    for position in range(len(log)):
        entry = log[str(position)]
        if entry["kind"] != table:
            continue
        now_covered = any(fnmatchcase(name, rule) for rule in entry["names"])
        found += covered and not now_covered
        covered = now_covered
    return found


def _level_of(request: Request, given: dict[str, Any], allowed: tuple[int, ...]) -> Row:
    """A new access level: of a role, or with EE of a user or a group that can reach the project."""
    who = [
        name
        for name in ("user_id", "group_id", "deploy_key_id", "access_level")
        if given.get(name) is not None
    ]
    if len(who) != 1:
        raise bad_parameter("allowed_to needs one of access_level, user_id, group_id, deploy_key_id")
    level = new_levels(request.state, [MAINTAINER])[0]
    if who[0] == "access_level":
        if int(given["access_level"]) not in allowed:
            raise bad_parameter("access_level does not have a valid value")
        level["access_level"] = int(given["access_level"])
        return level
    level[who[0]] = int(given[who[0]])
    if who[0] == "user_id":
        members = {row["id"] for row in _reach(request, "members")}
        if level["user_id"] not in members:
            raise bad_request("Validation failed: User is not a member of the project")
    if who[0] == "group_id":
        shares = {row["group_id"] for row in _reach(request, "shares")}
        if level["group_id"] not in shares:
            raise bad_request("Validation failed: Group is not allowed in this project")
    return level


def _reach(request: Request, table: str) -> list[Row]:
    from lab.doubles.gitlab.auth import lineage

    return [
        row
        for kind, owner in lineage(request.state, "project", request.project)
        for row in request.state.peek(f"{kind}/{owner['id']}/{table}").values()
    ]


def _initial(request: Request, kind: str, single: str, several: str, default: list[int]) -> list[Row]:
    allowed = KINDS.get(kind, PUSH)
    given = request.get(several) if request.ee else None
    levels = [_level_of(request, each, allowed) for each in given or []]
    plain = request.get(single)
    if plain is not None:
        levels += new_levels(request.state, [int(plain)])
    return levels or new_levels(request.state, default)


def _edited(
    request: Request, before: list[Row], given: list[dict[str, Any]], allowed: tuple[int, ...]
) -> list[Row]:
    levels = {row["id"]: dict(row) for row in before}
    for each in given:
        identity = each.get("id")
        if identity is None:
            added = _level_of(request, each, allowed)
            same = ("access_level", "user_id", "group_id", "deploy_key_id")
            if any(all(row[name] == added[name] for name in same) for row in levels.values()):
                raise bad_request("Validation failed: Access level has already been taken")
            levels[added["id"]] = added
        elif int(identity) not in levels:
            raise not_found()
        elif typed(each.get("_destroy", False), False):
            del levels[int(identity)]
        else:
            levels[int(identity)] |= {
                name: value for name, value in _level_of(request, each, allowed).items() if name != "id"
            }
    return list(levels.values())


@route(
    "GET",
    "/projects/{id}/protected_branches",
    level=DEVELOPER,
    params=("search",),
    entity=branch_entity,
    paged=True,
)
def branches(request: Request) -> list[Row]:
    search = str(request.get("search", ""))
    rows = request.state.peek(f"{request.owner_key}/protected_branches").values()
    return [row for row in rows if search in row["name"]]


@route("GET", "/projects/{id}/protected_branches/{name}", level=DEVELOPER, entity=branch_entity)
def branch(request: Request) -> Row:
    return _find(request, "protected_branches")


@route(
    "POST",
    "/projects/{id}/protected_branches",
    level=MAINTAINER,
    required=("name",),
    params=(
        "push_access_level",
        "merge_access_level",
        "unprotect_access_level",
        "allow_force_push",
        "allowed_to_push",
        "allowed_to_merge",
        "allowed_to_unprotect",
        "code_owner_approval_required",
    ),
    enums={"push_access_level": PUSH, "merge_access_level": PUSH, "unprotect_access_level": UNPROTECT},
    entity=branch_entity,
)
def protect_branch(request: Request) -> Row:
    name = request.params["name"]
    rows = request.rows("protected_branches")
    if any(row["name"] == name for row in rows.values()):
        raise conflict(f"Protected branch '{name}' already exists")
    row: Row = {
        "name": name,
        "allow_force_push": typed(request.get("allow_force_push", False), False),
        "code_owner_approval_required": request.ee
        and typed(request.get("code_owner_approval_required", False), False),
    }
    for kind in KINDS:
        default = [] if kind == "unprotect" else [MAINTAINER]
        row[f"{kind}_access_levels"] = _initial(
            request, kind, f"{kind}_access_level", f"allowed_to_{kind}", default
        )
    row = request.state.insert(f"{request.owner_key}/protected_branches", row)
    note(request.state, request.owner_key, "protected_branches")
    return row


@route(
    "PATCH",
    "/projects/{id}/protected_branches/{name}",
    level=MAINTAINER,
    params=(
        "allow_force_push",
        "allowed_to_push",
        "allowed_to_merge",
        "allowed_to_unprotect",
        "code_owner_approval_required",
    ),
    entity=branch_entity,
)
def change_branch(request: Request) -> Row:
    """CE changes force pushes alone: roles come with EE."""
    row = _find(request, "protected_branches")
    after = dict(row)
    if "allow_force_push" in request.params:
        after["allow_force_push"] = typed(request.params["allow_force_push"], False)
    if request.ee:
        for kind, allowed in KINDS.items():
            given = request.get(f"allowed_to_{kind}", [])
            after[f"{kind}_access_levels"] = _edited(request, row[f"{kind}_access_levels"], given, allowed)
        if "code_owner_approval_required" in request.params:
            after["code_owner_approval_required"] = typed(
                request.params["code_owner_approval_required"], False
            )
    row.update(after)
    return row


@route("DELETE", "/projects/{id}/protected_branches/{name}", level=MAINTAINER)
def unprotect_branch(request: Request) -> None:
    row = _find(request, "protected_branches")
    del request.rows("protected_branches")[str(row["id"])]
    note(request.state, request.owner_key, "protected_branches")


@route("GET", "/projects/{id}/protected_tags", level=DEVELOPER, entity=tag_entity, paged=True)
def tags(request: Request) -> list[Row]:
    return list(request.state.peek(f"{request.owner_key}/protected_tags").values())


@route("GET", "/projects/{id}/protected_tags/{name}", level=DEVELOPER, entity=tag_entity)
def tag(request: Request) -> Row:
    return _find(request, "protected_tags")


@route(
    "POST",
    "/projects/{id}/protected_tags",
    level=MAINTAINER,
    required=("name",),
    params=("create_access_level", "allowed_to_create"),
    enums={"create_access_level": (0, 30, 40)},
    entity=tag_entity,
)
def protect_tag(request: Request) -> Row:
    name = request.params["name"]
    if any(row["name"] == name for row in request.rows("protected_tags").values()):
        raise conflict(f"Protected tag '{name}' already exists")
    levels = _initial(request, "create", "create_access_level", "allowed_to_create", [MAINTAINER])
    row = request.state.insert(
        f"{request.owner_key}/protected_tags", {"name": name, "create_access_levels": levels}
    )
    note(request.state, request.owner_key, "protected_tags")
    return row


@route("DELETE", "/projects/{id}/protected_tags/{name}", level=MAINTAINER)
def unprotect_tag(request: Request) -> None:
    row = _find(request, "protected_tags")
    del request.rows("protected_tags")[str(row["id"])]
    note(request.state, request.owner_key, "protected_tags")
