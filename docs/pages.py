"""Every generated page as text, by its path in the repository; templates are all that is read."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import jinja2
import yaml

from docs import markup
from docs.plugins import Plugin
from docs.specs import Option, Playbook, Role

SITE = "https://groundwork-platform.github.io/groundwork.platform"
REFERENCE = PurePosixPath("docs/reference")

# A default that is longer stands in a block of its own.
INLINE = 60


@dataclass(frozen=True)
class Sources:
    """All that pages are made from."""

    roles: tuple[Role, ...]
    playbooks: tuple[Playbook, ...]
    plugins: tuple[Plugin, ...]


@dataclass(frozen=True)
class Section:
    """A generated part of a page that people write: what stands between its two markers."""

    path: str
    begin: str
    end: str
    text: str

    def insert(self, page: str) -> str:
        """``page`` with this section's text; :exc:`ValueError` when a marker is missing or stands twice."""
        for marker in (self.begin, self.end):
            if page.count(marker) != 1:
                raise ValueError(
                    f"{self.path}: must hold {marker!r} once, holds it {page.count(marker)} times"
                )
        head, rest = page.split(self.begin)
        return f"{head}{self.begin}\n{self.text}{rest[rest.index(self.end) :]}"


def pages(sources: Sources) -> dict[str, str]:
    """Whole pages: path in the repository, and text."""
    found = {
        f"roles/{role.name}/README.md": _render(
            "role_readme", f"roles/{role.name}/README.md", sources, role=role
        )
        for role in sources.roles
    }
    for role in sources.roles:
        path = _role_page(role.name)
        found[path] = _render("role", path, sources, role=role, playbooks=_playbooks_of(role.name, sources))
    for path, kind, plugins in _plugin_pages(sources):
        found[path] = _render("plugins", path, sources, kind=kind, plugins=plugins)
    for name in ("index", "variables", "tags", "playbooks"):
        path = str(REFERENCE / f"{name}.md")
        found[path] = _render(f"reference_{name}", path, sources, plugin_pages=_plugin_pages(sources))
    return found


def sections(sources: Sources) -> tuple[Section, ...]:
    """Generated parts of the README, the support matrix and the site's navigation."""
    nav = [("roles", [(role.name, _role_page(role.name)) for role in sources.roles])]
    nav.append(
        ("plugins", [(_nav_title(kind, plugins), path) for path, kind, plugins in _plugin_pages(sources)])
    )
    return (
        _markdown_section("README.md", "roles", _render("section_roles", "README.md", sources)),
        _markdown_section(
            "docs/support.md", "platforms", _render("section_platforms", "docs/support.md", sources)
        ),
        *(
            Section("mkdocs.yml", f"# {name}: begin", f"# {name}: end", _nav(entries))
            for name, entries in nav
        ),
    )


def _markdown_section(path: str, name: str, text: str) -> Section:
    return Section(path, f"<!-- {name}: begin -->", f"<!-- {name}: end -->", f"\n{text}\n")


def _nav(entries: list[tuple[str, str]]) -> str:
    lines = [f"          - {title}: {path.removeprefix('docs/')}\n" for title, path in entries]
    return "".join(lines) + " " * 10


def _nav_title(kind: str, plugins: tuple[Plugin, ...]) -> str:
    return plugins[0].short if kind == "module" else f"{kind}s"


def _role_page(role: str) -> str:
    return str(REFERENCE / "roles" / f"{role}.md")


def _plugin_pages(sources: Sources) -> list[tuple[str, str, tuple[Plugin, ...]]]:
    """A page for each module, and one for all plugins of any other kind, which are small."""
    found: list[tuple[str, str, tuple[Plugin, ...]]] = [
        (str(REFERENCE / "plugins" / f"{plugin.short}.md"), plugin.kind, (plugin,))
        for plugin in sources.plugins
        if plugin.kind == "module"
    ]
    kinds = dict.fromkeys(plugin.kind for plugin in sources.plugins if plugin.kind != "module")
    found += [
        (
            str(REFERENCE / "plugins" / f"{kind}s.md"),
            kind,
            tuple(plugin for plugin in sources.plugins if plugin.kind == kind),
        )
        for kind in kinds
    ]
    return found


def _playbooks_of(role: str, sources: Sources) -> list[Playbook]:
    return [playbook for playbook in sources.playbooks if role in playbook.roles]


def _linker(path: str, sources: Sources) -> Callable[[str, str], str | None]:
    """Links from the page at ``path`` to the page of a role or plugin of ours; other things have none."""
    targets = {("role", f"{markup.COLLECTION}.{role.name}"): _role_page(role.name) for role in sources.roles}
    for page, kind, plugins in _plugin_pages(sources):
        anchor = "" if kind == "module" else "#{}"
        targets.update({(kind, plugin.name): page + anchor.format(plugin.short) for plugin in plugins})

    def link(kind: str, name: str) -> str | None:
        target = targets.get((kind, name))
        if target is None or not path.startswith("docs/"):
            return None
        page, hash_, anchor = target.partition("#")
        if page == path:
            return hash_ + anchor
        return os.path.relpath(page, PurePosixPath(path).parent) + hash_ + anchor

    return link


def _render(template: str, path: str, sources: Sources, **variables: Any) -> str:
    link = _linker(path, sources)

    def role_text(text: str, role: Role) -> str:
        return markup.to_markdown(text, "role", f"{markup.COLLECTION}.{role.name}", link)

    def plugin_text(text: str, plugin: Plugin) -> str:
        return markup.to_markdown(text, plugin.kind, plugin.name, link)

    environment = jinja2.Environment(  # noqa: S701  # because the output is Markdown; markup.escape does what it needs
        loader=jinja2.FileSystemLoader(Path(__file__).parent / "templates"),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters.update(
        cell=markup.cell,
        code=markup.code,
        first_sentence=markup.first_sentence,
        literal=literal,
        plain=markup.escape,
        plugin_text=plugin_text,
        role_text=role_text,
        yaml_block=yaml_block,
    )
    text = environment.get_template(f"{template}.md.j2").render(
        sources=sources,
        site=SITE,
        link=link,
        is_long=is_long,
        shown_default=shown_default,
        playbooks_of=lambda role: _playbooks_of(role, sources),
        **variables,
    )
    return re.sub(r"\n{3,}", "\n\n", text).strip() + "\n"


def shown_default(option: Option) -> str:
    """An option's default for a table's cell."""
    if option.required:
        return "required"
    if option.default is None:
        return ""
    if is_long(option.default):
        return f"{len(option.default)} entries" if isinstance(option.default, list | Mapping) else "a text"
    return markup.code(literal(option.default))


def is_long(value: Any) -> bool:
    """Whether a default needs a block of its own."""
    return len(literal(value)) > INLINE or (isinstance(value, str) and "\n" in value)


def literal(value: Any) -> str:
    """A value as one writes it in YAML, on one line."""
    if value == "" and isinstance(value, str):
        return '""'
    text: str = yaml.safe_dump(
        value, default_flow_style=True, width=10**6, allow_unicode=True, sort_keys=False
    )
    return text.removesuffix("\n").removesuffix("\n...").strip()


def yaml_block(name: str, value: Any) -> str:
    """``name: value`` as one writes it in YAML, over several lines."""
    text: str = yaml.dump({name: value}, Dumper=_Dumper, width=100, allow_unicode=True, sort_keys=False)
    return text.rstrip()


class _Dumper(yaml.SafeDumper):
    """Lists indented below their key and texts of several lines as blocks, as the house style has it."""

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:  # noqa: ARG002  # because the base class calls it so
        super().increase_indent(flow, False)


def _represent_text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style="|" if "\n" in text else None)


_Dumper.add_representer(str, _represent_text)
