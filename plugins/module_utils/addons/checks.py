# Copyright (c) 2026 Groundwork contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is warned of, and what is refused, because addons do not fit together. No cluster is asked."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Dict, Iterable, Iterator, List, Mapping, Sequence, Tuple

from . import checks_alerts, checks_hosts, layers
from .model import Entry, Json
from .resolve import SELECTION

_DEFAULT_CLASS = "ingressclass.kubernetes.io/is-default-class"
# What an addon provides that writes records for hostnames, and its value with the zones that it may write to.
_DNS = "dns"
_ZONES = ("domainFilters", "excludeDomains")


@dataclass(frozen=True)
class Asked:
    """What is asked of one addon: its merged values, and all objects beside its chart."""

    entry: Entry
    values: Mapping[str, Any] = field(default_factory=dict)
    objects: Tuple[Json, ...] = ()


def warnings(entries: Iterable[Entry]) -> List[str]:
    """A line for each selected addon that upstream does not maintain any more."""
    return [
        f"{SELECTION} has {entry.id}, which is not maintained any more: {entry.fate()}"
        for entry in entries
        if not entry.maintained
    ]


def violations(selected: Sequence[Asked]) -> List[str]:
    """A line for everything that one addon asks for and another one, or none, can't give."""
    return [
        *_default_classes(selected),
        *_hostnames(selected),
        *(
            line
            for asked in selected
            for place, tree in _trees(asked)
            for line in checks_alerts.routes(place, tree)
        ),
        *(line for asked in selected for line in _literal_secrets(asked)),
    ]


def _trees(asked: Asked) -> Iterator[Tuple[str, Any]]:
    """The values, and each object, with what an error calls them."""
    yield f"k8s_addons_values.{asked.entry.id}", asked.values
    for thing in asked.objects:
        yield _named(asked, thing), thing


def _named(asked: Asked, thing: Json) -> str:
    return f"k8s_addons_resources.{asked.entry.id}.{thing['kind']}/{thing['metadata']['name']}"


def _default_classes(selected: Sequence[Asked]) -> Iterator[str]:
    """Of two default classes Kubernetes takes the one that was made last, whoever that is."""
    places: List[str] = []
    for asked in selected:
        path = asked.entry.default_ingress_class
        if path and layers.at(asked.values, path) is True:
            places.append(f"k8s_addons_values.{asked.entry.id}.{path}")
        for thing in asked.objects:
            annotations = thing["metadata"].get("annotations") or {}
            if thing["kind"] == "IngressClass" and str(annotations.get(_DEFAULT_CLASS)).lower() == "true":
                places.append(_named(asked, thing))
    if len(places) > 1:
        yield f"{' and '.join(places)} are true: only one class can be the default of all Ingress objects"


def _hostnames(selected: Sequence[Asked]) -> Iterator[str]:
    zones: Dict[str, List[str]] = {name: [] for name in _ZONES}
    writers = [asked for asked in selected if _DNS in asked.entry.offers()]
    for asked in writers:
        for name, known in zones.items():
            given = asked.values.get(name)
            known.extend(str(zone) for zone in (given if isinstance(given, list) else ()))
    if not zones[_ZONES[0]]:
        return
    where = " and ".join(f"k8s_addons_values.{asked.entry.id}.{_ZONES[0]}" for asked in writers)
    listed = ", ".join(zones[_ZONES[0]])
    for asked in selected:
        found = list(checks_hosts.in_values(f"k8s_addons_values.{asked.entry.id}", asked.values))
        for thing in asked.objects:
            found += checks_hosts.in_object(_named(asked, thing), thing)
        for place, host in found:
            if not checks_hosts.within(host, *zones.values()):
                yield f"{place} is {host}: must be in one of the zones of {where}, {listed}"


def _literal_secrets(asked: Asked) -> Iterator[str]:
    for thing in asked.objects:
        given = sorted({*(thing.get("data") or {}), *(thing.get("stringData") or {})})
        if thing["kind"] == "Secret" and given:
            yield (
                f"{_named(asked, thing)} has {', '.join(given)} as it is: must not be in plain text; use "
                f"k8s_addons_secrets.{asked.entry.id}, or an ExternalSecret"
            )
