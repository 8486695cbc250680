"""Making snapshots, and looking after the repository."""

from __future__ import annotations

import json
import os
import subprocess
import time
from collections.abc import Iterable
from typing import Any

import manifest
import state
from dropins import Job, Refused, all_excludes, read_all
from repository import Repository
from settings import BackupError, alone, now, say, settings


def back_up(only: tuple[str, ...]) -> int:
    """Run all jobs, or those named; how many failed. One that fails keeps no other from running."""
    with alone():
        jobs, refused = read_all(only)
        todo: list[Any] = [*jobs, *refused]
        known = state.load()
        if not only:
            # A job that has left the host leaves the metrics; its snapshots stay.
            known["jobs"] = {
                name: of for name, of in known["jobs"].items() if name in {job.name for job in todo}
            }
        if not todo:
            state.save(known)
            say("There are no jobs.")
            return 0
        unusable = ""
        try:
            Repository().ensure()
        except BackupError as failure:
            unusable = str(failure)
        failed = 0
        for job in sorted(todo, key=lambda each: str(each.name)):
            started = time.time()
            earlier = known["jobs"].get(job.name, {})
            try:
                if isinstance(job, Refused):
                    raise BackupError(job.reason)
                if unusable:
                    raise BackupError(unusable)
                facts = _run(job)
            except BackupError as failure:
                failed += 1
                known["jobs"][job.name] = state.ended(earlier, started, str(failure))
                say(f"FAILED {job.name}: {failure}")
            else:
                known["jobs"][job.name] = state.ended(earlier, started, **facts)
                failed += known["jobs"][job.name]["failed"]
                say(_line(job.name, known["jobs"][job.name]))
            state.save(known)
        return failed


def _run(job: Job) -> dict[str, Any]:
    try:
        for command in job.pre_commands:
            _command(job, "pre-command", command)
        facts = _snapshot(job)
    finally:
        failures = []
        for command in job.post_commands:
            try:
                _command(job, "post-command", command)
            except BackupError as failure:
                failures.append(str(failure))
    # A failure of the job itself says more, and is on its way already.
    facts["message"] = "; ".join(filter(None, (facts["message"], *failures)))
    return facts


def _snapshot(job: Job) -> dict[str, Any]:
    missing = [path for path in job.paths if not os.path.lexists(path)]
    if missing:
        raise BackupError(f"there is no {', '.join(missing)}")
    repository = Repository()
    excludes = all_excludes(job)
    header = {
        "job": job.name,
        "host": repository.host,
        "paths": job.paths,
        "created": now(),
        "created_ns": time.time_ns(),
    }
    walker = manifest.record(job, excludes, header)
    path = manifest.path_of(job.name)
    arguments = ["--host", repository.host, "--tag", f"job:{job.name}"]
    for tag in job.tags:
        arguments += ["--tag", tag]
    for exclude in excludes:
        arguments += ["--exclude", exclude]
    if job.one_file_system:
        arguments.append("--one-file-system")
    if settings()["upload_limit"]:
        arguments += ["--limit-upload", str(settings()["upload_limit"])]
    done = repository.run("backup", "--json", *arguments, path, *job.paths, ok=(0, 3))
    summary: dict[str, Any] = {}
    for line in done.stdout.splitlines():
        if '"summary"' in line:
            summary = json.loads(line)
    if "snapshot_id" not in summary:
        raise BackupError("restic gave no snapshot")
    unread = sorted({*walker.unreadable, *_unread(done.stderr)})
    return {
        "snapshot": summary["snapshot_id"][:8],
        "bytes": summary["total_bytes_processed"],
        "files": summary["total_files_processed"],
        "added": summary.get("data_added_packed", summary["data_added"]),
        # For a drill: what was in motion can't be held against the manifest.
        "moved": manifest.moved_since(path)[:10000],
        "message": f"the snapshot lacks {len(unread)} paths: {'; '.join(unread[:5])}" if unread else "",
    }


def _unread(said: str) -> Iterable[str]:
    """What restic could not read. What has gone away meanwhile was not to be had."""
    for line in said.splitlines():
        try:
            found = json.loads(line)
        except ValueError:
            continue
        item = found.get("item", "") if isinstance(found, dict) else ""
        if item and os.path.lexists(item):
            yield str(item)


def _command(job: Job, kind: str, command: tuple[str, ...]) -> None:
    try:
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            check=False,
            env={**os.environ, "GROUNDWORK_BACKUP_JOB": job.name},
        )
    except OSError as error:
        raise BackupError(f"the {kind} {command[0]} can't be started: {error.strerror}") from error
    if done.returncode != 0:
        raise BackupError(f"the {kind} {command[0]} failed with exit status {done.returncode}")


def _line(name: str, of: dict[str, Any]) -> str:
    head = f"FAILED {name}: {of['message']}; " if of["failed"] else f"ok {name}: "
    return f"{head}snapshot {of['snapshot']}, {of['files']} files, {of['bytes']} bytes, {of['added']} added"


def forget() -> int:
    """Remove what retention does not keep, unless a check has found an error."""
    with alone():
        known = state.load()
        started = time.time()
        message = ""
        try:
            if known["check"].get("failed"):
                raise BackupError(f"the last check failed, nothing is removed: {known['check']['message']}")
            repository = Repository()
            repository.open()
            keep = [
                word
                for period, count in settings()["keep"].items()
                if count
                for word in (f"--keep-{period}", str(count))
            ]
            jobs, _refused = read_all()
            for job in jobs:
                before = len(repository.snapshots(job.name))
                if before:
                    chosen = ["--host", repository.host, "--tag", f"job:{job.name}", "--group-by", "host"]
                    repository.run("forget", *chosen, *keep)
                    say(f"{job.name}: {before} snapshots, {len(repository.snapshots(job.name))} kept")
            repository.run("prune")
        except BackupError as failure:
            message = str(failure)
            say(f"FAILED: {message}")
        known["forget"] = state.ended(known["forget"], started, message)
        state.save(known)
        return int(known["forget"]["failed"])


def check(whole: bool) -> int:
    """Check the repository's structure and the next part of its data, or all data."""
    with alone():
        known = state.load()
        started = time.time()
        message = ""
        parts = int(settings()["check_parts"])
        part = min(int(known["check"].get("part", 1)), parts)
        facts: dict[str, Any] = {"part": part}
        try:
            repository = Repository()
            repository.check("100%" if whole or parts == 1 else f"{part}/{parts}")
            # The part in which an error was found stays next until it is whole.
            facts["part"] = part % parts + 1
            what = "all data" if whole else f"part {part} of {parts}"
            done = repository.run("stats", "--mode", "raw-data", "--json")
            facts["bytes"] = json.loads(done.stdout)["total_size"]
            say(f"No error found in {what}, {facts['bytes']} bytes in all")
        except BackupError as failure:
            message = str(failure)
            say(f"FAILED: {message}")
        known["check"] = state.ended(known["check"], started, message, **facts)
        state.save(known)
        return int(known["check"]["failed"])
