"""Rendering on the controller: the same meaning as ansible.builtin.template, errors with file and line."""

from __future__ import annotations

from pathlib import Path

import pytest
from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar, trust_as_template
from ansible_collections.groundwork.platform.plugins.module_utils.config_tree.entries import TreeError
from ansible_collections.groundwork.platform.plugins.module_utils.config_tree.spec import Shipped, Source
from ansible_collections.groundwork.platform.plugins.plugin_utils.config_tree.rendering import (
    Renderer,
    shipped,
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    path = tmp_path / "templates/tree"
    path.mkdir(parents=True)
    return path


@pytest.fixture
def render(folder):
    """The content that a template's text gives, with variables of the play and of the entry."""

    def content(text, variables=None, extra=None, name="etc/a.j2"):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        loader = DataLoader()
        play = {"greeting": "hello", **(variables or {})}
        renderer = Renderer(Templar(loader=loader, variables=play), loader, play, str(folder))
        source = Source("/etc/a", "file", "root", "root", 0o644, file=name, variables=extra or {})
        return renderer.entry(source).content

    return content


def test_variables_blocks_and_trailing_newlines(render):
    assert render("{% if true %}\n{{ greeting }}\n{% endif %}\nend\n\n") == b"hello\nend\n\n"
    assert render("{{ greeting }}") == b"hello"
    assert render("") == b""


def test_indirect_variables_are_rendered(render):
    assert render("{{ b }}\n", {"a": "x", "b": trust_as_template("{{ a }}y")}) == b"xy\n"


def test_results_that_look_like_data_stay_text(render):
    assert render("{{ [1, 2] | to_json }}\n") == b"[1, 2]\n"
    assert render("{{ 0 }}") == b"0"


def test_backslashes_stay(render):
    assert render("{{ '\\d+' }} \\n\n") == b"\\d+ \\n\n"


def test_item_is_there_for_one_entry_only(render):
    assert render("{{ item.name }}\n", extra={"item": {"name": "ann"}, "index": 0}) == b"ann\n"
    with pytest.raises(TreeError, match="'item' is undefined"):
        render("{{ item }}\n")
    assert render("{{ item }}\n", {"item": "outer"}) == b"outer\n"


def test_ansible_managed_and_the_templates_own_names(render):
    assert render("# {{ ansible_managed }}\n") == b"# Ansible managed\n"
    assert render("# {{ ansible_managed }}\n", {"ansible_managed": "mine"}) == b"# mine\n"
    assert render("{{ template_path }} {{ template_destpath }}\n") == b"etc/a.j2 /etc/a\n"


def test_templates_include_others(render, folder):
    (folder.parent / "part.j2").write_text("part of {{ greeting }}\n")
    assert render("{% include 'part.j2' %}\n") == b"part of hello\n"


def test_plain_files_are_copied_byte_for_byte(render):
    content = bytes(range(256)) + b"{{ not_a_template }}\r\n"
    assert render(content, name="etc/a") == content


@pytest.mark.parametrize(
    ("text", "line", "reason"),
    [
        ("one\n{% if %}\n", 2, "Expected an expression"),
        ("one\ntwo\n{{ greeting | no_such_filter }}\n", 3, "no_such_filter"),
        ("one\n\n{{ missing }}\n", 3, "'missing' is undefined"),
        ("one\n{{ greeting.missing }}\n", 2, "has no attribute 'missing'"),
        ("one\n{{ 1 / 0 }}\n", 2, "division by zero"),
        ("{% for x in [1] %}\n{{ x }}\n", 2, "Unexpected end of template"),
    ],
)
def test_an_error_names_file_line_and_reason(render, folder, text, line, reason):
    with pytest.raises(TreeError) as caught:
        render(text)
    message = str(caught.value)
    assert message.startswith(f"{folder}/etc/a.j2:{line}: ")
    assert reason in message


def test_an_error_of_one_item_names_it(render):
    with pytest.raises(TreeError, match=r"a\.j2:1 \(item 2\): "):
        render("{{ item.missing }}", extra={"item": {}, "index": 2})


def test_a_variable_that_is_undefined_elsewhere_names_the_file_alone(render, folder):
    with pytest.raises(TreeError, match=r"etc/a\.j2: 'deep' is undefined"):
        render("{{ indirect }}\n", {"indirect": trust_as_template("{{ deep }}")})


def test_what_is_shipped(folder):
    (folder / "etc/empty").mkdir(parents=True)
    (folder / "etc/a.j2").write_text("")
    (folder / "etc/link").symlink_to("a")
    (folder / "etc/dirlink").symlink_to("empty")
    (folder / "top").write_text("")
    assert sorted(shipped(str(folder)), key=lambda thing: thing.path) == [
        Shipped("etc/a.j2", "file"),
        Shipped("etc/dirlink", "link", "empty"),
        Shipped("etc/link", "link", "a"),
        Shipped("top", "file"),
    ]
