"""What the last runs came to: kept for the operator, and written as metrics."""

from __future__ import annotations

import json
import os
import time
from typing import Any

from settings import STATE, BackupError, settings, write

PATH = f"{STATE}/state.json"

# Each: name behind groundwork_backup_, key in the job's state, what it says.
OF_JOBS = (
    ("last_run_timestamp_seconds", "finished", "When the job ended the last time."),
    ("last_success_timestamp_seconds", "succeeded", "When the job succeeded the last time."),
    ("last_duration_seconds", "seconds", "How long the last run took."),
    ("last_failed", "failed", "Whether the last run failed."),
    ("last_size_bytes", "bytes", "How much data the last snapshot holds."),
    ("last_added_bytes", "added", "How much data the last snapshot added to the repository."),
    ("last_files", "files", "How many files the last snapshot holds."),
)
OF_ALL = (
    (
        "check_last_run_timestamp_seconds",
        "check",
        "finished",
        "When the repository was checked the last time.",
    ),
    (
        "check_last_success_timestamp_seconds",
        "check",
        "succeeded",
        "When a check found no error the last time.",
    ),
    ("check_failed", "check", "failed", "Whether the last check found an error, or could not be made."),
    ("repository_size_bytes", "check", "bytes", "How much the repository holds, at the last check."),
    (
        "forget_last_run_timestamp_seconds",
        "forget",
        "finished",
        "When old snapshots were removed the last time.",
    ),
    ("forget_last_success_timestamp_seconds", "forget", "succeeded", "When that succeeded the last time."),
    ("forget_failed", "forget", "failed", "Whether removing old snapshots failed the last time."),
    ("drill_last_run_timestamp_seconds", "drill", "finished", "When a restore was drilled the last time."),
    (
        "drill_last_success_timestamp_seconds",
        "drill",
        "succeeded",
        "When a drill gave back everything the last time.",
    ),
    ("drill_failed", "drill", "failed", "Whether the last drill failed."),
)


def load() -> dict[str, Any]:
    try:
        with open(PATH, encoding="utf-8") as file:
            found = json.load(file)
    except FileNotFoundError:
        found = {}
    except (OSError, ValueError) as error:
        raise BackupError(f"{PATH} can't be read: {error}") from error
    return {"jobs": {}, "check": {}, "forget": {}, "drill": {}, **found}


def save(state: dict[str, Any]) -> None:
    write(PATH, json.dumps(state, indent=2, sort_keys=True) + "\n")
    folder = str(settings()["textfile"])
    if os.path.isdir(folder):
        write(f"{folder}/groundwork_backup.prom", _metrics(state), 0o644)


def ended(earlier: dict[str, Any], started: float, message: str = "", **facts: Any) -> dict[str, Any]:
    """The state of something that has ended now; ``message`` says why it failed, if it did."""
    finished = time.time()
    kept: dict[str, Any] = {
        key: earlier[key]
        for key in ("succeeded", "bytes", "files", "added", "snapshot", "part")
        if key in earlier
    }
    state: dict[str, Any] = {
        **kept,
        "finished": int(finished),
        "seconds": round(finished - started, 3),
        "failed": int(bool(message)),
    }
    if message:
        state["message"] = message
    else:
        state["succeeded"] = int(finished)
    return {**state, **facts}


def _metrics(state: dict[str, Any]) -> str:
    lines: list[str] = []

    def metric(name: str, says: str, samples: list[tuple[str, Any]]) -> None:
        if samples:
            full = f"groundwork_backup_{name}"
            lines.extend((f"# HELP {full} {says}", f"# TYPE {full} gauge"))
            lines.extend(f"{full}{labels} {value}" for labels, value in samples)

    for name, key, says in OF_JOBS:
        metric(
            name,
            says,
            [(f'{{job="{job}"}}', of[key]) for job, of in sorted(state["jobs"].items()) if key in of],
        )
    for name, what, key, says in OF_ALL:
        metric(name, says, [("", state[what][key])] if key in state[what] else [])
    return "\n".join(lines) + "\n"
