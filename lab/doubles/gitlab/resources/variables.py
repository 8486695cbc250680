"""CI variables of projects, groups and the instance."""

from __future__ import annotations

import re
from typing import Any

from lab.doubles.gitlab.api import ADMIN, MAINTAINER, OWNER, Request, bad_request, conflict, not_found, route
from lab.doubles.gitlab.collection import typed
from lab.doubles.gitlab.state import Row

KEY = re.compile(r"[a-zA-Z0-9_]{1,255}")
# What GitLab can mask in a log, with and without expansion of the value.
MASKABLE = re.compile(r"[a-zA-Z0-9_+=/@:.~-]{8,}")
MASKABLE_RAW = re.compile(r"\S{8,}")
FIELDS: dict[str, Any] = {
    "value": "",
    "variable_type": "env_var",
    "protected": False,
    "masked": False,
    "raw": False,
    "environment_scope": "*",
    "description": None,
}
TYPES = {"variable_type": ("env_var", "file")}
OWNERS = {
    "/projects/{id}/variables": MAINTAINER,
    "/groups/{id}/variables": OWNER,
    "/admin/ci/variables": ADMIN,
}


def entity(request: Request, row: Row) -> dict[str, Any]:
    shown = {
        name: row[name] for name in ("variable_type", "key", "protected", "masked", "raw", "description")
    }
    shown["value"] = None if row["hidden"] else row["value"]
    if request.owner[1]:
        shown |= {"environment_scope": row["environment_scope"], "hidden": row["hidden"]}
    return shown


def _table(request: Request) -> dict[str, Row]:
    return request.rows("variables")


def _list(request: Request) -> list[Row]:
    return list(request.state.peek(f"{request.owner_key}/variables").values())


def _find(request: Request) -> Row:
    """By its key and, where several share it, by the scope in ``filter``."""
    found = [row for row in _list(request) if row["key"] == request.args["key"]]
    wanted = request.get("filter", {})
    scope = wanted.get("environment_scope") if isinstance(wanted, dict) else None
    if scope is not None:
        found = [row for row in found if row["environment_scope"] == scope]
    if not found:
        raise not_found("Variable")
    if len(found) > 1:
        raise conflict(
            "There are multiple variables with provided parameters. Please use 'filter[environment_scope]'"
        )
    return found[0]


def _scoped(request: Request) -> bool:
    """Scopes of a group's variables come with EE."""
    kind, row = request.owner
    return bool(row) and (kind == "project" or request.ee)


def _check(request: Request, row: Row) -> None:
    if not KEY.fullmatch(str(row["key"])):
        raise bad_request({"key": ["can contain only letters, digits and '_'."]})
    if row["masked"]:
        pattern = MASKABLE_RAW if row["raw"] else MASKABLE
        if not pattern.fullmatch(str(row["value"])):
            raise bad_request({"value": ["is invalid"]})
    for other in _list(request):
        if other["id"] == row.get("id"):
            continue
        if (other["key"], other["environment_scope"]) == (row["key"], row["environment_scope"]):
            raise bad_request({"key": [f"({row['key']}) has already been taken"]})


def _create(request: Request) -> Row:
    row: Row = {name: typed(request.get(name, default), default) for name, default in FIELDS.items()}
    row["key"] = request.params["key"]
    row["hidden"] = bool(request.owner[1]) and typed(request.get("masked_and_hidden", False), False)
    row["masked"] = row["masked"] or row["hidden"]
    if not _scoped(request):
        row["environment_scope"] = "*"
    _check(request, row)
    return request.state.insert(f"{request.owner_key}/variables", row)


def _change(request: Request) -> Row:
    row = _find(request)
    after = dict(row)
    for name, default in FIELDS.items():
        if name in request.params and (name != "environment_scope" or _scoped(request)):
            after[name] = typed(request.params[name], default)
    if row["hidden"] and not after["masked"]:
        raise bad_request(
            {"base": ["The visibility setting cannot be changed for masked and hidden variables."]}
        )
    _check(request, after)
    row.update(after)
    return row


def _delete(request: Request) -> None:
    row = _find(request)
    del _table(request)[str(row["id"])]


for _path, _level in OWNERS.items():
    _owned = _level != ADMIN
    _params = set(FIELDS) - (set() if _owned else {"environment_scope"})
    # One variable of a group has no filter: where several share a key, GitLab has no way to tell.
    _filter = ("filter",) if _path.startswith("/projects") else ()
    route("GET", _path, level=_level, entity=entity, paged=True)(_list)
    route("GET", f"{_path}/{{key}}", level=_level, params=_filter, entity=entity)(_find)
    route(
        "POST",
        _path,
        level=_level,
        required=("key", "value"),
        params=_params | ({"masked_and_hidden"} if _owned else set()),
        enums=TYPES,
        entity=entity,
    )(_create)
    route("PUT", f"{_path}/{{key}}", level=_level, params={*_params, *_filter}, enums=TYPES, entity=entity)(
        _change
    )
    route("DELETE", f"{_path}/{{key}}", level=_level, params=_filter)(_delete)
