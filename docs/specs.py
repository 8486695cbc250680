"""What the pages are made from: roles and playbooks, read from the files that Ansible itself reads."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parent.parent


class SpecError(ValueError):
    """A file that lacks what its page needs; the message names file and key."""


class _Loader(yaml.SafeLoader):
    """YAML with Ansible's own tags (``!vault``, ``!unsafe``), whose values no page shows."""


_Loader.add_multi_constructor("!", lambda _loader, suffix, _node: f"(!{suffix})")


@dataclass(frozen=True)
class Option:
    """One input, of a role or of a plugin; ``options`` are the keys of a mapping or of a list's mappings."""

    name: str
    type: str
    description: tuple[str, ...]
    required: bool = False
    default: Any = None
    choices: tuple[Any, ...] = ()
    options: tuple[Option, ...] = ()


@dataclass(frozen=True)
class Tag:
    """A tag, and the names of the tasks or roles that it selects."""

    name: str
    selects: tuple[str, ...]


@dataclass(frozen=True)
class Role:
    """A role as its user sees it. ``example`` is what the prod inventory sets of it, as YAML, or empty."""

    name: str
    summary: str
    description: tuple[str, ...]
    options: tuple[Option, ...]
    tags: tuple[Tag, ...]
    platforms: tuple[tuple[str, tuple[str, ...]], ...]
    example: str


@dataclass(frozen=True)
class Play:
    """One play, or one import: ``imports`` is then the playbook's file name and ``hosts`` is empty."""

    name: str
    hosts: str
    become: bool
    roles: tuple[tuple[str, tuple[str, ...]], ...]
    imports: str


@dataclass(frozen=True)
class Playbook:
    """``name`` is the file's stem; ``comment`` the comment at its head, without its markers."""

    name: str
    comment: str
    plays: tuple[Play, ...]

    @property
    def roles(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(role for play in self.plays for role, _ in play.roles))


def load(path: Path) -> Any:
    """The YAML document in ``path``."""
    return yaml.load(path.read_text(), _Loader)  # noqa: S506  # because it is the safe loader, with tags made harmless


def options(raw: Mapping[str, Any] | None) -> tuple[Option, ...]:
    """Options from an argument spec or a module's documentation, required ones first."""
    found = [
        Option(
            name=name,
            type=_type(value),
            description=_paragraphs(value.get("description")),
            required=bool(value.get("required", False)),
            default=value.get("default"),
            choices=tuple(value.get("choices") or ()),
            options=options(value.get("options") or value.get("suboptions")),
        )
        for name, value in (raw or {}).items()
    ]
    return tuple(sorted(found, key=lambda option: not option.required))


def roles(root: Path) -> tuple[Role, ...]:
    """All roles that have an argument spec, by name."""
    return tuple(
        _role(path.parent.parent, root) for path in sorted(root.glob("roles/*/meta/argument_specs.yml"))
    )


def playbooks(root: Path) -> tuple[Playbook, ...]:
    """All playbooks, by name."""
    return tuple(_playbook(path) for path in sorted(root.glob("playbooks/*.yml")))


def _role(directory: Path, root: Path) -> Role:
    path = directory / "meta" / "argument_specs.yml"
    try:
        spec = load(path)["argument_specs"]["main"]
        summary = spec["short_description"]
    except KeyError as error:
        raise SpecError(f"{path}: {error.args[0]} is missing") from error
    meta = load(directory / "meta" / "main.yml") if (directory / "meta" / "main.yml").exists() else {}
    platforms = meta.get("galaxy_info", {}).get("platforms", [])
    return Role(
        name=directory.name,
        summary=summary,
        description=_paragraphs(spec.get("description")),
        options=options(spec.get("options")),
        tags=_role_tags(directory),
        platforms=tuple((platform["name"], tuple(platform["versions"])) for platform in platforms),
        example=_example(directory.name, root),
    )


def _example(role: str, root: Path) -> str:
    """What the prod inventory sets of a role, without the document marker."""
    found = sorted(root.glob(f"inventories/prod/group_vars/*/{role}.yml"))
    return found[0].read_text().removeprefix("---\n").strip() if found else ""


def _role_tags(directory: Path) -> tuple[Tag, ...]:
    """Tags in the role's task files, in the order in which they appear, main.yml first."""
    selected: dict[str, list[str]] = {}
    files = sorted(directory.glob("tasks/*.yml"), key=lambda path: (path.name != "main.yml", path.name))
    for path in files:
        for name, tag in _task_tags(load(path) or []):
            selected.setdefault(tag, []).append(name)
    return tuple(Tag(tag, tuple(names)) for tag, names in selected.items())


def _task_tags(tasks: list[dict[str, Any]]) -> Iterator[tuple[str, str]]:
    for task in tasks:
        for tag in _list(task.get("tags")):
            yield task.get("name", ""), tag
        for section in ("block", "rescue", "always"):
            if isinstance(task.get(section), list):
                yield from _task_tags(task[section])


def _playbook(path: Path) -> Playbook:
    head = re.match(r"---\n((?:#.*\n)*)", path.read_text())
    comment = " ".join(line.lstrip("# ") for line in head[1].splitlines()) if head else ""
    return Playbook(path.stem, comment, tuple(_play(entry) for entry in load(path)))


def _play(entry: Mapping[str, Any]) -> Play:
    return Play(
        name=entry.get("name", ""),
        hosts=str(entry.get("hosts", "")),
        become=bool(entry.get("become", False)),
        roles=tuple(_imported_roles(entry.get("tasks", []))),
        imports=entry.get("ansible.builtin.import_playbook", ""),
    )


def _imported_roles(tasks: list[dict[str, Any]]) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Roles that the tasks import whole, with their tags."""
    for task in tasks:
        role = task.get("ansible.builtin.import_role", {})
        if role and "tasks_from" not in role:
            yield role["name"].rpartition(".")[2], tuple(_list(task.get("tags")))


def _type(value: Mapping[str, Any]) -> str:
    kind = str(value.get("type", "str"))
    return f"{kind} of {value['elements']}" if value.get("elements") else kind


def _paragraphs(value: Any) -> tuple[str, ...]:
    return tuple(" ".join(str(paragraph).split()) for paragraph in _list(value))


def _list(value: Any) -> list[Any]:
    if value is None:
        return []
    return value if isinstance(value, list) else [value]
