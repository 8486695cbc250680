"""What the writer says about itself: metrics for Prometheus."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

_PREFIX = "groundwork_ipban_denylist_"


@dataclass
class Written:
    """One object that carries the list, as it is by now."""

    entries: int | None = None
    bytes: int | None = None
    limit_entries: int = 0
    limit_bytes: int = 0
    left_out: int | None = None
    generation: int | None = None
    last_success: float | None = None
    breaker_open: bool = False
    error: str = ""
    writes: int = 0
    failures: int = 0


@dataclass
class Report:
    store_up: bool = False
    banned: int | None = None
    targets: dict[str, Written] = field(default_factory=dict)


_GAUGES = (
    ("entries", "Networks in the deny list, aggregated."),
    ("bytes", "Bytes of the deny list."),
    ("limit_entries", "Networks that the deny list may have."),
    ("limit_bytes", "Bytes that the deny list may have."),
    ("left_out", "Bans that the deny list has no room for; the newest are in it."),
    ("generation", "The database's generation that the deny list has."),
    ("breaker_open", "Whether an unusual change waits for consent."),
)


def metrics(report: Report) -> str:
    """The text format of Prometheus."""
    lines: list[str] = []

    def metric(name: str, kind: str, says: str, samples: Iterable[tuple[str, float | None]]) -> None:
        known = [(labels, value) for labels, value in samples if value is not None]
        if known:
            lines.extend((f"# HELP {_PREFIX}{name} {says}", f"# TYPE {_PREFIX}{name} {kind}"))
            lines.extend(f"{_PREFIX}{name}{labels} {_number(value)}" for labels, value in known)

    def of_targets(name: str, attribute: str, kind: str, says: str) -> None:
        metric(
            name,
            kind,
            says,
            [
                (f'{{target="{label}"}}', getattr(one, attribute))
                for label, one in sorted(report.targets.items())
            ],
        )

    metric("store_up", "gauge", "Whether the database answers.", [("", report.store_up)])
    metric("banned", "gauge", "Bans in the database, at most.", [("", report.banned)])
    for name, says in _GAUGES:
        of_targets(name, name, "gauge", says)
    says = "When the deny list was last known to be up to date."
    of_targets("last_success_timestamp_seconds", "last_success", "gauge", says)
    of_targets("writes_total", "writes", "counter", "Times that the deny list was written.")
    of_targets("failures_total", "failures", "counter", "Times that it could not be brought up to date.")
    return "\n".join(lines) + "\n"


def _number(value: float) -> str:
    return f"{value:.3f}".rstrip("0").rstrip(".") if isinstance(value, float) else str(int(value))
