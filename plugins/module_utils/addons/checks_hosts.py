# Copyright (c) 2026 Groundwork contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Hostnames that addons ask DNS records for, in values and in objects, and the zones that there are."""

from __future__ import annotations

import re
from typing import Any, Dict, Iterator, Mapping, Sequence, Tuple

Found = Iterator[Tuple[str, str]]

_ANNOTATION = "external-dns.alpha.kubernetes.io/hostname"
# Records of an object are left to somebody else where this is there, and names another one.
_CONTROLLER = "external-dns.alpha.kubernetes.io/controller"
_OURS = "dns-controller"
_HOST_KEY = re.compile(r"^(hosts?|hostnames?)$")
_WAY_IN = re.compile(r"ingress|route$|gateway|listeners", re.IGNORECASE)
# A name of a zone; what has no dot, an address, or a template is none.
_NAME = re.compile(r"(\*\.)?([a-z0-9_]([-a-z0-9_]*[a-z0-9])?\.)+[a-z][-a-z0-9]*[a-z0-9]\.?", re.IGNORECASE)
_IN_CLUSTER = (".svc", ".cluster.local")
# Lists in objects of each kind, each as keys below which a name stands; a list on the way is gone through.
_KINDS: Dict[str, Tuple[Tuple[str, ...], ...]] = {
    "Ingress": (("spec", "rules", "host"), ("spec", "tls", "hosts")),
    "HTTPRoute": (("spec", "hostnames"),),
    "GRPCRoute": (("spec", "hostnames"),),
    "TLSRoute": (("spec", "hostnames"),),
    "Gateway": (("spec", "listeners", "hostname"),),
    "DNSEndpoint": (("spec", "endpoints", "dnsName"),),
}


def in_object(path: str, thing: Mapping[str, Any]) -> Found:
    """Places and hostnames of an object beside a chart."""
    annotations = thing["metadata"].get("annotations") or {}
    if _of_another(annotations):
        return
    yield from _annotated(f"{path}.metadata.annotations", annotations)
    for keys in _KINDS.get(str(thing.get("kind")), ()):
        yield from _along(path, thing, keys)


def in_values(path: str, tree: Any, on_way: bool = False) -> Found:
    """Places and hostnames in a chart's values: below what is called an ingress, a route or a gateway."""
    if isinstance(tree, list):
        for position, below in enumerate(tree):
            yield from in_values(f"{path}[{position}]", below, on_way)
    if not isinstance(tree, Mapping) or tree.get("enabled") is False:
        return
    annotations = tree.get("annotations")
    if isinstance(annotations, Mapping) and _of_another(annotations):
        return
    yield from _annotated(path, tree)
    for key, below in tree.items():
        here = on_way or bool(_WAY_IN.search(str(key)))
        if here and _HOST_KEY.match(str(key)):
            yield from _names(f"{path}.{key}", below)
        yield from in_values(f"{path}.{key}", below, here)


def within(host: str, zones: Sequence[str], excluded: Sequence[str]) -> bool:
    """Whether DNS will have the name: in a zone, or with a leading dot below it, and in none left out."""
    return any(_covers(zone, host) for zone in zones) and not any(_covers(zone, host) for zone in excluded)


def _covers(zone: str, host: str) -> bool:
    bare, name = zone.strip(".").lower(), host.strip(".").lower()
    name = name[2:] if name.startswith("*.") else name
    return name.endswith(f".{bare}") or (name == bare and not zone.startswith("."))


def _of_another(annotations: Mapping[str, Any]) -> bool:
    return bool(annotations.get(_CONTROLLER, _OURS) != _OURS)


def _annotated(path: str, annotations: Mapping[str, Any]) -> Found:
    value = annotations.get(_ANNOTATION)
    for name in value.split(",") if isinstance(value, str) else ():
        yield from _names(f"{path}[{_ANNOTATION}]", name.strip())


def _along(path: str, tree: Any, keys: Sequence[str]) -> Found:
    if isinstance(tree, list):
        for position, below in enumerate(tree):
            yield from _along(f"{path}[{position}]", below, keys)
    elif keys and isinstance(tree, Mapping):
        yield from _along(f"{path}.{keys[0]}", tree.get(keys[0]), keys[1:])
    elif not keys:
        yield from _names(path, tree)


def _names(path: str, value: Any) -> Found:
    if isinstance(value, list):
        for position, below in enumerate(value):
            if isinstance(below, str):
                yield from _names(f"{path}[{position}]", below)
    elif isinstance(value, str) and _NAME.fullmatch(value) and not value.rstrip(".").endswith(_IN_CLUSTER):
        yield path, value
