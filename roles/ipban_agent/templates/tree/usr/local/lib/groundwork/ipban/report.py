"""What the agent says about itself: status.json for people and the CLI, metrics for Prometheus."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

from ipban.backends import Counter

_PREFIX = "groundwork_ipban_"


@dataclass
class Status:
    """All of it as plain values; times of the wall clock are for people and metrics only."""

    pid: int = field(default_factory=os.getpid)
    backend: str = ""
    lists: list[str] = field(default_factory=list)
    generation: int | None = None
    stamp: str | None = None
    head: int | None = None
    store_up: bool = False
    breaker_open: str = ""
    error: str = ""
    paused: bool = False
    database: dict[str, int] = field(default_factory=dict)
    kernel: dict[str, int] = field(default_factory=dict)
    dropped: dict[str, dict[str, int]] = field(default_factory=dict)
    guard_hits: int = 0
    withheld: int = 0
    repairs: int = 0
    mismatches: int = 0
    syncs: dict[str, int] = field(default_factory=dict)
    sync_seconds: dict[str, float] = field(default_factory=dict)
    last_sync: float | None = None
    state_saved: float | None = None
    state_error: str = ""
    request: str = ""

    def synced(self, kind: str, result: str, seconds: float | None = None) -> None:
        key = f"{kind}/{result}"
        self.syncs[key] = self.syncs.get(key, 0) + 1
        if seconds is not None:
            self.sync_seconds[kind] = round(seconds, 6)

    def drops(self, counters: Mapping[int, Counter]) -> None:
        self.dropped = {
            str(family): {"packets": counter.packets, "bytes": counter.bytes}
            for family, counter in counters.items()
        }

    def to_json(self) -> str:
        return json.dumps(asdict(self), indent=1, sort_keys=True) + "\n"


def metrics(status: Status) -> str:
    """The text format of Prometheus."""
    lines: list[str] = []

    def metric(name: str, kind: str, says: str, samples: Iterable[tuple[str, float | None]]) -> None:
        known = [(labels, value) for labels, value in samples if value is not None]
        if known:
            lines.extend((f"# HELP {_PREFIX}{name} {says}", f"# TYPE {_PREFIX}{name} {kind}"))
            lines.extend(f"{_PREFIX}{name}{labels} {_number(value)}" for labels, value in known)

    def gauge(name: str, says: str, value: float | None) -> None:
        metric(name, "gauge", says, [("", value)])

    lag = None
    if status.head is not None:
        lag = max(0, status.head - (status.generation or 0))
    gauge("generation", "The database's generation that the kernel has.", status.generation)
    gauge("generation_lag", "Generations that the kernel lacks, as of the last contact.", lag)
    metric(
        "entries",
        "gauge",
        "Banned hosts and networks; networks in the kernel are aggregated.",
        [
            (f'{{family="{name[-1]}",kind="{name[:-2]}",place="{place}"}}', count)
            for place, counts in (("database", status.database), ("kernel", status.kernel))
            for name, count in sorted(counts.items())
            if name[:-1] in ("hosts", "networks")
        ],
    )
    metric(
        "sync_seconds",
        "gauge",
        "How long the last synchronisation took.",
        [(f'{{kind="{kind}"}}', seconds) for kind, seconds in sorted(status.sync_seconds.items())],
    )
    metric(
        "syncs_total",
        "counter",
        "Synchronisations since the agent's start.",
        [
            ('{{kind="{}",result="{}"}}'.format(*key.split("/")), count)
            for key, count in sorted(status.syncs.items())
        ],
    )
    metric("guard_hits_total", "counter", "Bans of protected hosts, kept out.", [("", status.guard_hits)])
    gauge("withheld_entries", "Banned hosts that are kept out at present.", status.withheld)
    for name, says in (("packets", "Packets dropped or rejected."), ("bytes", "Bytes of those packets.")):
        metric(
            f"dropped_{name}_total",
            "counter",
            says,
            [(f'{{family="{family}"}}', values[name]) for family, values in sorted(status.dropped.items())],
        )
    gauge("breaker_open", "Whether an unusual change waits for consent.", bool(status.breaker_open))
    gauge("paused", "Whether packets are let through on this host.", status.paused)
    gauge("store_up", "Whether the database answers.", status.store_up)
    gauge("last_sync_timestamp_seconds", "When the kernel was last known to be up to date.", status.last_sync)
    metric(
        "kernel_repairs_total",
        "counter",
        "Repairs of sets or rules that somebody else had changed.",
        [("", status.repairs)],
    )
    metric(
        "count_mismatches_total",
        "counter",
        "Times that the kernel had another number of entries than it should.",
        [("", status.mismatches)],
    )
    gauge("state_saved_timestamp_seconds", "When the state file was last written.", status.state_saved)
    gauge("state_failed", "Whether the state file could not be written.", bool(status.state_error))
    return "\n".join(lines) + "\n"


def _number(value: float) -> str:
    return f"{value:.6f}".rstrip("0").rstrip(".") if isinstance(value, float) else str(int(value))


def write(path: Path, text: str, mode: int = 0o644) -> None:
    """Aside, then renamed: a reader sees the old text or the new one. Not synced: it is made anew at boot."""
    # Readers of metrics take what ends in .prom only.
    aside = path.with_name(f"{path.name}.{os.getpid()}.new")
    try:
        descriptor = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, mode)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
        aside.rename(path)
    except OSError:
        aside.unlink(missing_ok=True)
        raise
