"""Run a program; a failure says which one, with what exit code, and what it printed."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence


class CommandError(Exception):
    """A program that had to succeed did not."""


def run(
    *command: str, stdin: str | None = None, check: bool = True, timeout: float = 900
) -> subprocess.CompletedProcess[str]:
    """The finished process, its output as text; :exc:`CommandError` when it failed and ``check`` is set."""
    try:
        done = subprocess.run(
            command, input=stdin, capture_output=True, text=True, check=False, timeout=timeout
        )
    except FileNotFoundError as error:
        raise CommandError(
            f"{command[0]} is not installed: ./run installs what it needs as root on Debian"
        ) from error
    except subprocess.TimeoutExpired as error:
        raise CommandError(f"{' '.join(command)}: no end after {timeout:.0f} s") from error
    if check and done.returncode != 0:
        said = (done.stderr.strip() or done.stdout.strip()).splitlines()[-15:]
        raise CommandError(f"{' '.join(command)}: exit code {done.returncode}\n" + "\n".join(said))
    return done


def podman(*arguments: str, check: bool = True, stdin: str | None = None) -> subprocess.CompletedProcess[str]:
    """Run podman with runc: crun refuses machines whose cgroups are hybrid."""
    command: Sequence[str] = ("podman", "--runtime", "runc", *arguments)
    return run(*command, check=check, stdin=stdin)
