"""What a repository holds: branches, tags, commits and files. No git is behind it: a commit is a snapshot."""

from __future__ import annotations

import base64
import hashlib
from typing import Any

from lab.doubles.gitlab.api import bad_request, not_found
from lab.doubles.gitlab.state import Row, State, now

Files = dict[str, Row]


def key(project: Row) -> str:
    return f"project/{project['id']}"


def files_of(state: State, project: Row, ref: str) -> Files:
    """``{path: {"content": base64, "mode", "commit"}}`` at a branch, a tag or a commit."""
    commit = commit_of(state, project, ref)
    if commit is None:
        raise not_found("Tree" if ref else "Ref")
    files: Files = commit["files"]
    return files


def commit_of(state: State, project: Row, ref: str) -> Row | None:
    owner = key(project)
    for table in ("branches", "tags"):
        found = state.peek(f"{owner}/{table}").get(ref)
        if found is not None:
            return state.row(f"{owner}/commits", found["commit"])
    return state.row(f"{owner}/commits", ref)


def first_commit(state: State, project: Row, user: Row, branch: str) -> None:
    content = base64.b64encode(f"# {project['name']}\n".encode()).decode()
    readme = {"content": content, "mode": "100644"}
    commit(state, project, user, branch, "Initial commit", {"README.md": readme}, parent=None)


def commit(
    state: State,
    project: Row,
    user: Row,
    branch: str,
    message: str,
    files: dict[str, Row],
    parent: str | None,
) -> Row:
    """A commit on ``branch``, which it makes if need be; the first one protects what becomes the default."""
    owner = key(project)
    moment = now()
    number = state.next_id("commits")
    blob = repr((project["id"], parent, message, sorted(files.items()), number)).encode()
    sha = hashlib.sha1(blob, usedforsecurity=False).hexdigest()
    marked = {path: row if "commit" in row else {**row, "commit": sha} for path, row in files.items()}
    row: Row = {
        "id": sha,
        "parent_ids": [parent] if parent else [],
        "message": message,
        "author_name": user["name"],
        "author_email": user["email"],
        "created_at": moment,
        "files": marked,
        "number": number,
    }
    state.rows(f"{owner}/commits")[sha] = row
    branches = state.rows(f"{owner}/branches")
    first = not branches
    branches[branch] = {"name": branch, "commit": sha}
    if first:
        project["default_branch"] = branch
        _protect_default(state, project, branch)
    return row


def _protect_default(state: State, project: Row, branch: str) -> None:
    """As the group's ``default_branch_protection_defaults`` say."""
    from lab.doubles.gitlab.resources.protections import new_levels, note

    group = state.row("groups", project["namespace_id"])
    defaults = group["default_branch_protection_defaults"] if group else {}
    push = [each["access_level"] for each in defaults.get("allowed_to_push", [])]
    merge = [each["access_level"] for each in defaults.get("allowed_to_merge", [])]
    if not push and not merge:
        return
    state.insert(
        f"{key(project)}/protected_branches",
        {
            "name": branch,
            "push_access_levels": new_levels(state, push),
            "merge_access_levels": new_levels(state, merge),
            "unprotect_access_levels": [],
            "allow_force_push": bool(defaults.get("allow_force_push", False)),
            "code_owner_approval_required": False,
        },
    )
    note(state, key(project), "protected_branches")


def apply_actions(files: Files, actions: list[dict[str, Any]]) -> Files:
    """The files after ``create``, ``update``, ``delete``, ``move`` and ``chmod``, or an :exc:`ApiError`."""
    after = dict(files)
    for action in actions:
        verb, path = action.get("action"), str(action.get("file_path", ""))
        if not path or path.startswith("/") or ".." in path.split("/"):
            raise bad_request("Invalid path")
        if verb == "create" and path in after:
            raise bad_request("A file with this name already exists")
        if verb in ("update", "delete", "chmod") and path not in after:
            raise bad_request("A file with this name doesn't exist")
        if verb in ("create", "update"):
            mode = after[path]["mode"] if path in after else "100644"
            after[path] = {"content": encoded(action), "mode": mode}
        elif verb == "delete":
            del after[path]
        elif verb == "move":
            moved = after.pop(str(action.get("previous_path")), None)
            if moved is None:
                raise bad_request("A file with this name doesn't exist")
            after[path] = {**moved, "content": encoded(action)} if "content" in action else moved
            after[path].pop("commit", None)
        elif verb != "chmod":
            raise bad_request(f"Unknown action '{verb}'")
        if verb == "chmod" or "execute_filemode" in action:
            mode = "100755" if action.get("execute_filemode") else "100644"
            after[path] = {"content": after[path]["content"], "mode": mode}
    return after


def encoded(action: dict[str, Any]) -> str:
    content = action.get("content", "")
    if action.get("encoding") == "base64":
        return str(content)
    return base64.b64encode(str(content).encode()).decode()
