"""The staged view of the host: what needs no privileges. The rest is seen by the integration tests."""

from __future__ import annotations

import os

import pytest
from ansible_collections.groundwork.platform.plugins.module_utils.config_tree import validation
from ansible_collections.groundwork.platform.plugins.module_utils.config_tree.entries import TreeError
from ansible_collections.groundwork.platform.plugins.module_utils.config_tree.planning import FilePlan
from ansible_collections.groundwork.platform.plugins.module_utils.config_tree.staging import (
    in_child,
    overlaid_directories,
)
from ansible_collections.groundwork.platform.plugins.module_utils.config_tree.validation import (
    RefusedError,
    Validator,
    validate,
)
from ansible_collections.groundwork.platform.plugins.module_utils.plan import Change

from .conftest import a_file


def test_a_child_gives_its_result_and_keeps_its_changes(monkeypatch):
    def work():
        os.environ["ONLY_IN_CHILD"] = "1"
        return {"pid": os.getpid()}

    assert in_child(work)["pid"] != os.getpid()
    assert "ONLY_IN_CHILD" not in os.environ


@pytest.mark.parametrize(
    "error", [TreeError("no namespace"), OSError(13, "no namespace"), KeyError("no namespace")]
)
def test_a_child_that_fails_says_why(error):
    def work():
        raise error

    with pytest.raises(TreeError, match=r"could not be validated: (.|\n)*no namespace"):
        in_child(work)


def test_a_child_that_is_killed_is_told_as_such():
    with pytest.raises(TreeError, match="the validating process was killed"):
        in_child(lambda: os.kill(os.getpid(), 9))


def test_the_nearest_directories_are_overlaid(tmp_path):
    (tmp_path / "a/b").mkdir(parents=True)
    (tmp_path / "c").mkdir()
    paths = [f"{tmp_path}/{path}" for path in ("a/b/x", "a/b/new/y", "a/z", "c/x")]
    assert overlaid_directories(paths) == [f"{tmp_path}/c", f"{tmp_path}/a"]


def test_a_link_on_the_way_is_resolved(tmp_path):
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    assert overlaid_directories([f"{tmp_path}/link/x"]) == [f"{tmp_path}/real"]


def test_a_new_top_directory_needs_a_root_and_comes_last():
    assert overlaid_directories(["/no-such-top/x", "/etc/x"]) == ["/etc", "/"]


@pytest.fixture
def check(files, monkeypatch):
    """Validate a change of /etc/a and a removal of /etc/b, without the namespace."""
    monkeypatch.setattr(validation, "stage", lambda *_arguments: None)
    entry = a_file("/etc/a")
    plan = FilePlan(
        [Change("create", "/etc/a"), Change("delete", "/etc/b")],
        {"/etc/a": None, "/etc/b": entry},
        {"/etc/a": entry, "/etc/b": None},
    )

    def run(*validators, check_mode=False):
        return validate(validators, plan, files, 0o755, check_mode)

    return run


def test_validators_that_agree(check):
    assert check(Validator(("true",)), Validator(("true",), ("etc/a",))) == 3


def test_the_first_that_refuses_ends_it(check, tmp_path):
    mark = tmp_path / "mark"
    with pytest.raises(RefusedError, match="sh -c echo why; exit 4 failed with code 4: why"):
        check(Validator(("sh", "-c", "echo why; exit 4")), Validator(("touch", str(mark))))
    assert not mark.exists()


def test_validators_of_other_paths_do_not_run(check):
    assert check(Validator(("false",), ("etc/other/",))) == 0
    assert check(Validator(("false",), requires="/etc/b")) == 0
    with pytest.raises(RefusedError):
        check(Validator(("false",), ("etc/b",), requires="/etc/a"))


def test_a_missing_program_is_an_error_but_not_in_check_mode(check):
    with pytest.raises(RefusedError, match="no-such-program failed with code 127"):
        check(Validator(("no-such-program",)))
    assert check(Validator(("no-such-program",)), check_mode=True) == 1
