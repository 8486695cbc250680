"""The action plugin, played for real on the controller: it needs no host."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
PLAYBOOK = Path(__file__).parent / "playbook.yml"


@pytest.fixture(scope="module")
def output() -> str:
    done = subprocess.run(
        ["ansible-playbook", "--inventory", "localhost,", "--check", str(PLAYBOOK)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "ANSIBLE_LOCALHOST_WARNING": "false"},
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.parametrize(
    "line",
    [
        "number is 70000: must be a TCP port from 1 to 65535",
        "number + 1 is 70001: must be at most 5",
        'networks[1] is "192.0.2.1/24": must be an IPv4 network',
        'networks[2] is "2001:db8::/32": must be an IPv4 network',
        'users[bob] is {"name": "bob", "password": "(secret)"}: user number 1 needs a key',
        'users[2] is {"password": "(secret)"}: user number 2 needs a key',
        "passphrase is (secret): is too short",
        "missing is undefined: must be given",
        "number: the rule 'must be right' can't be evaluated: that must give true or false, it gave 70000",
        "number: the rule 'must be listed' can't be evaluated: each must give a list, it gave 70000;",
        "passphrase: the rule 'must have parts' can't be evaluated:",
    ],
)
def test_every_violation_is_reported_in_one_failure(output: str, line: str) -> None:
    assert line in output


def test_valid_elements_and_secrets_are_not_mentioned(output: str) -> None:
    assert "networks[0]" not in output
    assert "users[alice]" not in output
    assert "correct horse" not in output


def test_unknown_keys_of_a_rule_are_refused(output: str) -> None:
    assert "rules, entry 1 (number): rule is missing, message is not known" in output


def test_what_holds_is_ok_in_check_mode(output: str) -> None:
    assert "All inputs are valid" in output
