"""Restoring for practice: everything comes back, or a report says what does not."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import time
from typing import Any

import restore
import state
from dropins import Refused, read_all
from repository import Repository
from settings import REPORTS, BackupError, alone, now, say, settings, write


def drill(only: tuple[str, ...], subset: str, as_json: bool) -> int:
    """Restore the last snapshot of each job into a scratch place, compare, report, clean up."""
    with alone():
        started = time.time()
        report: dict[str, Any] = {
            "host": settings()["host"],
            "repository": settings()["url"],
            "started": now(),
            "jobs": [],
        }
        _clear()
        try:
            jobs, refused = read_all(only)
            if not jobs and not refused:
                raise BackupError("there are no jobs")
            repository = Repository()
            repository.check(subset)
            report["check"] = {"result": "passed", "data": subset or "structure only"}
            report["jobs"] += [_one(repository, job.name) for job in jobs]
            report["jobs"] += [_of_refused(job) for job in refused]
        except BackupError as failure:
            report["check"] = {"result": "failed", "message": str(failure)}
        finally:
            _clear()
        passed = report["check"]["result"] == "passed" and all(
            job["result"] == "passed" for job in report["jobs"]
        )
        report.update(finished=now(), result="passed" if passed else "failed")
        os.makedirs(REPORTS, mode=0o700, exist_ok=True)
        path = f"{REPORTS}/{time.strftime('%Y-%m-%dT%H%M%SZ', time.gmtime(started))}.json"
        report["report"] = path
        text = json.dumps(report, indent=2)
        write(path, text + "\n")
        known = state.load()
        message = "" if passed else f"see {path}"
        known["drill"] = state.ended(known["drill"], started, message)
        state.save(known)
    say(text if as_json else _summary(report))
    return int(not passed)


def _one(repository: Repository, job: str) -> dict[str, Any]:
    began = time.monotonic()
    found: dict[str, Any] = {"job": job}
    try:
        with restore.staged(repository, job, "latest", str(settings()["scratch"])) as back:
            found.update(
                snapshot=back.snapshot["short_id"],
                taken=back.snapshot["time"],
                paths=back.paths,
                compared=back.entries,
                bytes=back.size,
                differences=len(back.differences),
                first_differences=back.differences[:100],
                changed_while_backed_up=back.moved[:100],
                result="failed" if back.differences else "passed",
            )
    except BackupError as failure:
        found.update(result="failed", message=str(failure))
    found["seconds"] = round(time.monotonic() - began, 3)
    return found


def _of_refused(job: Refused) -> dict[str, Any]:
    return {"job": job.name, "result": "failed", "message": job.reason, "seconds": 0}


def _clear() -> None:
    """Also what a drill that was killed has left. The lock is held: nobody else is at it."""
    folder = str(settings()["scratch"])
    with contextlib.suppress(FileNotFoundError):
        for name in os.listdir(folder):
            if name.startswith(".groundwork-restore-"):
                shutil.rmtree(f"{folder}/{name}")
        with contextlib.suppress(OSError):
            os.rmdir(folder)


def _summary(report: dict[str, Any]) -> str:
    lines = [f"The drill {report['result']}; the report is {report['report']}"]
    if report["check"]["result"] == "failed":
        lines.append(f"Nothing was restored: {report['check']['message']}")
    for job in report["jobs"]:
        said = (
            job.get("message")
            or f"{job['compared']} paths compared, {job['differences']} differ, {job['bytes']} bytes"
        )
        lines.append(f"{job['result']} {job['job']}: {said}")
        lines += [f"  {restore.describe(one)}" for one in job.get("first_differences", [])[:10]]
    return "\n".join(lines)
