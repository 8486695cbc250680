"""Find what a request names, by id or by full path, and keep full paths unique."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from lab.doubles.gitlab.api import ApiError, Request, bad_request, not_found
from lab.doubles.gitlab.state import Row, State

TABLES = {"project": "projects", "group": "groups"}


def find_project(request: Request, identity: Any) -> Row:
    return _find(request, "project", identity)


def find_group(request: Request, identity: Any) -> Row:
    return _find(request, "group", identity)


def _find(request: Request, kind: str, identity: Any) -> Row:
    text = str(identity)
    if text.isdigit():
        row = request.state.row(TABLES[kind], text)
    else:
        row = by_path(request.state, kind, text)
        if row is None:
            _lead_on(request, kind, text)
    if row is None:
        raise not_found(kind.capitalize())
    return row


def by_path(state: State, kind: str, full_path: str) -> Row | None:
    found = state.paths.get(full_path.lower())
    return state.row(TABLES[kind], found[1]) if found and found[0] == kind else None


def _lead_on(request: Request, kind: str, full_path: str) -> None:
    """A path that was left behind leads a reader on to where it went, and refuses a writer."""
    left = request.state.redirects.get(full_path.lower())
    if not left or left[0] != kind or request.state.row(TABLES[kind], left[1]) is None:
        return
    if request.method not in ("GET", "HEAD"):
        raise ApiError(405, {"message": "Non GET methods are not allowed for moved projects"})
    template = request.route.template.replace("{id}", str(left[1]), 1)
    for name, value in request.args.items():
        template = template.replace(f"{{{name}}}", quote(value, safe=""))
    location = f"{request.base_url}/api/v4{template}"
    raise ApiError(301, {"message": "This resource has been moved permanently"}, {"Location": location})


def full_path(state: State, kind: str, row: Row) -> str:
    parent = row["namespace_id"] if kind == "project" else row["parent_id"]
    if parent is None:
        return str(row["path"])
    group = state.row("groups", parent)
    if group is None:
        raise not_found("Namespace")
    return f"{full_path(state, 'group', group)}/{row['path']}"


def claim(state: State, kind: str, row: Row) -> None:
    """Register the full path of something new."""
    state.paths[full_path(state, kind, row).lower()] = [kind, row["id"]]


def taken(state: State, path: str, kind: str, row_id: int | None = None) -> bool:
    found = state.paths.get(path.lower())
    return found is not None and found != [kind, row_id]


def moved(state: State, before: str, after: str) -> None:
    """Everything at and below ``before`` is at ``after`` now; what was left behind leads on."""
    old, new = before.lower(), after.lower()
    if old == new:
        return
    for path in [each for each in state.paths if each == old or each.startswith(f"{old}/")]:
        target = state.paths.pop(path)
        state.paths[new + path[len(old) :]] = target
        state.redirects[path] = target


def release(state: State, path: str) -> None:
    state.paths.pop(path.lower(), None)


def member_of(request: Request, identity: Any) -> Row:
    user = request.state.row("users", identity)
    if user is None:
        raise not_found("User")
    return user


def integer(value: Any, name: str) -> int:
    try:
        return int(value)
    except (TypeError, ValueError):
        raise bad_request(f"{name} is invalid") from None
