"""Ansible's markup (``O(option)``, ``V(value)`` ...) as Markdown that reads well unrendered too."""

from __future__ import annotations

import re
from collections.abc import Callable

from antsibull_docs_parser import dom, md, parser
from antsibull_docs_parser.format import LinkProvider

COLLECTION = "groundwork.platform"

# Only what would change the meaning: a backslash before each period is noise to whoever reads the source.
_SPECIAL = re.compile(r"([\\`*\[\]]|(?<!\w)_|_(?!\w))")


class MarkupError(ValueError):
    """Markup that Ansible itself could not read; the message quotes it."""


def escape(text: str) -> str:
    """``text`` so that Markdown shows it as it is."""
    return _SPECIAL.sub(r"\\\1", text).replace("<", "&lt;")


def code(text: str) -> str:
    """``text`` as inline code, whatever backticks are in it."""
    if "`" not in text:
        return f"`{text}`"
    return f"`` {text} ``"


def heading_anchor(text: str) -> str:
    """The fragment that the site gives to a heading of one word."""
    return re.sub(r"[^\w-]", "", text).lower()


class _Formatter(md.MDFormatter):
    def format_error(self, part: dom.ErrorPart) -> str:
        raise MarkupError(part.message)

    def format_bold(self, part: dom.BoldPart) -> str:
        return f"**{escape(part.text)}**"

    def format_italic(self, part: dom.ItalicPart) -> str:
        return f"*{escape(part.text)}*"

    def format_code(self, part: dom.CodePart) -> str:
        return code(part.text)

    def format_text(self, part: dom.TextPart) -> str:
        return escape(part.text)

    def format_link(self, part: dom.LinkPart) -> str:
        return f"[{escape(part.text)}]({part.url})"

    def format_url(self, part: dom.URLPart) -> str:
        return f"<{part.url}>"

    def format_env_variable(self, part: dom.EnvVariablePart) -> str:
        return code(part.name)

    def format_option_value(self, part: dom.OptionValuePart) -> str:
        return code(part.value)

    def format_module(self, part: dom.ModulePart, url: str | None) -> str:
        return _linked(code(part.fqcn), url)

    def format_plugin(self, part: dom.PluginPart, url: str | None) -> str:
        return _linked(code(part.plugin.fqcn), url)

    def format_option_name(self, part: dom.OptionNamePart, url: str | None) -> str:
        return _linked(code(_named(part.name, part.value)), url)

    def format_return_value(self, part: dom.ReturnValuePart, url: str | None) -> str:
        return _linked(code(_named(part.name, part.value)), url)


class _Links(LinkProvider):
    def __init__(self, page: Callable[[str, str], str | None]) -> None:
        self._page = page

    def plugin_link(self, plugin: dom.PluginIdentifier) -> str | None:
        return self._page(plugin.type, plugin.fqcn)

    def plugin_option_like_link(
        self,
        plugin: dom.PluginIdentifier,
        entrypoint: str | None,  # noqa: ARG002  # because the base class calls it so
        what: object,  # noqa: ARG002  # because the base class calls it so
        name: list[str],
        current_plugin: bool,  # noqa: ARG002  # because the base class calls it so
    ) -> str | None:
        page = self._page(plugin.type, plugin.fqcn)
        return None if page is None else f"{page}#{heading_anchor(name[0])}"


def to_markdown(text: str, kind: str, name: str, page: Callable[[str, str], str | None]) -> str:
    """One paragraph of Ansible markup as Markdown.

    ``kind`` and ``name`` say whose documentation it is (``role``, ``groundwork.platform.host_ssh``);
    ``page`` gives the link to the page of a thing of such a kind and name, or None where there is none.
    """
    current = dom.PluginIdentifier(name, kind)
    context = parser.Context(current_plugin=current, role_entrypoint="main" if kind == "role" else None)
    try:
        parsed = parser.parse(text, context, errors="message")
        return md.to_md(parsed, _Formatter(), _Links(page), current_plugin=current)
    except MarkupError as error:
        raise MarkupError(f"{name}: {error} in: {text}") from error


def first_sentence(markdown: str) -> str:
    """The first sentence of a paragraph, for tables."""
    match = re.match(r"(.+?[.!?;])(?=\s+(?:\W*[A-Z]|`))", markdown, re.DOTALL)
    return match[1].rstrip(";") if match else markdown


def cell(markdown: str) -> str:
    """Markdown for a table's cell: one line, no column separator."""
    return " ".join(markdown.split()).replace("|", "\\|")


def _named(name: str, value: str | None) -> str:
    return name if value is None else f"{name}={value}"


def _linked(text: str, url: str | None) -> str:
    return text if url is None else f"[{text}]({url})"
