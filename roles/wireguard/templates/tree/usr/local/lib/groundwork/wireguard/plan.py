"""Differences, as the collection's modules tell them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

CREATE = "create"
UPDATE = "update"
DELETE = "delete"


@dataclass(frozen=True)
class Change:
    """One difference between what is and what should be. Its values are public, never a secret."""

    kind: str
    key: str
    before: Any = None
    after: Any = None

    def public(self) -> dict[str, Any]:
        return {"kind": self.kind, "key": self.key, "before": self.before, "after": self.after}


def compare(key: str, before: Any, after: Any) -> list[Change]:
    """The change from one value to another; ``None`` where there is nothing."""
    if before == after:
        return []
    kind = CREATE if before is None else DELETE if after is None else UPDATE
    return [Change(kind, key, before, after)]
