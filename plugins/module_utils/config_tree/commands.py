# Copyright (c) 2026 Groundwork contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Commands that a role names: when one is due, how it is run, what of its output may be shown."""

from __future__ import annotations

import fnmatch
import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from typing import Dict, List, Optional, Sequence, Set, Tuple

from .entries import FILE, Entry

SEARCH_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_SECONDS = 600
_SHORTEST_SECRET = 6
_OUTPUT_LINES = 40


@dataclass(frozen=True)
class Outcome:
    """How a command ended. output: stdout and stderr together."""

    command: Tuple[str, ...]
    code: int
    output: str

    def sentence(self) -> str:
        """``sshd -t failed with code 255: ...``, with the last lines of the output."""
        shown = "\n".join(self.output.splitlines()[-_OUTPUT_LINES:]) or "(no output)"
        return f"{' '.join(self.command)} failed with code {self.code}: {shown}"


def matches(path: str, patterns: Sequence[str]) -> bool:
    """Whether an absolute path starts with, or as a glob matches, one of the patterns (relative to ``/``)."""
    relative = path.lstrip("/")
    plain = [pattern.lstrip("/") for pattern in patterns]
    return any(relative.startswith(pattern) or fnmatch.fnmatchcase(relative, pattern) for pattern in plain)


def due(changed: Sequence[str], patterns: Optional[Sequence[str]]) -> bool:
    """Whether one of the changed paths concerns an item with these patterns; without patterns any does."""
    return any(patterns is None or matches(path, patterns) for path in changed)


def environment() -> Dict[str, str]:
    """The environment of every command: English, and with the system administrator's search path."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith("LC_")}
    return {**kept, "LANG": "C.UTF-8", "LC_ALL": "C.UTF-8", "PATH": SEARCH_PATH}


def find(command: Sequence[str]) -> Optional[str]:
    """Where the program of a command is, ``None`` when the host does not have it."""
    return shutil.which(command[0], path=SEARCH_PATH)


def run(command: Sequence[str], seconds: int = _SECONDS) -> Outcome:
    """Run a command to its end; one that can't be started or takes too long has an outcome like any other."""
    try:
        done = subprocess.run(
            list(command),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=environment(),
            timeout=seconds,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return Outcome(tuple(command), 124, f"not done after {seconds} seconds")
    except OSError as error:
        return Outcome(tuple(command), 127, str(error))
    return Outcome(tuple(command), done.returncode, done.stdout.decode("utf-8", "replace").strip())


def secret_words(entries: Sequence[Entry]) -> List[str]:
    """What must not be shown of secret files: their lines, and the words in them; longest first."""
    words: Set[str] = set()
    for entry in entries:
        if entry.secret and entry.type == FILE:
            text = entry.content.decode("utf-8", "replace")
            words.update(line.strip() for line in text.splitlines())
            words.update(re.split(r"[\s=:\"',;]+", text))
            words.update(
                part for line in text.splitlines() for part in re.split(r"\s*[=:]\s*|\s+", line, maxsplit=1)
            )
    return sorted((word for word in words if len(word) >= _SHORTEST_SECRET), key=len, reverse=True)


def redact(text: str, words: Sequence[str]) -> str:
    """The text with every secret word replaced."""
    for word in words:
        text = text.replace(word, "(secret)")
    return text
