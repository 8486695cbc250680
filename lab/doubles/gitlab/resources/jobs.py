"""Jobs, as far as a runner sees them: it asks, is given one or none, and says how it went. Nothing runs."""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import Any

from lab.doubles.gitlab.api import DEVELOPER, Request, not_found, route
from lab.doubles.gitlab.resources.project_entity import identity
from lab.doubles.gitlab.resources.runners import by_token, serves
from lab.doubles.gitlab.resources.users import by_id
from lab.doubles.gitlab.state import Row, State, now

STATES = ("created", "pending", "running", "failed", "success", "canceled", "skipped", "manual")


def new_job(
    state: State, project: Row, ref: str, tags: list[str], user_id: int = 1, name: str = "job"
) -> Row:
    """A job that waits for a runner. For tests, since nothing here reads .gitlab-ci.yml."""
    row: Row = {
        "project_id": project["id"],
        "name": name,
        "stage": "test",
        "ref": ref,
        "tag_list": tags,
        "status": "pending",
        "runner_id": None,
        "user_id": user_id,
        "created_at": now(),
        "started_at": None,
        "finished_at": None,
    }
    state.dirty = True
    return state.insert("jobs", row)


def basic(request: Request, row: Row) -> dict[str, Any]:
    names = ("id", "status", "stage", "name", "ref", "created_at", "started_at", "finished_at")
    return {name: row[name] for name in names} | {
        "tag": False,
        "coverage": None,
        "allow_failure": False,
        "erased_at": None,
        "user": by_id(request, row["user_id"]),
    }


def basic_with_project(request: Request, row: Row) -> dict[str, Any]:
    project = request.state.row("projects", row["project_id"])
    return basic(request, row) | {"project": identity(request, project) if project else None}


def full(request: Request, row: Row) -> dict[str, Any]:
    return basic(request, row) | {"tag_list": row["tag_list"]}


def protected(state: State, project: Row, ref: str) -> bool:
    return any(
        fnmatchcase(ref, rule["name"])
        for table in ("protected_branches", "protected_tags")
        for rule in state.peek(f"project/{project['id']}/{table}").values()
    )


def _fits(request: Request, runner: Row, job: Row) -> bool:
    project = request.state.row("projects", job["project_id"])
    if project is None or job["status"] != "pending" or not serves(request, runner, project):
        return False
    if runner["access_level"] == "ref_protected" and not protected(request.state, project, job["ref"]):
        return False
    if not job["tag_list"]:
        return bool(runner["run_untagged"])
    return set(job["tag_list"]) <= set(runner["tag_list"])


@route(
    "POST",
    "/jobs/request",
    required=("token",),
    params=("system_id", "info", "last_update"),
    scopes=("anonymous",),
)
def ask(request: Request) -> dict[str, Any] | None:
    """The oldest job that this runner may take, or nothing."""
    runner = by_token(request)
    runner["contacted_at"] = now()
    job = next((row for row in request.state.peek("jobs").values() if _fits(request, runner, row)), None)
    if job is None or runner["paused"]:
        return None
    job |= {"status": "running", "runner_id": runner["id"], "started_at": now()}
    return {
        "id": job["id"],
        "token": f"glcbt-{job['id']}",
        "job_info": {"project_id": job["project_id"], "name": job["name"]},
    }


@route(
    "PUT",
    "/jobs/{id}",
    required=("token", "state"),
    enums={"state": ("running", "success", "failed")},
    scopes=("anonymous",),
)
def report(request: Request) -> bool:
    job = request.state.row("jobs", request.args["id"])
    if job is None or request.params["token"] != f"glcbt-{job['id']}":
        raise not_found()
    job["status"] = request.params["state"]
    if job["status"] != "running":
        job["finished_at"] = now()
    return True


@route("GET", "/projects/{id}/jobs", params=("scope",), level=DEVELOPER, entity=full, paged=True)
def jobs(request: Request) -> list[Row]:
    wanted = request.get("scope")
    scopes = wanted if isinstance(wanted, list) else [wanted] if wanted else STATES
    rows = request.state.peek("jobs").values()
    found = [row for row in rows if row["project_id"] == request.project["id"] and row["status"] in scopes]
    return sorted(found, key=lambda row: -int(row["id"]))
