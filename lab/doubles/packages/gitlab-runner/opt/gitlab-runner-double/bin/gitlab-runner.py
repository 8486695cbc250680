#!/usr/bin/env python3
"""DOUBLE of gitlab-runner for tests: asks for jobs with each token of its config.toml, and runs none.

What it gets goes into the journal, with the runner that got it. Jobs stay running until a test ends them.
"""

from __future__ import annotations

import json
import signal
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import tomllib


def ask(runner: dict[str, Any]) -> dict[str, Any] | None:
    request = urllib.request.Request(  # noqa: S310  # because it is always HTTP
        f"{runner['url']}/api/v4/jobs/request",
        data=json.dumps({"token": runner["token"], "info": {"name": "double"}}).encode(),
        headers={"Content-Type": "application/json"},
    )
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:  # noqa: S310  # as above
            job: dict[str, Any] | None = json.loads(answer.read() or "null")
            return job
    except (OSError, urllib.error.HTTPError) as error:
        print(f"{runner['name']}: {error}", file=sys.stderr, flush=True)
        return None


def run(path: Path) -> None:
    signal.signal(signal.SIGQUIT, lambda *_: sys.exit(0))
    while True:
        document = tomllib.loads(path.read_text()) if path.exists() else {}
        for runner in document.get("runners", []):
            job = ask(runner)
            if job is not None:
                print(json.dumps({"runner": runner["name"], "job": job["id"]}), flush=True)
        time.sleep(0.5)


if __name__ == "__main__":
    if sys.argv[1:2] != ["run"]:
        sys.exit("the double can only run")
    run(Path(sys.argv[sys.argv.index("--config") + 1]))
