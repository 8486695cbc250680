"""Ansible's markup becomes Markdown that says the same."""

from __future__ import annotations

import pytest

from docs import markup


def page(kind: str, name: str) -> str | None:
    return {"groundwork.platform.host_ssh": "host_ssh.md", "groundwork.platform.own": ""}.get(name)


def convert(text: str) -> str:
    return markup.to_markdown(text, "role", "groundwork.platform.own", page)


@pytest.mark.parametrize(
    ("ansible", "markdown"),
    [
        ("V(absent) and C(sshd -t)", "`absent` and `sshd -t`"),
        ("See O(own_ports).", "See [`own_ports`](#own_ports)."),
        ("See O(own_users[].name).", "See [`own_users[].name`](#own_users)."),
        ("P(groundwork.platform.host_ssh#role)", "[`groundwork.platform.host_ssh`](host_ssh.md)"),
        (
            "O(groundwork.platform.host_ssh#role:main:host_ssh_ports)",
            "[`host_ssh_ports`](host_ssh.md#host_ssh_ports)",
        ),
        ("M(ansible.builtin.user)", "`ansible.builtin.user`"),
        ("B(never) I(ever)", "**never** *ever*"),
        ("<b> *x* a_b_c [d]", "&lt;b> \\*x\\* a_b_c \\[d\\]"),
        ("C(a`b)", "`` a`b ``"),
    ],
)
def test_markup(ansible: str, markdown: str) -> None:
    assert convert(ansible) == markdown


def test_broken_markup_is_an_error_that_quotes_it() -> None:
    with pytest.raises(markup.MarkupError, match=r"groundwork\.platform\.own.*in: See O\(a\.b\.c#role:x\)"):
        convert("See O(a.b.c#role:x)")


@pytest.mark.parametrize(
    ("text", "first"),
    [
        ("One. Two.", "One."),
        ("Ends without a period", "Ends without a period"),
        ("Is decided. `accept` opens it.", "Is decided."),
        ("Versions such as 1.2 count. More.", "Versions such as 1.2 count."),
    ],
)
def test_first_sentence(text: str, first: str) -> None:
    assert markup.first_sentence(text) == first


def test_a_cell_is_one_line_without_separators() -> None:
    assert markup.cell("a |\n b") == "a \\| b"
