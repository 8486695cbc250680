# Copyright (c) 2026 Groundwork contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Routes of Alertmanager: each leads to a receiver that is there, wherever the configuration stands."""

from __future__ import annotations

from typing import Any, Iterator, Mapping, Optional, Set

# Charts bring one of this name, for as long as nobody says where alerts go.
_NOBODY = "null"


def routes(path: str, tree: Any) -> Iterator[str]:
    """A line for each route without a receiver, in values or an object at ``path``."""
    if isinstance(tree, list):
        for position, below in enumerate(tree):
            yield from routes(f"{path}[{position}]", below)
    if not isinstance(tree, Mapping):
        return
    if _configures(tree):
        yield from _configuration(path, tree)
        return
    for key, below in tree.items():
        yield from routes(f"{path}.{key}", below)


def _configures(tree: Mapping[str, Any]) -> bool:
    route = tree.get("route")
    return isinstance(route, Mapping) and ("receivers" in tree or "receiver" in route)


def _configuration(path: str, tree: Mapping[str, Any]) -> Iterator[str]:
    route, given = tree["route"], tree.get("receivers")
    receivers = given if isinstance(given, list) else []
    names = {str(receiver.get("name")) for receiver in receivers if isinstance(receiver, Mapping)}
    if given is None:
        names.add(_NOBODY)
    for name in sorted(name for name in names if [_name(one) for one in receivers].count(name) > 1):
        yield f"{path}.receivers has {name} twice"
    # A chart's own root has one; lists and maps of a site are laid over it.
    if "receiver" not in route and given is not None:
        yield f"{path}.route.receiver is missing: alerts that no other route takes need a receiver"
    yield from _route(f"{path}.route", route, names)


def _name(receiver: Any) -> Optional[str]:
    return str(receiver.get("name")) if isinstance(receiver, Mapping) else None


def _route(path: str, route: Any, names: Set[str]) -> Iterator[str]:
    if not isinstance(route, Mapping):
        return
    receiver = route.get("receiver")
    if "receiver" in route and str(receiver) not in names:
        known = ", ".join(sorted(names)) or "none"
        yield f"{path}.receiver is {receiver}: must be one of the receivers: {known}"
    for position, below in enumerate(route.get("routes") or ()):
        yield from _route(f"{path}.routes[{position}]", below, names)
