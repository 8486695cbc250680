"""Bad input that only the cluster or the charts can tell: refused before anything changes."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
import yaml
from ansible_collections.groundwork.platform.plugins.module_utils.addons.model import AddonError

from tests.integration.addons.catalogs import CONFIG
from tests.integration.addons.world import World


def test_a_value_that_the_chart_does_not_know(world: World) -> None:
    world.catalog.addon("one")
    world.catalog.addon("two")
    said = world.refused("one", "two", values={"one": {"color": "blue", "labels": {"team": "a"}}})
    assert said == "k8s_addons_values.one has color: the chart one 1.0.0 knows no such value"


def test_a_cycle(world: World) -> None:
    world.catalog.addon("one", needs=["two"])
    world.catalog.addon("two", needs=["one"])
    assert world.refused("one", "two") == "k8s_addons_selection has a cycle: one -> two -> one"


def test_a_chart_with_another_digest_than_the_locks(world: World) -> None:
    world.catalog.addon("one")
    world.catalog.lock("one", digest=f"sha256:{'0' * 64}")
    said = world.refused("one")
    assert f"the lock says sha256:{'0' * 64}" in said


def test_the_digest_that_was_seen_first_is_kept_to(world: World, tmp_path: Path) -> None:
    world.catalog.addon("one")
    world.run("one")
    first = f"sha256:{hashlib.sha256((world.catalog.mirror / 'one-1.0.0.tgz').read_bytes()).hexdigest()}"
    assert any(f"trusting {first}, seen first now" in line for line in world.lines)
    world.catalog.addon("one", {"config.yaml": CONFIG + "  more: 'yes'\n"})
    said = world.refused("one", values={"one": {"colour": "blue"}}, cache=str(tmp_path / "cache"))
    assert f"the digest that was seen first says {first}" in said


def test_an_addon_that_needs_a_newer_kubernetes(world: World) -> None:
    world.catalog.addon("one", kubernetes=">=1.99")
    world.catalog.addon("two")
    said = world.refused("one", "two")
    assert said.startswith("one 1.0.0 needs Kubernetes >=1.99: the cluster has v1.")


def test_a_chart_without_a_source(world: World) -> None:
    world.catalog.addon("one")
    world.catalog.addon("two", needs=["one"])
    world.catalog.addon("three")
    (world.catalog.mirror / "one-1.0.0.tgz").unlink()
    said = world.refused("one", "two", "three")
    assert "one 1.0.0 has no source" in said
    assert (
        "Set k8s_addons_charts_mirror (GROUNDWORK_CHART_MIRROR in the lab) to a folder with one-1.0.0.tgz"
        in said
    )
    result = world.run("one", "two", "three", unavailable="skip")
    states = {name: found["state"] for name, found in result["addons"].items()}
    assert states == {"one": "no chart source", "two": "not started", "three": "ready"}
    assert not result.get("failed")
    again = world.run("one", "two", "three", unavailable="skip")
    assert (again["changed"], again["stats"]["calls"], again["stats"]["processes"]) == (False, 2, 0)
    assert any("one is left out: one 1.0.0 has no source" in line for line in world.lines)


def test_a_no_op_that_leaves_much_out_makes_two_requests(world: World) -> None:
    """Whatever else they would be asked about: Secrets, the version of Kubernetes, monitors."""
    rules = {"groups": [{"name": "one", "rules": [{"alert": "Down", "expr": "up == 0"}]}]}
    world.catalog.addon(
        "one",
        kubernetes=">=1.99",
        secrets=[{"name": "login", "keys": ["word"], "description": "What it logs in with."}],
        files={"alerts/one.yml": rules},
    )
    world.catalog.addon("watch", provides=["metrics"])
    world.catalog.addon("two", files={"alerts/two.yml": rules})
    world.catalog.addon("three", needs=["one"])
    for name in ("one", "watch"):
        (world.catalog.mirror / f"{name}-1.0.0.tgz").unlink()
    selection = ("one", "watch", "two", "three")
    first = world.run(*selection, unavailable="skip")
    assert first["addons"]["two"]["state"] == "ready"
    for check in (False, True):
        again = world.run(*selection, unavailable="skip", check=check, diff=check)
        assert (again["changed"], again["stats"]["calls"], again["stats"]["processes"]) == (False, 2, 0)


@pytest.mark.parametrize("content", [b"", b"<html>not found</html>", b"\x1f\x8b\x08\x00cut"])
def test_a_file_that_is_no_chart(world: World, content: bytes) -> None:
    world.catalog.addon("one")
    (world.catalog.mirror / "one-1.0.0.tgz").write_bytes(content)
    said = world.refused("one")
    assert said.startswith("one 1.0.0: ")
    assert ".tgz is no chart: " in said


def test_manifests_that_are_none(world: World) -> None:
    world.catalog.mirror.mkdir()
    (world.catalog.mirror / "plain-v1.0.0.yml").write_text("metadata: {name: nothing}\n")
    source = {"version": "v1.0.0", "url": "https://example.com/all.yaml"}
    world.catalog.entry("plain", {}, manifests=source, crds={"from": "manifests"})
    assert "an object needs apiVersion, kind and metadata.name" in world.refused("plain")


def test_a_record_that_somebody_has_broken(world: World) -> None:
    world.catalog.addon("one")
    world.run("one")
    patch = '--patch={"data":{"one":"{"}}'
    world.kubectl("patch", "configmap", "groundwork-addons", "-n", "groundwork-system", "--type=merge", patch)
    assert "has a record of one that can't be read" in world.refused("one")


def test_a_secret_that_nobody_made(world: World) -> None:
    needed = {"name": "login", "keys": ["word"], "description": "What it logs in with."}
    world.catalog.addon("one", secrets=[needed])
    said = world.refused("one")
    assert "one needs the Secret addons/login, which is missing: What it logs in with." in said
    world.kubectl("create", "namespace", "addons", check=False)
    world.kubectl("create", "secret", "generic", "login", "--namespace=addons", "--from-literal=other=x")
    assert "which lacks word" in world.refused("one")


def test_a_cluster_that_does_not_answer(world: World, tmp_path: Path) -> None:
    world.catalog.addon("one")
    config = yaml.safe_load(world.kubeconfig.read_text())
    config["clusters"][0]["cluster"]["server"] = "https://127.0.0.1:9"
    away = tmp_path / "away"
    away.write_text(yaml.safe_dump(config))
    assert "engine does not answer at https://127.0.0.1:9" in world.refused("one", kubeconfig=str(away))


def test_a_login_that_has_expired(world: World, tmp_path: Path) -> None:
    world.catalog.addon("one")
    config = yaml.safe_load(world.kubeconfig.read_text())
    config["users"][0]["user"] = {"token": "expired"}
    expired = tmp_path / "expired"
    expired.write_text(yaml.safe_dump(config))
    assert "refuses the login of the kubeconfig (401)" in world.refused("one", kubeconfig=str(expired))


@pytest.mark.parametrize("text", ["", "no: kubeconfig", "{"])
def test_a_file_that_is_no_kubeconfig(world: World, tmp_path: Path, text: str) -> None:
    broken = tmp_path / "broken"
    broken.write_text(text)
    with pytest.raises(AddonError, match="k8s_addons_kubeconfig is "):
        world.run(kubeconfig=str(broken))
