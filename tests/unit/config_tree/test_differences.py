"""What --diff shows."""

from __future__ import annotations

from ansible_collections.groundwork.platform.plugins.module_utils.config_tree.differences import differences
from ansible_collections.groundwork.platform.plugins.module_utils.config_tree.planning import FilePlan
from ansible_collections.groundwork.platform.plugins.module_utils.plan import Change

from .conftest import ME, MY_GROUP, a_directory, a_file, a_link


def shown(before, after):
    return differences(FilePlan([Change("update", "/etc/a")], {"/etc/a": before}, {"/etc/a": after}))


def test_text_is_text():
    assert shown(a_file("/etc/a", b"old\n"), a_file("/etc/a", b"new\n")) == [
        {"before_header": "/etc/a", "after_header": "/etc/a", "before": "old\n", "after": "new\n"}
    ]


def test_a_new_file_tells_its_attributes_in_the_header():
    (pair,) = shown(None, a_file("/etc/a", b"new\n", 0o600))
    assert pair["after_header"] == f"/etc/a (file {ME}:{MY_GROUP} 0600)"
    assert (pair["before"], pair["after"]) == ("", "new\n")


def test_a_removed_file_shows_what_goes():
    (pair,) = shown(a_file("/etc/a", b"old\n"), None)
    assert (pair["before"], pair["after"]) == ("old\n", "")


def test_attributes_alone():
    (pair,) = shown(a_file("/etc/a"), a_file("/etc/a", mode=0o600))
    assert (pair["before"], pair["after"]) == (f"file {ME}:{MY_GROUP} 0644\n", f"file {ME}:{MY_GROUP} 0600\n")


def test_attributes_and_text_are_two_pairs():
    assert len(shown(a_file("/etc/a", b"old"), a_file("/etc/a", b"new", 0o600))) == 2


def test_links_directories_and_empty_files():
    assert shown(None, a_link("/etc/a", "b"))[0]["after"] == f"link {ME}:{MY_GROUP} -> b\n"
    assert shown(None, a_directory("/etc/a"))[0]["after"] == f"directory {ME}:{MY_GROUP} 0755\n"
    assert shown(None, a_file("/etc/a", b""))[0]["after"] == f"file {ME}:{MY_GROUP} 0644\n"


def test_binary_and_large_files_are_summed_up():
    for content in (b"a\0b", b"\xff\xfe", b"x" * 200_000):
        (pair,) = shown(a_file("/etc/a", b"text"), a_file("/etc/a", content))
        assert pair["before"].startswith("(text, 4 bytes, sha256 ")
        assert pair["after"].startswith(f"(binary or large, {len(content)} bytes, sha256 ")


def test_secrets_are_masked_on_both_sides():
    for before in (None, a_file("/etc/a", b"hunter2")):
        (pair,) = shown(before, a_file("/etc/a", b"hunter3", secret=True))
        assert "hunter" not in str(pair)
        assert pair["before"] != pair["after"]


def test_paths_that_stay_are_not_shown():
    plan = FilePlan([Change("adopt", "/etc/a")], {"/etc/a": a_file("/etc/a")}, {})
    assert differences(plan) == []
