# Copyright (c) 2026 Groundwork contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the engine of the addon catalog talks about: entries, and the errors that refuse them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Dict, Iterable, List, Mapping, Optional, Tuple

Json = Dict[str, Any]


class AddonError(Exception):
    """Something is refused before anything changes; ``reasons`` has a line for each thing that is wrong."""

    def __init__(self, reasons: Iterable[str]) -> None:
        self.reasons: List[str] = list(reasons)
        super().__init__("\n".join(self.reasons))


@dataclass(frozen=True)
class Chart:
    """A Helm chart. Either repository (``https://``, or the whole ``oci://`` reference) or path is set.

    path: folder of a chart that the collection ships, absolute.
    """

    name: str
    version: str
    repository: str = ""
    path: str = ""


@dataclass(frozen=True)
class Manifests:
    """One YAML file that upstream publishes in place of a chart."""

    version: str
    url: str


@dataclass(frozen=True)
class Namespace:
    """The namespace of a release, and the Pod Security Standard that it enforces."""

    name: str
    pod_security: str


@dataclass(frozen=True)
class Crds:
    """Where custom resource definitions come from: ``chart``, ``files``, ``manifests`` or ``none``.

    groups: those that count, where the source has other addons' too; empty for all.
    """

    source: str = "none"
    keep: bool = True
    values: Mapping[str, Any] = field(default_factory=dict)
    files: Tuple[str, ...] = ()
    groups: Tuple[str, ...] = ()


@dataclass(frozen=True)
class Probe:
    """Something in the cluster that has to answer.

    kind: ``webhook``, ``apiservice``, ``deployment``, ``statefulset``, ``daemonset``, ``job``, ``condition``.
    The last four fields are for ``condition`` only.
    """

    kind: str
    name: str
    namespace: str = ""
    api_version: str = ""
    object_kind: str = ""
    condition: str = ""
    status: str = "True"

    def title(self) -> str:
        """``deployment traefik/traefik``, ``ClusterIssuer internal is Ready``: for lines and errors."""
        where = f"{self.namespace}/{self.name}" if self.namespace else self.name
        if self.kind != "condition":
            return f"{self.kind} {where}"
        return f"{self.object_kind} {where}, {self.condition}={self.status}"


@dataclass(frozen=True)
class NeededSecret:
    """A Secret that somebody else makes, in the addon's namespace."""

    name: str
    keys: Tuple[str, ...]
    description: str
    optional: bool = False


@dataclass(frozen=True)
class Entry:
    """One entry of the catalog, as its addon.yml says. timeout is in seconds, folder absolute."""

    id: str
    folder: str
    category: str
    description: str
    kubernetes: str = ""
    chart: Optional[Chart] = None
    manifests: Optional[Manifests] = None
    release: str = ""
    namespace: Optional[Namespace] = None
    needs: Tuple[str, ...] = ()
    provides: Tuple[str, ...] = ()
    conflicts: Tuple[str, ...] = ()
    crds: Crds = Crds()
    waits: Tuple[Probe, ...] = ()
    health: Tuple[Probe, ...] = ()
    secrets: Tuple[NeededSecret, ...] = ()
    free_form: Tuple[str, ...] = ()
    required_values: Tuple[str, ...] = ()
    timeout: int = 300
    maintained: bool = True
    retired: bool = False
    successors: Tuple[str, ...] = ()
    note: str = ""
    default_ingress_class: str = ""

    def version(self) -> str:
        """Of the chart or the manifests; empty for an entry that is nothing but objects."""
        if self.chart is not None:
            return self.chart.version
        return self.manifests.version if self.manifests is not None else ""

    def source(self) -> str:
        """Where upstream has it; empty where the collection ships it."""
        if self.chart is not None:
            return self.chart.repository
        return self.manifests.url if self.manifests is not None else ""

    def offers(self) -> Tuple[str, ...]:
        """Everything that satisfies a need: its own name, and its capabilities."""
        return (self.id, *self.provides)

    def fate(self) -> str:
        """What has come to one that is retired or not maintained, and what takes its place."""
        return f"{self.note}; its successors: {', '.join(self.successors)}"
