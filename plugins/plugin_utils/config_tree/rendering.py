# Copyright (c) 2026 Groundwork contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Rendering a tree on the controller: one template environment and one set of variables for all files."""

from __future__ import annotations

import contextlib
import os
import re
from typing import Any, Dict, Iterator, Mapping, Optional

from ansible import constants
from ansible.errors import AnsibleError
from ansible.template import trust_as_template
from ansible_collections.groundwork.platform.plugins.module_utils.config_tree import spec
from ansible_collections.groundwork.platform.plugins.module_utils.config_tree.entries import (
    FILE,
    LINK,
    Entry,
    TreeError,
)

# The settings of ansible.builtin.template, so that a template means the same in both.
_SETTINGS = {"trim_blocks": True, "lstrip_blocks": False, "newline_sequence": "\n"}
_UNDEFINED = re.compile(r"'(?P<variable>\w+)' is undefined|has no attribute '(?P<attribute>[^']+)'")


class Renderer:
    """Renders values of the spec and the templates of one tree."""

    def __init__(self, templar: Any, loader: Any, variables: Mapping[str, Any], folder: str) -> None:
        self._loader = loader
        self._folder = folder
        self._variables: Dict[str, Any] = {"ansible_managed": _managed(os.path.basename(folder)), **variables}
        bases = [*variables.get("ansible_search_path", []), loader.get_basedir()]
        search = [path for base in bases for path in (os.path.join(base, "templates"), base)]
        self._templar = templar.copy_with_new_env(
            searchpath=[*search, os.path.dirname(folder), folder], available_variables=self._variables
        )

    def value(self, value: Any, variables: Mapping[str, Any]) -> Any:
        """A value of the spec, with extra variables."""
        with self._extra(variables):
            return self._templar.template(value)

    def entry(self, source: spec.Source) -> Entry:
        """The entry of a source, with the content that the host is to get. Raises :exc:`TreeError`."""
        content = b""
        if source.file is not None:
            path = os.path.join(self._folder, source.file)
            content = (
                self._rendered(path, source) if path.endswith(spec.TEMPLATE_SUFFIX) else self._copied(path)
            )
        return Entry(
            source.path,
            source.type,
            source.owner,
            source.group,
            source.mode,
            content,
            source.target,
            source.secret,
        )

    def _copied(self, path: str) -> bytes:
        """The file's bytes; of a file that is encrypted with Ansible Vault, those inside."""
        real = self._loader.get_real_file(path)
        try:
            with open(real, "rb") as stream:
                return stream.read()
        finally:
            self._loader.cleanup_tmp_file(real)

    def _rendered(self, path: str, source: spec.Source) -> bytes:
        try:
            text = self._loader.get_text_file_contents(path)
        except (AnsibleError, UnicodeDecodeError) as error:
            raise TreeError(f"{path}: a template must be UTF-8 text: {error}") from error
        file_variables = {
            "template_path": source.file,
            "template_fullpath": path,
            "template_destpath": source.path,
        }
        with self._extra({**file_variables, **source.variables}):
            try:
                result = self._templar.template(
                    trust_as_template(text), escape_backslashes=False, overrides=_SETTINGS
                )
            except Exception as error:
                raise TreeError(_located(error, path, text, source)) from error
        return b"" if result is None else str(result).encode("utf-8", "surrogateescape")

    @contextlib.contextmanager
    def _extra(self, variables: Mapping[str, Any]) -> Iterator[None]:
        shadowed = {key: self._variables[key] for key in variables if key in self._variables}
        self._variables.update(variables)
        try:
            yield
        finally:
            for key in variables:
                del self._variables[key]
            self._variables.update(shadowed)


def shipped(folder: str) -> Iterator[spec.Shipped]:
    """What is in a tree's folder: files, and links as links."""
    for parent, directories, files in os.walk(folder):
        relative = os.path.relpath(parent, folder)
        prefix = "" if relative == "." else relative + "/"
        for name in sorted([*directories, *files]):
            path = os.path.join(parent, name)
            if os.path.islink(path):
                yield spec.Shipped(prefix + name, LINK, os.readlink(path))
            elif not os.path.isdir(path):
                yield spec.Shipped(prefix + name, FILE)


def _managed(file: str) -> str:
    """The text of ``ansible_managed``. Dates are not filled in: they would make every run a change."""
    try:
        text = str(constants.config.get_config_value("DEFAULT_MANAGED_STR"))
    except AnsibleError:
        text = "Ansible managed"
    return (
        text.replace("{file}", file).replace("{host}", os.uname().nodename).replace("{uid}", str(os.getuid()))
    )


def _located(error: Exception, path: str, text: str, source: spec.Source) -> str:
    """``path:line: reason``, with the line as well as the template engine lets one know it."""
    line = _line_of(error, text)
    item = f" (item {source.variables['index']})" if "index" in source.variables else ""
    return f"{path}{f':{line}' if line else ''}{item}: {error}"


def _line_of(error: BaseException, text: str) -> Optional[int]:
    cause: Optional[BaseException] = error
    while cause is not None:
        if isinstance(getattr(cause, "lineno", None), int):
            return int(cause.lineno)  # type: ignore[attr-defined]
        line = _template_frame(cause)
        if line:
            return line
        cause = cause.__cause__
    found = _UNDEFINED.search(str(error))
    if found:
        # An undefined value carries no position; where its name first stands is where to look.
        name = re.compile(rf"\b{re.escape(found['variable'] or found['attribute'])}\b")
        return next((number for number, line in enumerate(text.splitlines(), 1) if name.search(line)), None)
    return None


def _template_frame(error: BaseException) -> Optional[int]:
    """The template's line in a traceback that went through its compiled code."""
    line = None
    frame = error.__traceback__
    while frame is not None:
        template = frame.tb_frame.f_globals.get("__jinja_template__")
        if template is not None and template.name is None:
            line = template.get_corresponding_lineno(frame.tb_lineno)
        frame = frame.tb_next
    return line
