"""Branches, tags, commits and files, over the interface that programs write them with."""

from __future__ import annotations

import base64
import hashlib
from typing import Any

from lab.doubles.gitlab import repository as store
from lab.doubles.gitlab.api import (
    DEVELOPER,
    GUEST,
    OWNER,
    Raw,
    Request,
    bad_request,
    forbidden,
    not_found,
    route,
)
from lab.doubles.gitlab.auth import level_of
from lab.doubles.gitlab.resources.jobs import protected
from lab.doubles.gitlab.state import Row

REPOSITORY = "/projects/{id}/repository"
AUTHOR = ("author_email", "author_name")


def commit_entity(request: Request, row: Row) -> dict[str, Any]:
    return {
        "id": row["id"],
        "short_id": row["id"][:8],
        "created_at": row["created_at"],
        "parent_ids": row["parent_ids"],
        "title": row["message"].splitlines()[0] if row["message"] else "",
        "message": row["message"],
        "author_name": row["author_name"],
        "author_email": row["author_email"],
        "authored_date": row["created_at"],
        "committer_name": row["author_name"],
        "committer_email": row["author_email"],
        "committed_date": row["created_at"],
        "trailers": {},
        "extended_trailers": {},
        "web_url": f"{request.base_url}/-/commit/{row['id']}",
    }


def commit_detail(request: Request, row: Row) -> dict[str, Any]:
    return commit_entity(request, row) | {
        "stats": {"additions": 0, "deletions": 0, "total": 0},
        "status": None,
        "project_id": request.project["id"],
        "last_pipeline": None,
    }


def branch_entity(request: Request, row: Row) -> dict[str, Any]:
    return {
        "name": row["name"],
        "commit": commit_entity(request, _commit(request, row["name"])),
        "merged": False,
        "protected": protected(request.state, request.project, row["name"]),
        "developers_can_push": False,
        "developers_can_merge": False,
        "can_push": True,
        "default": row["name"] == request.project["default_branch"],
        "web_url": f"{request.base_url}/-/tree/{row['name']}",
    }


def tag_entity(request: Request, row: Row) -> dict[str, Any]:
    return {
        "name": row["name"],
        "message": row["message"],
        "target": row["commit"],
        "commit": commit_entity(request, _commit(request, row["name"])),
        "release": None,
        "protected": protected(request.state, request.project, row["name"]),
        "created_at": row["created_at"],
    }


def _commit(request: Request, ref: str) -> Row:
    found = store.commit_of(request.state, request.project, ref)
    if found is None:
        raise not_found("Commit")
    return found


def _push(request: Request, ref: str, table: str, levels: str) -> None:
    """Whether the caller may write to a branch or make a tag, by the rules that cover it."""
    from fnmatch import fnmatchcase

    rows = request.state.peek(f"{request.owner_key}/{table}").values()
    rules = [row for row in rows if fnmatchcase(ref, row["name"])]
    if not rules:
        return
    has = level_of(request.state, request.caller, "project", request.project)
    for rule in rules:
        for level in rule[levels]:
            needed = OWNER if level["access_level"] == 60 else level["access_level"]
            by_role = level["user_id"] is None and level["group_id"] is None
            if (by_role and needed and has >= needed) or level["user_id"] == request.caller.user["id"]:
                return
    raise forbidden(
        f"You are not allowed to push into this {'branch' if table == 'protected_branches' else 'tag'}"
    )


@route(
    "GET",
    f"{REPOSITORY}/branches",
    params=("search", "regex", "page_token"),
    entity=branch_entity,
    paged=True,
)
def branches(request: Request) -> list[Row]:
    search = str(request.get("search", ""))
    rows = request.state.peek(f"{request.owner_key}/branches").values()
    return sorted((row for row in rows if search in row["name"]), key=lambda row: str(row["name"]))


@route("GET", f"{REPOSITORY}/branches/{{branch}}", entity=branch_entity)
def branch(request: Request) -> Row:
    row = request.state.row(f"{request.owner_key}/branches", request.args["branch"])
    if row is None:
        raise not_found("Branch")
    return row


@route("POST", f"{REPOSITORY}/branches", level=DEVELOPER, required=("branch", "ref"), entity=branch_entity)
def create_branch(request: Request) -> Row:
    name = request.params["branch"]
    rows = request.rows("branches")
    if name in rows:
        raise bad_request("Branch already exists")
    commit = store.commit_of(request.state, request.project, request.params["ref"])
    if commit is None:
        raise bad_request(f"Invalid reference name: {request.params['ref']}")
    rows[name] = {"name": name, "commit": commit["id"]}
    return dict(rows[name])


@route("DELETE", f"{REPOSITORY}/branches/{{branch}}", level=DEVELOPER)
def delete_branch(request: Request) -> None:
    row = branch(request)
    if row["name"] == request.project["default_branch"]:
        raise bad_request("Cannot remove HEAD branch")
    if protected(request.state, request.project, row["name"]):
        raise bad_request("Protected branch cant be removed")
    del request.rows("branches")[row["name"]]


@route("GET", f"{REPOSITORY}/tags", params=("search", "page_token"), entity=tag_entity, paged=True)
def tags(request: Request) -> list[Row]:
    search = str(request.get("search", ""))
    rows = request.state.peek(f"{request.owner_key}/tags").values()
    return [row for row in rows if search in row["name"]]


@route("GET", f"{REPOSITORY}/tags/{{tag_name}}", entity=tag_entity)
def tag(request: Request) -> Row:
    row = request.state.row(f"{request.owner_key}/tags", request.args["tag_name"])
    if row is None:
        raise not_found("Tag")
    return row


@route(
    "POST",
    f"{REPOSITORY}/tags",
    level=DEVELOPER,
    required=("tag_name", "ref"),
    params=("message",),
    entity=tag_entity,
)
def create_tag(request: Request) -> Row:
    name = request.params["tag_name"]
    rows = request.rows("tags")
    if name in rows:
        raise bad_request(f"Tag {name} already exists")
    commit = store.commit_of(request.state, request.project, request.params["ref"])
    if commit is None:
        raise bad_request(f"Target {request.params['ref']} is invalid")
    _push(request, name, "protected_tags", "create_access_levels")
    message = request.get("message", "")
    rows[name] = {
        "name": name,
        "commit": commit["id"],
        "message": message,
        "created_at": commit["created_at"],
    }
    return dict(rows[name])


@route("DELETE", f"{REPOSITORY}/tags/{{tag_name}}", level=DEVELOPER)
def delete_tag(request: Request) -> None:
    row = tag(request)
    if protected(request.state, request.project, row["name"]):
        raise bad_request("Protected tag cant be removed")
    del request.rows("tags")[row["name"]]


@route("GET", f"{REPOSITORY}/commits", params=("ref_name", "path", "all"), entity=commit_entity, paged=True)
def commits(request: Request) -> list[Row]:
    ref = request.get("ref_name") or request.project["default_branch"]
    found: list[Row] = []
    current = store.commit_of(request.state, request.project, ref) if ref else None
    while current is not None:
        found.append(current)
        parents = current["parent_ids"]
        current = store.commit_of(request.state, request.project, parents[0]) if parents else None
    return found


@route("GET", f"{REPOSITORY}/commits/{{sha}}", params=("stats",), entity=commit_detail)
def commit(request: Request) -> Row:
    return _commit(request, request.args["sha"])


@route(
    "POST",
    f"{REPOSITORY}/commits",
    level=DEVELOPER,
    required=("branch", "commit_message", "actions"),
    params=(*AUTHOR, "start_branch", "start_sha", "stats", "force"),
    entity=commit_detail,
)
def create_commit(request: Request) -> Row:
    return _write(request, request.params["actions"])


def _write(request: Request, actions: list[dict[str, Any]]) -> Row:
    """One commit with all the actions, on the branch or beside it."""
    target = request.params["branch"]
    _push(request, target, "protected_branches", "push_access_levels")
    start = request.get("start_sha") or request.get("start_branch") or target
    parent = store.commit_of(request.state, request.project, start)
    if parent is None and request.state.peek(f"{request.owner_key}/branches"):
        raise bad_request("You can only create or edit files when you are on a branch")
    if start != target and target in request.state.peek(f"{request.owner_key}/branches"):
        raise bad_request(f"A branch called '{target}' already exists.")
    if request.project["archived"]:
        raise forbidden()
    for action in actions:
        expected = action.get("last_commit_id")
        current = parent["files"].get(action.get("file_path")) if parent else None
        if expected and current and current["commit"] != expected:
            raise bad_request("The file has changed since you started editing it")
    after = store.apply_actions(parent["files"] if parent else {}, actions)
    message = request.params["commit_message"]
    parent_id = parent["id"] if parent else None
    user = request.caller.user
    return store.commit(request.state, request.project, user, target, message, after, parent_id)


def _file(request: Request) -> tuple[str, dict[str, Any]]:
    path = request.args["file_path"]
    ref = request.get("ref") or "HEAD"
    ref = (request.project["default_branch"] or "main") if ref == "HEAD" else ref
    commit = store.commit_of(request.state, request.project, ref)
    if commit is None or path not in commit["files"]:
        raise not_found("File" if commit else "Commit")
    entry = commit["files"][path]
    content = base64.b64decode(entry["content"])
    return entry["content"], {
        "file_name": path.rpartition("/")[2],
        "file_path": path,
        "size": len(content),
        "encoding": "base64",
        "content_sha256": hashlib.sha256(content).hexdigest(),
        "ref": ref,
        "blob_id": _blob_id(content),
        "commit_id": commit["id"],
        "last_commit_id": entry["commit"],
        "execute_filemode": entry["mode"] == "100755",
    }


FILE = f"{REPOSITORY}/files/{{file_path}}"


@route("GET", FILE, params=("ref",), level=GUEST)
def read_file(request: Request) -> dict[str, Any]:
    content, facts = _file(request)
    return facts | {"content": content}


@route("HEAD", FILE, params=("ref",), level=GUEST)
def head_file(request: Request) -> Raw:
    """What a file is, in headers."""
    _content, facts = _file(request)
    headers = {f"X-Gitlab-{name.replace('_', '-').title()}": str(value) for name, value in facts.items()}
    return Raw(b"", "application/json", headers)


@route("GET", f"{FILE}/raw", params=("ref", "lfs"), level=GUEST)
def raw_file(request: Request) -> Raw:
    content, _facts = _file(request)
    return Raw(base64.b64decode(content), "text/plain")


def _one_file(request: Request, action: str) -> dict[str, str]:
    given = {
        name: value for name, value in request.params.items() if name not in ("branch", "commit_message")
    }
    _write(request, [{**given, "action": action, "file_path": request.args["file_path"]}])
    return {"file_path": request.args["file_path"], "branch": request.params["branch"]}


WRITE = (*AUTHOR, "start_branch", "encoding", "last_commit_id", "execute_filemode")


@route("POST", FILE, level=DEVELOPER, required=("branch", "commit_message", "content"), params=WRITE)
def create_file(request: Request) -> dict[str, str]:
    return _one_file(request, "create")


@route("PUT", FILE, level=DEVELOPER, required=("branch", "commit_message", "content"), params=WRITE)
def update_file(request: Request) -> dict[str, str]:
    return _one_file(request, "update")


@route(
    "DELETE", FILE, level=DEVELOPER, required=("branch", "commit_message"), params=(*AUTHOR, "start_branch")
)
def delete_file(request: Request) -> None:
    _one_file(request, "delete")


def _blob_id(content: bytes) -> str:
    """As git has it, so that a client can tell a file by its hash."""
    return hashlib.sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False).hexdigest()


def _tree_id(name: str) -> str:
    return hashlib.sha1(name.encode(), usedforsecurity=False).hexdigest()


@route("GET", f"{REPOSITORY}/tree", params=("ref", "path", "recursive", "page_token"), paged=True)
def tree(request: Request) -> list[dict[str, Any]]:
    ref = request.get("ref") or request.project["default_branch"]
    if not ref:
        raise not_found("Tree")
    files = store.files_of(request.state, request.project, ref)
    prefix = f"{request.params['path'].strip('/')}/" if request.get("path") else ""
    recursive = str(request.get("recursive", "")).lower() in ("true", "1")
    found: dict[str, dict[str, Any]] = {}
    for path, entry in sorted(files.items()):
        if not path.startswith(prefix):
            continue
        rest = path[len(prefix) :].split("/")
        for depth in range(1, len(rest) + 1):
            if depth > 1 and not recursive:
                break
            name = prefix + "/".join(rest[:depth])
            leaf = depth == len(rest)
            found[name] = {
                "id": _blob_id(base64.b64decode(entry["content"])) if leaf else _tree_id(name),
                "name": rest[depth - 1],
                "type": "blob" if leaf else "tree",
                "path": name,
                "mode": entry["mode"] if leaf else "040000",
            }
    return list(found.values())
