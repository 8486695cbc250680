"""Pages follow their sources, and what is stale is named."""

from __future__ import annotations

from pathlib import Path

import pytest

from docs import generate, pages, plugins, specs
from docs.specs import Option

SPEC = """\
---
argument_specs:
  main:
    short_description: A role for the test
    description: [Does one thing.]
    options:
      own_state:
        type: str
        default: present
        choices: [present, absent]
        description: Whether it is there. More of it.
      own_users:
        type: list
        elements: dict
        default: []
        description: Who | what.
        options:
          home: {type: str, description: Where.}
          name: {type: str, required: true, description: Who.}
      own_many:
        type: list
        elements: str
        default: [aaaaaaaaaaaaaaaaaaaa, bbbbbbbbbbbbbbbbbbbb, cccccccccccccccccccc]
        description: Too long for a line.
"""
TASKS = """\
---
- name: Validate the input
  ansible.builtin.import_tasks: validate.yml
  tags: always
- name: Do it
  tags: [own]
  block:
    - name: Inner
      ansible.builtin.debug:
        msg: !unsafe "{{ x }}"
      tags: [own_configure]
"""
PLAYBOOK = """\
---
# Converges
# one role.
- name: Converge
  hosts: servers
  become: true
  tasks:
    - name: Check the input of own
      ansible.builtin.import_role:
        name: groundwork.platform.own
        tasks_from: validate.yml
      tags: always
    - name: Converge own
      ansible.builtin.import_role:
        name: groundwork.platform.own
      tags: [floor, own]
- name: The rest
  ansible.builtin.import_playbook: other.yml
"""


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for path, text in {
        "roles/own/meta/argument_specs.yml": SPEC,
        "roles/own/meta/main.yml": "galaxy_info: {platforms: [{name: Debian, versions: [bookworm]}]}\n",
        "roles/own/tasks/main.yml": TASKS,
        "playbooks/floor.yml": PLAYBOOK,
        "inventories/prod/group_vars/servers/own.yml": "---\nown_state: present\n",
        "README.md": "# Read me\n\n<!-- roles: begin -->\n<!-- roles: end -->\n\nTail\n",
        "docs/support.md": "<!-- platforms: begin -->\n<!-- platforms: end -->\n",
        "mkdocs.yml": "nav:\n  # roles: begin\n  # roles: end\n  # plugins: begin\n  # plugins: end\n",
    }.items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(text)
    module = plugins.Plugin("module", "groundwork.platform.do", "Do it", (), (), (), "", ())
    monkeypatch.setattr(plugins, "read", lambda _: (module,))
    return tmp_path


def test_check_names_what_is_stale_and_writes_nothing(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert generate.main(["--check", "--root", str(root)]) == 1
    said = capsys.readouterr()
    assert "docs/reference/roles/own.md is stale" in said.err
    assert "+# own" in said.out
    assert not (root / "docs/reference").exists()


def test_check_is_content_with_what_was_written(root: Path) -> None:
    assert generate.main(["--root", str(root)]) == 0
    assert generate.main(["--check", "--root", str(root)]) == 0


def test_a_changed_default_makes_pages_stale(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    generate.main(["--root", str(root)])
    spec = root / "roles/own/meta/argument_specs.yml"
    spec.write_text(spec.read_text().replace("default: present", "default: absent"))
    assert generate.main(["--check", "--root", str(root)]) == 1
    said = capsys.readouterr().err
    for path in ("roles/own/README.md", "docs/reference/roles/own.md", "docs/reference/variables.md"):
        assert f"{path} is stale" in said


def test_pages_of_what_is_gone_are_stale_and_removed(root: Path) -> None:
    generate.main(["--root", str(root)])
    orphan = root / "docs/reference/roles/gone.md"
    orphan.write_text("# gone\n")
    assert generate.main(["--check", "--root", str(root)]) == 1
    generate.main(["--root", str(root)])
    assert not orphan.exists()


def test_the_role_page(root: Path) -> None:
    generate.main(["--root", str(root)])
    page = (root / "docs/reference/roles/own.md").read_text()
    assert "### `own_state`\n\nstr · one of `present`, `absent` · default `present`" in page
    assert page.index("- `name` (str · **required**)") < page.index("- `home` (str)")
    assert "own_many:\n  - aaaaaaaaaaaaaaaaaaaa\n" in page
    assert "| `own` | Do it |" in page
    assert "| `own_configure` | Inner |" in page
    assert "playbooks/floor.yml" in page
    assert "own_state: present\n```" in page


def test_indexes(root: Path) -> None:
    generate.main(["--root", str(root)])
    variables = (root / "docs/reference/variables.md").read_text()
    assert "[`own_state`](roles/own.md#own_state) | str | `present` | Whether it is there. |" in variables
    assert "| list of str | 3 entries |" in variables
    assert "Who \\| what." in variables
    assert (
        "| `floor` | [`floor.yml`](playbooks.md#floor) | [own](roles/own.md) |"
        in (root / "docs/reference/tags.md").read_text()
    )
    playbooks = (root / "docs/reference/playbooks.md").read_text()
    assert "Converges one role." in playbooks
    assert "all of `other.yml`" in playbooks


def test_sections_leave_the_rest_of_a_page_alone(root: Path) -> None:
    generate.main(["--root", str(root)])
    readme = (root / "README.md").read_text()
    assert readme.startswith("# Read me\n")
    assert readme.endswith("\nTail\n")
    assert "| [own](roles/own/README.md) | `floor.yml` | A role for the test |" in readme
    nav = (root / "mkdocs.yml").read_text()
    assert "          - own: reference/roles/own.md\n" in nav
    assert "          - do: reference/plugins/do.md\n" in nav


def test_a_missing_marker_is_an_error_that_names_the_page(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (root / "README.md").write_text("# Read me\n")
    assert generate.main(["--root", str(root)]) == 1
    assert "README.md: must hold '<!-- roles: begin -->' once, holds it 0 times" in capsys.readouterr().err


def test_a_specification_without_summary_is_an_error(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (root / "roles/own/meta/argument_specs.yml").write_text("argument_specs: {main: {options: {}}}\n")
    assert generate.main(["--root", str(root)]) == 1
    assert "argument_specs.yml: short_description is missing" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("", '""'),
        ("no", "'no'"),
        ("a", "a"),
        (True, "true"),
        (22, "22"),
        ([], "[]"),
        ([1, "b"], "[1, b]"),
        ({}, "{}"),
    ],
)
def test_literal(value: object, text: str) -> None:
    assert pages.literal(value) == text


def test_a_text_of_several_lines_gets_a_block() -> None:
    option = Option("own_banner", "str", (), default="one\ntwo\n")
    assert pages.shown_default(option) == "a text"
    assert pages.yaml_block(option.name, option.default) == "own_banner: |\n  one\n  two"


def test_the_checkout_has_specifications_to_read() -> None:
    names = [role.name for role in specs.roles(specs.ROOT)]
    assert names == sorted(names)
    assert names
