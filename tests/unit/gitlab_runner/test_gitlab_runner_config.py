"""config.toml: what is written reads back, tokens and others' runners stay, and jobs can choose nothing."""

from __future__ import annotations

import datetime
from typing import Any

import pytest
import tomllib
from ansible_collections.groundwork.platform.plugins.module_utils.gitlab_runner import config, model, toml

BASE: dict[str, Any] = {"project": "shop/api", "tags": ["build"]}
DOCKER = {**BASE, "name": "a", "on": ["node1"], "executor": "docker", "image": "debian:13"}
SHELL = {**BASE, "name": "s", "on": ["node1"], "executor": "shell", "concurrency": 3}
CLUSTER = {**BASE, "name": "k", "kubernetes": ["one"], "image": "debian:13"}
SETTINGS = config.Settings("https://gitlab.example.com")
LABEL = "a on node1 (groundwork)"
GIVEN = {LABEL: {"id": 7, "token": "glrt-one", "token_obtained_at": "2026-01-02T03:04:05+00:00"}}


def desired(*entries: dict[str, Any], place: str = "node1", kubernetes: bool = False) -> config.Document:
    return config.desired(model.at(model.parse(list(entries)), place, kubernetes), place, SETTINGS)


@pytest.mark.parametrize(
    "document",
    [
        {},
        {"a": 1, "b": {"c": {"d": [1, "x", True, 0.5]}}, "e": "after a table in input"},
        {"runners": [{"name": "one", "docker": {"volumes": []}}, {"name": "two"}]},
        {"text": 'quote " back \\ tab \t new\nline \x00\x1f\x7f ümläut', "key with blank": {"a.b": "c"}},
        {"time": datetime.datetime(2026, 1, 2, 3, 4, 5, tzinfo=datetime.timezone.utc)},
    ],
)
def test_toml_reads_back_what_was_written(document: dict[str, Any]) -> None:
    assert tomllib.loads(toml.dumps(document)) == document


def test_toml_has_no_form_for_everything() -> None:
    with pytest.raises(ValueError, match="TOML has no form for"):
        toml.dumps({"a": [object()]})
    assert toml.dumps({"a": None}) == "\n"


def test_a_new_token_goes_in_and_an_old_one_stays() -> None:
    first = config.merged(desired(DOCKER), {}, GIVEN)
    text = config.text(first)
    assert "token_obtained_at = 2026-01-02T03:04:05Z" in text
    present = config.parse(text)
    again = config.merged(desired(DOCKER), present, {})
    assert config.same(again, present)
    assert config.known(present) == {LABEL: config.Known(7, None, True)}


def test_a_runner_without_a_token_is_never_written() -> None:
    with pytest.raises(config.ConfigError, match="there is no token for the runner a on node1"):
        config.merged(desired(DOCKER), {"runners": [{"name": LABEL, "id": 7, "token": ""}]}, {})


def test_runners_of_others_stay_as_they_are() -> None:
    foreign = {
        "name": "by hand",
        "url": "https://x",
        "token": "glrt-other",
        "executor": "shell",
        "x": {"y": 1},
    }
    wanted = config.merged(desired(DOCKER), {"runners": [foreign]}, GIVEN)
    assert wanted["runners"][1] == foreign
    assert list(config.known(wanted)) == [LABEL]


def test_what_the_runner_itself_adds_is_no_difference() -> None:
    wanted = config.merged(desired(DOCKER), {}, GIVEN)
    saved = config.parse(config.text(wanted))
    saved["session_server"] = {"session_timeout": 0}
    saved["runners"][0] |= {
        "cache": {"MaxUploadedArchiveSize": 0, "s3": {}},
        "token_expires_at": config.NEVER,
    }
    assert config.same(wanted, saved)
    for path, value in (("privileged", True), ("tls_verify", True)):
        changed = config.parse(config.text(wanted))
        changed["runners"][0]["docker"][path] = value
        assert not config.same(wanted, changed), path
    saved["session_server"]["session_timeout"] = 1800
    assert not config.same(wanted, saved)


def test_an_end_of_a_token_is_known() -> None:
    end = datetime.datetime(2027, 1, 1, tzinfo=datetime.timezone.utc)
    given = {LABEL: {**GIVEN[LABEL], "token_expires_at": "2027-01-01T00:00:00.000Z"}}
    present = config.parse(config.text(config.merged(desired(DOCKER), {}, given)))
    assert config.known(present)[LABEL].expires_at == end


def test_nothing_secret_is_shown() -> None:
    settings = config.Settings(
        "https://x", cache={"address": "s3", "bucket": "b", "access_key": "AKID", "secret_key": "s3cr3t"}
    )
    runners = model.parse([{**DOCKER, "environment": {"TOKEN": "v4lue"}}])
    wanted = config.merged(config.desired(runners, "node1", settings), {}, GIVEN)
    shown = toml.dumps(config.without_secrets(wanted))
    assert [word for word in ("glrt-one", "s3cr3t", "AKID", "v4lue") if word in shown] == []
    assert "s3cr3t" in toml.dumps(wanted)


def test_concurrency_adds_up() -> None:
    assert desired(DOCKER, SHELL)["concurrent"] == 4
    assert desired()["concurrent"] == 1


def test_containers_are_shut_in_and_share_nothing() -> None:
    docker = desired(DOCKER)["runners"][0]["docker"]
    assert (docker["privileged"], docker["services_privileged"], docker["volumes"]) == (False, False, [])
    assert docker["disable_cache"] is True
    assert docker["security_opt"] == ["no-new-privileges"]
    podman = desired({**DOCKER, "executor": "podman"})["runners"][0]
    assert (podman["executor"], podman["docker"]["host"]) == ("docker", config.PODMAN_SOCKET)


def test_caches_have_a_path_of_their_own() -> None:
    settings = config.Settings("https://x", cache={"address": "s3", "bucket": "b"})
    runners = model.parse([DOCKER, {**DOCKER, "name": "b"}])
    sections = config.desired(runners, "node1", settings)["runners"]
    assert [section["cache"]["Path"] for section in sections] == ["a", "b"]
    assert {section["cache"]["Shared"] for section in sections} == {False}


def test_a_job_in_a_cluster_can_choose_nothing() -> None:
    kubernetes = desired(CLUSTER, place="one", kubernetes=True)["runners"][0]["kubernetes"]
    overwrites = {key: value for key, value in kubernetes.items() if "overwrite" in key}
    assert len(overwrites) == 7
    assert not any(overwrites.values())
    assert (kubernetes["namespace"], kubernetes["service_account"]) == ("ci-k", "job")
    assert kubernetes["automount_service_account_token"] is False
    for part in ("build", "helper", "service", "init_permissions"):
        context = kubernetes[f"{part}_container_security_context"]
        assert context["allow_privilege_escalation"] is False
        assert (context["run_as_non_root"], context["capabilities"]) == (True, {"drop": ["ALL"]})
    assert "seccompProfile: {type: RuntimeDefault}" in kubernetes["pod_spec"][0]["patch"]
