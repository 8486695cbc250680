"""Confirming a guarded change over new connections, with a host that answers as told."""

from __future__ import annotations

import itertools
import re

import pytest
from ansible.errors import AnsibleConnectionFailure
from ansible_collections.groundwork.platform.plugins.plugin_utils.config_tree import confirmation
from ansible_collections.groundwork.platform.plugins.plugin_utils.config_tree.confirmation import Confirmation


class Connection:
    transport = "ssh"

    def __init__(self):
        self.options = {"ssh_args": "-o ControlPersist=60s", "timeout": 30, "reconnection_retries": 3}
        self.resets = 0

    def reset(self):
        self.resets += 1

    def get_option(self, name):
        return self.options[name]

    def set_option(self, name, value):
        self.options[name] = value


class Action:
    """Answers each verb from its list; an exception is raised, the last answer is repeated."""

    def __init__(self, **answers):
        self.answers = {
            verb: itertools.chain(given, itertools.repeat(given[-1])) for verb, given in answers.items()
        }
        self._connection = Connection()
        self.commands = []

    def _low_level_execute_command(self, command):
        self.commands.append((command, dict(self._connection.options)))
        (verb,) = re.findall(r"rollback\.sh (\w+);", command)
        answer = next(self.answers[verb])
        if isinstance(answer, Exception):
            raise answer
        return {"rc": 1 if answer == "sudo: no" else 0, "stdout": answer, "stderr": ""}


LOST = AnsibleConnectionFailure("no route")


@pytest.fixture(autouse=True)
def clock(monkeypatch):
    """Time that passes only while one sleeps."""
    now = [0.0]
    monkeypatch.setattr(confirmation.time, "monotonic", lambda: now[0])
    monkeypatch.setattr(confirmation.time, "sleep", lambda seconds: now.__setitem__(0, now[0] + seconds))
    return now


def confirm(action, seconds=5):
    result = {"guard": "armed", "changed": True, "paths": ["/etc/a"]}
    Confirmation(action, "demo", {"seconds": seconds}).confirm(result)
    return result


def test_a_new_connection_confirms():
    action = Action(disarm=["disarmed\r\n"])
    assert confirm(action) == {"guard": "confirmed", "changed": True, "paths": ["/etc/a"]}
    command, options = action.commands[0]
    assert "then /bin/sh /var/lib/groundwork/rollback/demo/rollback.sh disarm;" in command
    assert options["ssh_args"].startswith("-o ControlPath=none ")
    assert action._connection.resets == 1
    assert action._connection.options["ssh_args"] == "-o ControlPersist=60s"
    assert action._connection.options["timeout"] == 30


def test_a_connection_that_takes_a_while_confirms():
    assert confirm(Action(disarm=[LOST, LOST, "disarmed"]))["guard"] == "confirmed"


def test_an_answer_that_was_lost_counts():
    assert confirm(Action(disarm=["", "disarmed"]))["guard"] == "confirmed"
    action = Action(disarm=[LOST, "disarmed"])
    assert confirm(action)["guard"] == "confirmed"
    (asked, _options) = action.commands[-1]
    assert asked.endswith("test -e /run/groundwork-rollback/demo; then echo disarmed; fi")


def test_broken_privileges_do_not_confirm():
    action = Action(
        disarm=["sudo: no"], collect=["sudo: no", "sudo: no", "fired\nchanged: /etc/a\nput back at noon"]
    )
    result = confirm(action)
    assert (result["failed"], result["changed"], result["guard"]) == (True, False, "rolled_back")
    assert "within 5 seconds after /etc/a had changed" in result["msg"]
    assert (
        "put the previous files back and is reachable again. The last attempt said: sudo: no" in result["msg"]
    )
    assert result["rollback"] == ["changed: /etc/a", "put back at noon"]


def test_a_host_that_does_not_come_back_is_told_as_such(clock):
    result = confirm(Action(disarm=[LOST], collect=[LOST]))
    assert "puts the previous files back by itself, but is still not reachable: no route" in result["msg"]
    assert clock[0] >= 65


@pytest.mark.parametrize("state", ["firing", "fired"])
def test_the_rollback_can_be_quicker(state):
    result = confirm(Action(disarm=[state], collect=["firing", "fired\nchanged: /etc/a"]))
    assert result["guard"] == "rolled_back"


def test_a_guard_that_vanished_confirms_nothing():
    result = confirm(Action(disarm=[LOST, ""], collect=[""]))
    assert "removed by somebody else" in result["msg"]


def test_a_run_whose_connection_broke_waits_for_the_rollback():
    action = Action(collect=[LOST, "armed", "firing", "fired\nchanged: /etc/a"])
    result = Confirmation(action, "demo", {"seconds": 5}).lost(AnsibleConnectionFailure("broken pipe"))
    assert result["failed"] is True
    assert "The last attempt said: broken pipe" in result["msg"]


def test_a_run_that_armed_nothing_fails_as_it_did():
    with pytest.raises(AnsibleConnectionFailure, match="broken pipe"):
        Confirmation(Action(collect=[""]), "demo", {}).lost(AnsibleConnectionFailure("broken pipe"))


def test_local_connections_are_asked_directly():
    action = Action(disarm=["disarmed"])
    action._connection.transport = "local"
    assert confirm(action)["guard"] == "confirmed"
    assert action.commands[0][1]["ssh_args"] == "-o ControlPersist=60s"
