"""What a failed item goes back to, and what outlives an API server that restarts."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from ansible_collections.groundwork.platform.plugins.module_utils.addons import api, cluster, health
from ansible_collections.groundwork.platform.plugins.module_utils.addons.apply import Applying
from ansible_collections.groundwork.platform.plugins.module_utils.addons.inventory import Record, Release
from ansible_collections.groundwork.platform.plugins.module_utils.addons.model import (
    Chart,
    Entry,
    Namespace,
    Probe,
)

ENTRY = Entry(
    "one", "", "", "", chart=Chart("one", "1.0.0"), release="one", namespace=Namespace("addons", "baseline")
)


class Helm:
    """Notes what it is asked for."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, int]] = []

    def rollback(self, _target: object, revision: int, _timeout: int) -> None:
        self.asked.append(("rollback", revision))

    def uninstall(self, _target: object, _timeout: int) -> None:
        self.asked.append(("uninstall", 0))


def went_back(former: Record | None, release: Release | None, kept: tuple[int, ...]) -> list[tuple[str, int]]:
    helm = Helm()

    def get(path: str) -> dict[str, Any] | None:
        return {} if path.endswith(tuple(f".v{revision}" for revision in kept)) else None

    made = SimpleNamespace(
        helm=helm, api=SimpleNamespace(get=get, request=lambda *_arguments, **_more: {"items": []})
    )
    prepared = SimpleNamespace(item=SimpleNamespace(entry=ENTRY))
    applying = Applying(made, prepared, former, release, lambda _line: None)  # type: ignore[arg-type]
    applying._back(former.revision if former is not None else 0)
    return helm.asked


def release(revision: int, deployed: int) -> Release:
    return Release("one", "addons", revision, "deployed", deployed=deployed)


@pytest.mark.parametrize(
    ("former", "found", "kept", "asked"),
    [
        # It is new: it goes.
        (None, None, (), [("uninstall", 0)]),
        # It was never good, in no run of ours.
        (Record("failed"), release(1, 0), (1,), [("uninstall", 0)]),
        (Record("ready", revision=3), release(3, 3), (3,), [("rollback", 3)]),
        # Somebody upgraded it since.
        (Record("ready", revision=3), release(4, 4), (3, 4), [("rollback", 4)]),
        # Helm calls 4 deployed, which never got ready, and could not be rolled back.
        (Record("failed", revision=3), release(4, 4), (3, 4), [("rollback", 3)]),
        (Record("applying", revision=3), release(4, 4), (3, 4), [("rollback", 3)]),
        (Record("failed", revision=3), release(9, 9), (9,), [("rollback", 9)]),
        # It was good once, and nothing of that is left: volumes may be in it.
        (Record("failed", revision=3), release(9, 0), (9,), []),
    ],
)
def test_goes_back_to_what_was_good(
    former: Record | None, found: Release | None, kept: tuple[int, ...], asked: list[tuple[str, int]]
) -> None:
    assert went_back(former, found, kept) == asked


PASSING = (
    api.UnreachableError(["no answer"]),
    api.ApiError(503, "ServiceUnavailable", "starting", "GET /"),
    api.ApiError(429, "TooManyRequests", "busy", "GET /"),
)


@pytest.mark.parametrize("error", PASSING)
def test_an_api_that_restarts_fails_no_addon(monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    answers = iter([error, error, (True, "")])

    def check(*_arguments: object) -> health.Verdict:
        answer = next(answers)
        if isinstance(answer, Exception):
            raise answer
        return answer

    lines: list[str] = []
    monkeypatch.setattr(health, "check", check)
    monkeypatch.setattr(health, "_SHORTEST", 0.0)
    health.wait(None, None, [Probe("deployment", "one")], 60, lines.append)  # type: ignore[arg-type]
    assert len(lines) == 1
    monkeypatch.setattr(cluster, "_PAUSE", 0.0)
    again = iter([error, "answer"])

    def act() -> str:
        answer = next(again)
        if isinstance(answer, Exception):
            raise answer
        return answer

    assert cluster._patiently(act, {}, float("inf"), "one") == "answer"


def test_what_is_refused_is_not_tried_again() -> None:
    tries: list[int] = []

    def act() -> None:
        tries.append(1)
        raise api.ApiError(422, "Invalid", "cm90dGVu is no colour, nor is rotten", "PATCH /")

    thing = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "x"}, "stringData": {"a": "rotten"}}
    with pytest.raises(cluster.StepError) as error:
        cluster._patiently(act, thing, float("inf"))
    assert len(tries) == 1
    assert str(error.value) == "Secret x: (secret) is no colour, nor is (secret)"
