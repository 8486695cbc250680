# Copyright (c) 2026 Groundwork contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""YAML in and out, by the parser of C where there is one: a catalog is read on every run.

Plain values mean what they mean to Kubernetes and Helm: ``2026-01-01``, ``22:22`` and ``=`` are texts.
"""

from __future__ import annotations

import re
from typing import Any, Dict, List

from .model import AddonError

try:
    import yaml

    class _Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]
        """Without what only YAML 1.1 knows, and Go's parser does not."""

    _LOADER = _Loader
    _FOREIGN = frozenset(f"tag:yaml.org,2002:{kind}" for kind in ("int", "float", "timestamp", "value"))
    _LOADER.yaml_implicit_resolvers = {
        first: [(tag, pattern) for tag, pattern in resolvers if tag not in _FOREIGN]
        for first, resolvers in _LOADER.yaml_implicit_resolvers.items()
    }
    _LOADER.add_implicit_resolver(
        "tag:yaml.org,2002:int",
        re.compile(r"[-+]?(0b[01_]+|0x[0-9a-fA-F_]+|0[0-7_]*|[1-9][0-9_]*)$"),
        list("-+0123456789"),
    )
    _LOADER.add_implicit_resolver(
        "tag:yaml.org,2002:float",
        re.compile(
            r"([-+]?([0-9][0-9_]*)(\.[0-9_]*)?([eE][-+]?[0-9]+)?|[-+]?\.[0-9_]+([eE][-+]?[0-9]+)?"
            r"|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN))$"
        ),
        list("-+0123456789."),
    )
    _DUMPER = getattr(yaml, "CSafeDumper", yaml.SafeDumper)
except ImportError:  # ansible-core brings it wherever this runs; only tests of imports do without
    pass


def load(text: Any, name: str) -> Any:
    """The one document of a text; ``name`` says in the error which file it is."""
    try:
        return yaml.load(text, Loader=_LOADER)  # noqa: S506  # a subclass of SafeLoader
    except yaml.YAMLError as error:
        raise AddonError([f"{name} is no YAML: {' '.join(str(error).split())}"]) from error


def load_all(text: Any, name: str) -> List[Dict[str, Any]]:
    """All documents that hold something; lists of kind List are taken apart."""
    found: List[Dict[str, Any]] = []
    try:
        for document in yaml.load_all(text, Loader=_LOADER):
            if not document:
                continue
            if not isinstance(document, dict):
                raise AddonError([f"{name} must hold objects, it has {str(document)[:40]!r}"])
            found.extend(document["items"] if document.get("kind") == "List" else [document])
    except yaml.YAMLError as error:
        raise AddonError([f"{name} is no YAML: {' '.join(str(error).split())}"]) from error
    return found


def dump(value: Any, in_order: bool = True) -> str:
    """YAML for people and for comparing; keys in order, or as they come."""
    text: str = yaml.dump(
        value, Dumper=_DUMPER, sort_keys=in_order, default_flow_style=False, allow_unicode=True
    )
    return text
