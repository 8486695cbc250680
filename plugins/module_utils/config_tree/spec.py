# Copyright (c) 2026 Groundwork contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The spec beside a tree (``templates/tree.yml``): who owns what, which mode, which files are secret.

Pure logic of the controller: it reads no files and knows no template engine. The
caller lists the tree, gives a function that renders a value of the spec, and gets
one :class:`Source` for each path that is to be on the host.
"""

from __future__ import annotations

import posixpath
import re
from dataclasses import dataclass, field
from typing import Any, Callable, Dict, Iterator, List, Mapping, Optional, Sequence, Set, Tuple

from .entries import DIRECTORY, FILE, LINK, TreeError

TEMPLATE_SUFFIX = ".j2"
_SPEC_KEYS = ("defaults", "paths")
_DEFAULT_KEYS = ("owner", "group", "mode", "directory_mode")
_RULE_KEYS = ("owner", "group", "mode", "secret", "when", "type", "target", "each", "path")
_BELOW_KEYS = ("owner", "group", "mode", "directory_mode", "secret", "when")
_MODE = re.compile(r"0?[0-7]{3}|[0-7]{4}")

Render = Callable[[Any, Mapping[str, Any]], Any]


@dataclass(frozen=True)
class Shipped:
    """A file or link found in the tree's folder: ``path`` relative to it, as it is named there.

    Directories do not count: git does not keep empty ones, so they are named in the spec.
    """

    path: str
    type: str
    target: str = ""


@dataclass(frozen=True)
class Source:
    """One path that is to be on the host, before its content is read.

    path: absolute on the host. file: relative to the tree, with its ``.j2`` if it has one; ``None``
    for links and directories. item: the element of ``each`` that it belongs to.
    """

    path: str
    type: str
    owner: str
    group: str
    mode: Optional[int]
    secret: bool = False
    target: str = ""
    file: Optional[str] = None
    variables: Mapping[str, Any] = field(default_factory=dict, repr=False)


@dataclass(frozen=True)
class Spec:
    """A spec whose shape was checked; values are still unrendered."""

    defaults: Mapping[str, Any]
    rules: Mapping[str, Mapping[str, Any]]

    def below(self, path: str) -> Iterator[Tuple[str, Mapping[str, Any]]]:
        """The rules of the directories above ``path``, outermost first."""
        prefixes = [key for key in self.rules if key.endswith("/") and path.startswith(key)]
        for key in sorted(prefixes, key=len):
            if not _own_entry(self.rules[key]):
                yield key, self.rules[key]


def parse(data: Any, name: str) -> Spec:
    """The spec read from YAML; ``name`` is what errors call it. Raises :exc:`TreeError`."""
    document = _mapping({} if data is None else data, name, _SPEC_KEYS)
    defaults = _mapping(document.get("defaults") or {}, f"{name}: defaults", _DEFAULT_KEYS)
    rules: Dict[str, Mapping[str, Any]] = {}
    for key, value in _mapping(document.get("paths") or {}, f"{name}: paths").items():
        where = f"{name}: paths: {key}"
        destination(str(key).rstrip("/"), where)
        rule = _mapping({} if value is None else value, where)
        if str(key).endswith("/") and not _own_entry(rule):
            _mapping(rule, f"{where} (everything below)", _BELOW_KEYS)
        else:
            _mapping(rule, where, _RULE_KEYS)
        if ("target" in rule) != (rule.get("type") == LINK):
            raise TreeError(f"{where}: target belongs to type link, and type link needs it")
        if rule.get("type", FILE) not in (FILE, LINK, DIRECTORY):
            raise TreeError(f"{where}: type is {rule['type']}: must be {FILE}, {LINK} or {DIRECTORY}")
        if "each" in rule and "path" not in rule:
            raise TreeError(f"{where}: each needs path, the destination of one item")
        rules[str(key)] = rule
    return Spec(defaults, rules)


def resolve(spec: Spec, shipped: Sequence[Shipped], name: str, render: Render) -> List[Source]:
    """Every path that is to be on the host, sorted.

    ``render(value, variables)`` renders a value of the spec with extra variables (``item``).
    Raises :exc:`TreeError` for a rule that matches nothing, a value that cannot be, a path given twice.
    """
    resolver = _Resolver(spec, name, render)
    used: Set[str] = set()
    sources: List[Source] = []
    for thing in shipped:
        plain = without_suffix(thing)
        used.update(key for key, _rule in spec.below(plain))
        if spec.rules.get(plain, {}).get("type", thing.type) == thing.type:
            used.add(plain)
        sources.extend(resolver.sources(plain, thing))
    for key, rule in spec.rules.items():
        if key in used:
            if "directory_mode" in rule:
                sources.extend(resolver.sources(key, Shipped(key.rstrip("/"), DIRECTORY)))
            continue
        if rule.get("type") not in (LINK, DIRECTORY):
            raise TreeError(f"{name}: paths: {key}: nothing in the tree has this path")
        thing = Shipped(key.rstrip("/"), rule["type"])
        sources.extend(resolver.sources(key, thing))
    seen: Dict[str, str] = {}
    for source in sources:
        if source.path in seen:
            raise TreeError(
                f"{name}: {source.path} is given twice: by {seen[source.path]} and {_origin(source)}"
            )
        seen[source.path] = _origin(source)
    return sorted(sources, key=lambda source: source.path)


class _Resolver:
    def __init__(self, spec: Spec, name: str, render: Render) -> None:
        self.spec = spec
        self.name = name
        self.render = render

    def sources(self, key: str, thing: Shipped) -> Iterator[Source]:
        rule = self.spec.rules.get(key, {})
        where = f"{self.name}: paths: {key}"
        if "each" not in rule:
            yield from self._one(key, thing, where, {})
            return
        items = self._value(rule["each"], f"{where}: each", {})
        if isinstance(items, (str, bytes)) or not isinstance(items, (Sequence, Mapping)):
            raise TreeError(f"{where}: each is {type(items).__name__}: must be a list")
        for position, item in enumerate(items):
            yield from self._one(key, thing, f"{where}: item {position}", {"item": item, "index": position})

    def _one(self, key: str, thing: Shipped, where: str, variables: Mapping[str, Any]) -> Iterator[Source]:
        rule = self.spec.rules.get(key, {})
        path = without_suffix(thing)
        merged: Dict[str, Any] = {k: v for k, v in self.spec.defaults.items() if k != "directory_mode"}
        if thing.type == DIRECTORY:
            merged["mode"] = self.spec.defaults.get("directory_mode", "0755")
        for label, layer in [*self.spec.below(path), (key, rule)]:
            if not self._wanted(layer.get("when", True), f"{self.name}: paths: {label}: when", variables):
                return
            # A mode given to everything below is meant for the files there, not for directories; theirs
            # is directory_mode, and it is meant for the directory of the rule alone.
            skip = ("mode",) if thing.type == DIRECTORY and not _own_entry(layer) else ()
            merged.update({k: v for k, v in layer.items() if k not in skip})
        mode_key = "directory_mode" if "directory_mode" in rule else "mode"
        values = {
            k: self._value(merged[k], f"{where}: {k}", variables)
            for k in ("owner", "group", mode_key, "secret", "path", "target")
            if k in merged
        }
        secret = self._boolean(values.get("secret", False), f"{where}: secret") and thing.type == FILE
        if secret and "mode" not in rule:
            values["mode"] = "0600"
        mode = (
            None if thing.type == LINK else parse_mode(values.get(mode_key, "0644"), f"{where}: {mode_key}")
        )
        if secret and mode is not None and mode & 0o007:
            raise TreeError(f"{where}: mode is {mode:04o}: a secret must not be open to everyone")
        yield Source(
            path="/" + destination(values.get("path", path), f"{where}: path"),
            type=thing.type,
            owner=_account(values.get("owner", "root"), f"{where}: owner"),
            group=_account(values.get("group", "root"), f"{where}: group"),
            mode=mode,
            secret=secret,
            target=_text(values.get("target", thing.target), f"{where}: target"),
            file=thing.path if thing.type == FILE else None,
            variables=variables,
        )

    def _wanted(self, condition: Any, where: str, variables: Mapping[str, Any]) -> bool:
        return self._boolean(self._value(condition, where, variables), where)

    def _value(self, value: Any, where: str, variables: Mapping[str, Any]) -> Any:
        try:
            return self.render(value, variables)
        except TreeError:
            raise
        except Exception as error:
            raise TreeError(f"{where}: {error}") from error

    def _boolean(self, value: Any, where: str) -> bool:
        words = {"true": True, "yes": True, "false": False, "no": False}
        result = words.get(value.lower()) if isinstance(value, str) else value
        if not isinstance(result, bool):
            raise TreeError(f"{where} is {value}: must be true or false")
        return result


def without_suffix(thing: Shipped) -> str:
    """The path on the host: a template loses its suffix."""
    if thing.type == FILE and thing.path.endswith(TEMPLATE_SUFFIX):
        return thing.path[: -len(TEMPLATE_SUFFIX)]
    return thing.path


def directory_mode(spec: Spec, name: str, render: Render) -> int:
    """The mode of parent directories that have to be made."""
    value = render(spec.defaults.get("directory_mode", "0755"), {})
    return parse_mode(value, f"{name}: defaults: directory_mode")


def parse_mode(value: Any, where: str) -> int:
    """Permission bits of an octal string. A bare number is refused: YAML reads 0644 and 644 differently."""
    if not isinstance(value, str) or not _MODE.fullmatch(value):
        raise TreeError(f'{where} is {value}: must be a quoted octal string such as "0644"')
    return int(value, 8)


def destination(value: Any, where: str) -> str:
    """A path relative to the host's root. Raises :exc:`TreeError` when it is none or leaves the root."""
    text = _text(value, where)
    parts = text.split("/")
    if not text or text.startswith("/") or any(part in ("", ".", "..") for part in parts) or "\0" in text:
        raise TreeError(
            f"{where} is {text!r}: must be a path relative to the host's root, without '.' and '..'"
        )
    return posixpath.join(*parts)


def _text(value: Any, where: str) -> str:
    if not isinstance(value, str):
        raise TreeError(f"{where} is {value}: must be text")
    return str(value)


def _account(value: Any, where: str) -> str:
    if isinstance(value, bool) or not isinstance(value, (str, int)) or value == "":
        raise TreeError(f"{where} is {value}: must be a name or a number")
    return str(value)


def _mapping(value: Any, where: str, known: Sequence[str] = ()) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise TreeError(f"{where}: must be a mapping, not {type(value).__name__}")
    unknown = sorted(str(key) for key in value if key not in known) if known else []
    if unknown:
        raise TreeError(f"{where}: unknown key {', '.join(unknown)} (known: {', '.join(known)})")
    return value


def _own_entry(rule: Mapping[str, Any]) -> bool:
    return bool(rule.get("type") == DIRECTORY)


def _origin(source: Source) -> str:
    return source.file or source.type
