"""When a command is due, how it is run, what of its output may be shown."""

from __future__ import annotations

import pytest
from ansible_collections.groundwork.platform.plugins.module_utils.config_tree import commands

from .conftest import a_file


@pytest.mark.parametrize(
    ("patterns", "expected"),
    [
        (["etc/ssh/"], True),
        (["/etc/ssh/"], True),
        (["etc/ssh/sshd_config.d/10-site.conf"], True),
        (["etc/*/10-*.conf"], True),
        (["etc/*.conf"], True),
        (["etc/sudoers.d/", "etc/ssh"], True),
        (["ssh/"], False),
        ([], False),
    ],
)
def test_paths_match_by_beginning_or_glob(patterns, expected):
    path = "/etc/ssh/sshd_config.d/10-site.conf"
    assert commands.matches(path, patterns) is expected


def test_without_patterns_any_change_counts():
    assert commands.due(["/etc/a"], None) is True
    assert commands.due([], None) is False
    assert commands.due(["/etc/a", "/etc/b"], ["etc/b"]) is True
    assert commands.due(["/etc/a"], ["etc/b"]) is False


def test_output_and_code_are_kept():
    outcome = commands.run(["sh", "-c", "echo out; echo err >&2; exit 3"])
    assert (outcome.code, outcome.output) == (3, "out\nerr")
    assert outcome.sentence() == "sh -c echo out; echo err >&2; exit 3 failed with code 3: out\nerr"


def test_only_the_end_of_a_long_output_is_told():
    outcome = commands.run(["sh", "-c", "seq 1 500; false"])
    assert outcome.output.startswith("1\n")
    assert "\n500" in outcome.sentence()
    assert "\n1\n" not in outcome.sentence()


def test_a_program_that_is_not_there_is_an_outcome():
    assert commands.find(["no-such-program"]) is None
    assert commands.run(["no-such-program"]).code == 127


def test_a_program_that_does_not_end_is_an_outcome():
    outcome = commands.run(["sleep", "10"], seconds=0.1)
    assert (outcome.code, outcome.output) == (124, "not done after 0.1 seconds")


def test_commands_speak_english_and_find_system_programs(monkeypatch):
    monkeypatch.setenv("LC_MESSAGES", "de_DE.UTF-8")
    monkeypatch.setenv("PATH", "/nowhere")
    assert commands.run(["sh", "-c", "echo $LC_ALL $LC_MESSAGES; command -v sh"]).output.startswith(
        "C.UTF-8\n/"
    )


def test_a_command_reads_nothing_from_its_caller():
    assert commands.run(["cat"]).output == ""


def test_secrets_are_taken_out_of_output():
    secret = a_file("/etc/key", b"token = abcdef123456\npassword:correct horse battery\nok\n", secret=True)
    plain = a_file("/etc/plain", b"plaintext\n")
    words = commands.secret_words([secret, plain])
    text = commands.redact(
        "line 1: token = abcdef123456; value 'abcdef123456'; correct horse battery; plaintext; ok", words
    )
    assert "abcdef" not in text
    assert "horse" not in text
    assert "plaintext; ok" in text
