"""What goes wrong: addons that fail, runs that are killed, and two runs at once."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.groundwork.platform.plugins.module_utils.addons import engine, lease

from tests.integration.addons.catalogs import CONFIG, DEPLOYMENT
from tests.integration.addons.world import SCHEMA, SYSTEM, World

# Helm waits for it, for as long as no node has the label.
HOOK = """\
apiVersion: batch/v1
kind: Job
metadata:
  name: {{ .Release.Name }}-hook
  annotations:
    helm.sh/hook: pre-install,pre-upgrade
    helm.sh/hook-delete-policy: before-hook-creation,hook-succeeded
spec:
  template:
    spec:
      restartPolicy: Never
      {{- with .Values.nodes }}
      nodeSelector: {nodes: {{ . }}}
      {{- end }}
      tolerations: [{operator: Exists}]
      containers:
        - name: main
          image: registry.test/hook:1
"""
NOWHERE = {"one": {"nodes": "nowhere"}}


def eventually(holds: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + 60
    while not holds():
        assert time.monotonic() < deadline, f"not seen within a minute: {what}"
        time.sleep(0.1)


def in_background(world: World, *selection: str, **arguments: object) -> subprocess.Popen[bytes]:
    """A run as a process of its own, with all that it starts in a group of its own."""
    program = (
        "import json, sys\n"
        "import tests.integration.addons\n"
        "from ansible_collections.groundwork.platform.plugins.module_utils.addons import session\n"
        "given, catalog, schema = json.loads(sys.argv[1])\n"
        "session.answer(given, [catalog], schema, 'engine', lambda line: None, False, False)\n"
    )
    given = [world.arguments(*selection, **arguments), str(world.catalog.folder), str(SCHEMA)]
    return subprocess.Popen([sys.executable, "-c", program, json.dumps(given)], start_new_session=True)


def kill(process: subprocess.Popen[bytes]) -> None:
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def test_a_failure_goes_back_to_the_last_good_release_and_the_rest_goes_on(world: World) -> None:
    templates = {"main.yaml": DEPLOYMENT, "config.yaml": CONFIG}
    world.catalog.addon("one", templates, health=[{"deployment": "one"}], timeout="3s")
    world.catalog.addon("two", needs=["one"])
    world.catalog.addon("three")
    assert not world.run("one", "two", "three").get("failed")
    values = {
        "one": {"nodes": "nowhere", "colour": "blue"},
        "two": {"colour": "blue"},
        "three": {"colour": "blue"},
    }
    result = world.run("one", "two", "three", values=values)
    assert result["failed"]
    states = {name: found["state"] for name, found in result["addons"].items()}
    assert states == {"one": "failed", "two": "not started", "three": "ready"}
    assert "one: failed: deployment addons/one:" in result["msg"]
    assert "rolled back to revision 1" in result["msg"]
    # Why: that no node takes its pod.
    assert "node" in result["msg"].partition("\n")[2]
    assert (world.colour("one"), world.colour("two"), world.colour("three")) == ("red", "red", "blue")
    record = world.record("one")
    assert record is not None and record["state"] == "failed"
    again = world.run("one", "two", "three")
    assert not again.get("failed")
    assert not world.run("one", "two", "three")["changed"]


def test_a_first_release_that_fails_is_taken_away(world: World) -> None:
    templates = {"main.yaml": DEPLOYMENT, "config.yaml": CONFIG}
    world.catalog.addon("one", templates, health=[{"deployment": "one"}], timeout="3s")
    result = world.run("one", values=NOWHERE)
    assert "its release is removed" in result["msg"]
    assert world.colour("one") is None
    assert world.revisions("one") == []
    assert not world.run("one").get("failed")
    assert world.colour("one") == "red"


def test_an_install_that_was_killed_is_recovered_by_the_next_run(world: World) -> None:
    world.catalog.addon("one", {"hook.yaml": HOOK, "config.yaml": CONFIG})
    process = in_background(world, "one", values=NOWHERE)
    eventually(lambda: (1, "pending-install") in world.revisions("one"), "a pending release")
    kill(process)
    record = world.record("one")
    assert record is not None and record["state"] == "applying"
    result = world.run("one")
    assert not result.get("failed"), result
    assert "one: recovering the release, which is pending-install" in world.lines
    assert world.colour("one") == "red"
    assert world.revisions("one")[-1][1] == "deployed"
    assert not world.run("one")["changed"]


def test_an_upgrade_that_was_killed_is_recovered_by_the_next_run(world: World) -> None:
    world.catalog.addon("one", {"hook.yaml": HOOK, "config.yaml": CONFIG})
    world.run("one")
    process = in_background(world, "one", values={"one": {"nodes": "nowhere", "colour": "blue"}})
    eventually(lambda: (2, "pending-upgrade") in world.revisions("one"), "a pending release")
    kill(process)
    result = world.run("one", values={"one": {"colour": "green"}})
    assert not result.get("failed"), result
    assert world.colour("one") == "green"
    assert world.revisions("one")[-1][1] == "deployed"
    assert not world.run("one", values={"one": {"colour": "green"}})["changed"]


def test_the_second_of_two_runs_is_refused_with_the_firsts_name(world: World) -> None:
    world.catalog.addon("one", {"hook.yaml": HOOK, "config.yaml": CONFIG})
    world.catalog.addon("two")
    process = in_background(world, "one", values=NOWHERE)
    try:
        eventually(lambda: (1, "pending-install") in world.revisions("one"), "a pending release")
        said = world.refused("two")
        assert "engine is being changed by" in said
        assert f"(process {process.pid})" in said
        # A run that changes nothing needs no lease, and is not in the way of anybody.
        assert not world.run()["changed"]
    finally:
        kill(process)


def test_a_lease_of_another_machine_holds_until_it_is_over(world: World) -> None:
    world.catalog.addon("one")
    world.run("one")
    lease = {
        "apiVersion": "coordination.k8s.io/v1",
        "kind": "Lease",
        "metadata": {"name": "groundwork-addons", "namespace": SYSTEM, "annotations": {}},
        "spec": {
            "holderIdentity": "alice@elsewhere (process 7)",
            "leaseDurationSeconds": 60,
            "renewTime": time.strftime("%Y-%m-%dT%H:%M:%S.000000Z", time.gmtime()),
        },
    }
    annotation = {"groundwork.platform/process": "another-boot/1/7/1"}
    world.kubectl("delete", "lease", "groundwork-addons", "--namespace", SYSTEM)
    world.create({**lease, "metadata": {**lease["metadata"], "annotations": annotation}})  # type: ignore[dict-item]
    assert "alice@elsewhere" in world.refused("one", values={"one": {"colour": "blue"}})
    lease["spec"]["renewTime"] = "2026-01-01T00:00:00.000000Z"  # type: ignore[index]
    world.create(lease)
    assert not world.run("one", values={"one": {"colour": "blue"}}).get("failed")


def runs_of_helm(world: World, release: str) -> list[str]:
    """Command lines of Helm at work on a release of this cluster."""
    lines = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with suppress(OSError):
            lines.append(path.read_text().replace("\0", " "))
    return [line for line in lines if f"upgrade {release} " in line and str(world.kubeconfig) in line]


def test_helm_ends_with_the_run_that_started_it(world: World) -> None:
    """Killed alone, without the group: what it had started would go on beside the next run."""
    world.catalog.addon("one", {"hook.yaml": HOOK, "config.yaml": CONFIG})
    process = in_background(world, "one", values=NOWHERE)
    try:
        eventually(lambda: (1, "pending-install") in world.revisions("one"), "a pending release")
        assert runs_of_helm(world, "one")
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        eventually(lambda: not runs_of_helm(world, "one"), "the end of Helm")
        assert not world.run("one").get("failed")
        assert world.colour("one") == "red"
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)


@pytest.mark.parametrize("gets_ready", [True, False])
def test_a_run_that_loses_its_lease_changes_nothing_more(
    world: World, monkeypatch: pytest.MonkeyPatch, gets_ready: bool
) -> None:
    """Somebody else may be at work by now: nothing is started, noted, or rolled back."""
    leases: list[lease.Lease] = []

    def often(api: Any, name: str) -> lease.Lease:
        leases.append(lease.Lease(api, name, interval=0.1))
        return leases[-1]

    monkeypatch.setattr(engine, "Lease", often)
    templates = {"main.yaml": DEPLOYMENT, "config.yaml": CONFIG}
    world.catalog.addon(
        "one", templates, health=[{"deployment": "one"}], timeout="60s" if gets_ready else "6s"
    )
    world.catalog.addon("two", needs=["one"])
    assert not world.run("one", "two").get("failed")
    blue = {"one": {"nodes": "there", "colour": "blue"}, "two": {"colour": "blue"}}
    with ThreadPoolExecutor(max_workers=1) as pool:
        running = pool.submit(world.run, "one", "two", values=blue)
        try:
            eventually(
                lambda: any("one: waiting for deployment" in line for line in world.lines), "the release"
            )
            spec = {
                "holderIdentity": "alice@elsewhere (process 7)",
                "leaseDurationSeconds": 1,
                "acquireTime": "2026-01-01T00:00:00.000000Z",
                "renewTime": "2026-01-01T00:00:00.000000Z",
            }
            patch = json.dumps({"spec": spec})
            named = ("lease", "groundwork-addons", "--namespace", SYSTEM)
            world.kubectl("patch", *named, "--type=merge", f"--patch={patch}")
            eventually(lambda: leases[-1].lost, "the loss of the lease")
            if gets_ready:
                world.kubectl("label", "nodes", "--all", "nodes=there")
            result = running.result()
        finally:
            world.kubectl("label", "nodes", "--all", "nodes-")
    assert result["failed"]
    assert "one: failed:" in result["msg"]
    assert "two: not started:" in result["msg"]
    assert "the run has lost its lease: it is held by alice@elsewhere (process 7) now" in result["msg"]
    assert world.revisions("one") == [(1, "superseded"), (2, "deployed")]
    record = world.record("one")
    assert record is not None and (record["state"], record["revision"]) == ("applying", 1)
    found = world.get("lease", "groundwork-addons", SYSTEM)
    assert found is not None and found["spec"] == spec
    # What is left, the next run finishes.
    assert not world.run("one", "two", values={"two": {"colour": "blue"}}).get("failed")
    assert (world.colour("one"), world.colour("two")) == ("red", "blue")
    assert not world.run("one", "two", values={"two": {"colour": "blue"}})["changed"]


def test_somebodys_release_that_never_came_up_is_not_taken_away(world: World) -> None:
    """Going back from it would be to remove it, and what is in it is not ours."""
    world.catalog.addon("one", {"hook.yaml": HOOK, "config.yaml": CONFIG})
    chart = str(world.catalog.mirror / "one-1.0.0.tgz")
    world.kubectl("create", "namespace", "addons", check=False)
    command = [world.helm, "install", "one", chart, "--namespace", "addons", "--set=nodes=nowhere"]
    subprocess.run(
        [*command, "--kubeconfig", str(world.admin), "--timeout=1s"], check=False, capture_output=True
    )
    assert world.revisions("one") == [(1, "failed")]
    assert "somebody else made the release addons/one, which never was deployed" in world.refused("one")
    assert world.revisions("one") == [(1, "failed")]


def test_somebodys_helm_at_work_is_not_disturbed(world: World) -> None:
    world.catalog.addon("one", {"hook.yaml": HOOK, "config.yaml": CONFIG})
    chart = str(world.catalog.mirror / "one-1.0.0.tgz")
    world.kubectl("create", "namespace", "addons", check=False)
    command = [world.helm, "install", "one", chart, "--namespace", "addons", "--set=nodes=nowhere"]
    process = subprocess.Popen([*command, "--kubeconfig", str(world.admin)], start_new_session=True)
    try:
        eventually(lambda: (1, "pending-install") in world.revisions("one"), "a pending release")
        assert "somebody's Helm is changing the release addons/one" in world.refused("one")
    finally:
        kill(process)
