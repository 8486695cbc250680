"""Structured log: one line of key=value an event, to standard error, from where the journal takes it."""

from __future__ import annotations

import json
import sys
from typing import Protocol

# What journald makes of a line's beginning (sd-daemon(3)).
_LEVELS = {"error": "<3>", "warning": "<4>", "notice": "<5>", "info": "<6>"}


class Log(Protocol):
    def __call__(self, level: str, event: str, **values: object) -> None:
        """``level`` is error, warning, notice or info; ``event`` is words joined by underscores."""


def to_stderr(level: str, event: str, **values: object) -> None:
    shown = " ".join(f"{key}={_shown(value)}" for key, value in values.items() if value is not None)
    print(f"{_LEVELS[level]}event={event} level={level} {shown}".rstrip(), file=sys.stderr, flush=True)


def _shown(value: object) -> str:
    if isinstance(value, float):
        return f"{value:.4g}" if abs(value) < 1000 else f"{value:.0f}"
    text = str(value)
    plain = text and all(letter.isalnum() or letter in "._-:/+,@" for letter in text)
    return text if plain else json.dumps(text, ensure_ascii=False)
