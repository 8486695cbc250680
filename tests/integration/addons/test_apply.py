"""Installing and changing: order, definitions, requests, and what a second run makes."""

from __future__ import annotations

import threading
import time

import yaml

from tests.integration.addons.catalogs import CONFIG, DEPLOYMENT, custom, definition
from tests.integration.addons.world import World


def test_a_second_run_makes_two_requests_and_no_process(world: World) -> None:
    for name in ("one", "two", "three"):
        world.catalog.addon(name)
    first = world.run("one", "two", "three")
    assert first["changed"]
    assert {found["state"] for found in first["addons"].values()} == {"ready"}
    assert world.colour("two") == "red"
    second = world.run("one", "two", "three")
    assert not second["changed"]
    assert (second["stats"]["calls"], second["stats"]["processes"]) == (2, 0)
    assert world.lines == []


def test_an_addon_waits_for_what_it_needs_to_be_ready(world: World) -> None:
    world.catalog.addon(
        "base", {"main.yaml": DEPLOYMENT}, provides=["ground"], health=[{"deployment": "base"}]
    )
    world.catalog.addon("house", needs=["ground"])
    world.catalog.addon("other")
    world.run("house", "other", "base")
    assert "house: waiting for base" in world.lines
    ready = next(i for i, line in enumerate(world.lines) if line.startswith("base: ready"))
    assert world.lines.index("house: applying 1.0.0") > ready
    assert world.lines.index("other: applying 1.0.0") < ready


def test_definitions_come_first_and_resources_last(world: World) -> None:
    world.catalog.addon(
        "kinds",
        crds={"from": "files", "files": ["crds/colour.yml"]},
        files={
            "crds/colour.yml": definition("Colour"),
            "resources/red.yml": custom("Colour", "red", depth=1),
        },
    )
    world.catalog.addon(
        "uses",
        {
            "colour.yaml": CONFIG.replace(
                "v1\nkind: ConfigMap", "tests.example.com/v1\nkind: Colour"
            ).replace("\ndata:", "\nspec:")
        },
        needs=["kinds"],
    )
    result = world.run("uses", "kinds")
    assert not result.get("failed"), result
    assert world.get("colours.tests.example.com", "red") is not None
    assert world.get("colours.tests.example.com", "uses") is not None
    found = world.get("customresourcedefinition", "colours.tests.example.com")
    assert found is not None
    assert found["metadata"]["annotations"]["helm.sh/resource-policy"] == "keep"


def test_addons_that_need_nothing_of_each_other_come_side_by_side(world: World) -> None:
    for name in ("one", "two", "three"):
        world.catalog.addon(name, {"main.yaml": DEPLOYMENT}, health=[{"deployment": name}])
    world.run("one", "two", "three", workers=2)
    applying = [i for i, line in enumerate(world.lines) if ": applying" in line]
    ready = [i for i, line in enumerate(world.lines) if ": ready in" in line]
    assert applying[1] < ready[0] < applying[2]


def test_a_dry_run_shows_each_object_and_changes_none(world: World) -> None:
    world.catalog.addon("one", {"config.yaml": CONFIG, "main.yaml": DEPLOYMENT})
    world.run("one")
    before = world.fingerprint()
    result = world.run("one", check=True, diff=True, values={"one": {"colour": "blue"}})
    assert world.fingerprint() == before
    assert [change["key"] for change in result["plan"]] == ["one"]
    headers = {shown["after_header"] for shown in result["diff"]}
    assert headers == {"ConfigMap addons/one (update)", "Deployment addons/one (update)"}
    (config,) = (shown for shown in result["diff"] if shown["after_header"].startswith("ConfigMap"))
    assert "colour: red" in config["before"]
    assert "colour: blue" in config["after"]


def test_a_dry_run_shows_what_a_new_version_takes_away(world: World) -> None:
    world.catalog.addon("one", {"config.yaml": CONFIG + "  old: 'yes'\n", "main.yaml": DEPLOYMENT})
    world.run("one")
    world.catalog.addon("one", version="1.1.0")
    result = world.run("one", check=True, diff=True)
    shown = {shown["after_header"]: shown for shown in result["diff"]}
    assert "Deployment addons/one (delete)" in shown
    assert "old:" not in shown["ConfigMap addons/one (update)"]["after"]
    world.run("one")
    assert world.get("deployment", "one") is None


def test_secrets_are_shown_nowhere(world: World) -> None:
    world.catalog.addon(
        "one", secrets=[{"name": "login", "keys": ["word"], "description": "What it logs in with."}]
    )
    given = {"one": {"login": {"word": "opensesame"}}}
    result = world.run("one", check=True, diff=True, secrets=given)
    assert "(secret, changed)" in str(result["diff"])
    assert "opensesame" not in str(result) + str(world.lines)
    world.run("one", secrets=given)
    assert world.get("secret", "login") is not None
    assert not world.run("one", secrets=given)["changed"]
    again = world.run("one", diff=True, secrets={"one": {"login": {"word": "otherwise"}}})
    assert again["changed"]
    assert "otherwise" not in str(again) + str(world.lines) + str(world.record("one"))


def test_a_release_of_somebody_else_is_adopted(world: World) -> None:
    world.catalog.addon("one")
    world.kubectl("create", "namespace", "addons", check=False)
    chart = str(world.catalog.mirror / "one-1.0.0.tgz")
    world.helm_command("install", "one", chart, "--namespace", "addons", "--set=colour=blue")
    result = world.run("one")
    assert "adopts a release" in result["plan"][0]["after"]["reason"]
    assert world.colour("one") == "red"
    assert not world.run("one")["changed"]


def test_a_release_of_another_chart_is_not_adopted(world: World) -> None:
    world.catalog.addon("one")
    world.catalog.addon("two")
    chart = str(world.catalog.mirror / "two-1.0.0.tgz")
    world.helm_command("install", "one", chart, "--namespace", "addons", "--create-namespace")
    assert "the release addons/one is of the chart two, not one" in world.refused("one")


def test_what_somebody_upgraded_is_put_back(world: World) -> None:
    world.catalog.addon("one")
    world.run("one")
    chart = str(world.catalog.mirror / "one-1.0.0.tgz")
    world.helm_command("upgrade", "one", chart, "--namespace", "addons", "--set=colour=blue")
    result = world.run("one", diff=True)
    assert "revision 2 was made by somebody else, ours is 1" in result["plan"][0]["after"]["reason"]
    assert [shown["after_header"] for shown in result["diff"]] == ["ConfigMap addons/one (update)"]
    assert world.colour("one") == "red"
    assert not world.run("one")["changed"]


def test_drift_is_found_and_not_touched(world: World) -> None:
    policy = {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": {"name": "deny", "namespace": "addons"},
        "spec": {"podSelector": {}, "policyTypes": ["Ingress"]},
    }
    world.catalog.addon(
        "one",
        {"config.yaml": CONFIG, "main.yaml": DEPLOYMENT},
        files={"policies/deny.yml": policy},
        secrets=[{"name": "login", "keys": ["word"], "description": "What it logs in with."}],
    )
    secrets = {"one": {"login": {"word": "opensesame"}}}
    world.run("one", secrets=secrets)
    assert world.run("one", state="drift", secrets=secrets)["drift"] == []
    world.kubectl(
        "patch", "configmap", "one", "-n", "addons", "--type=merge", '--patch={"data":{"colour":"blue"}}'
    )
    world.kubectl("delete", "networkpolicy", "deny", "--namespace", "addons")
    world.kubectl(
        "patch", "secret", "login", "-n", "addons", "--type=merge", '--patch={"stringData":{"word":"shut"}}'
    )
    found = world.run("one", state="drift", secrets=secrets)
    assert "opensesame" not in str(found) + str(world.lines)
    assert found["drift"] == [
        {"addon": "one", "kind": "update", "object": "Secret addons/login"},
        {"addon": "one", "kind": "create", "object": "NetworkPolicy addons/deny"},
        {"addon": "one", "kind": "update", "object": "ConfigMap addons/one"},
    ]
    assert world.colour("one") == "blue"
    assert not world.run("one", secrets=secrets)["changed"]
    repaired = world.run("one", repair=True, secrets=secrets)
    assert repaired["plan"][0]["after"]["reason"] == "3 objects have drifted"
    assert world.colour("one") == "red"
    assert world.run("one", state="drift", secrets=secrets)["drift"] == []
    assert not world.run("one", repair=True, secrets=secrets)["changed"]


def test_monitors_and_alerts_follow_whoever_provides_metrics(world: World) -> None:
    monitor = custom("ServiceMonitor", "one")
    monitor["apiVersion"] = "monitoring.coreos.com/v1"
    world.catalog.addon(
        "one",
        files={
            "monitors/one.yml": monitor,
            "alerts/one.yml": {"groups": [{"name": "one", "rules": [{"alert": "Down", "expr": "up == 0"}]}]},
        },
    )
    kinds = [definition(kind, "monitoring.coreos.com") for kind in ("ServiceMonitor", "PrometheusRule")]
    world.catalog.addon(
        "watch",
        provides=["metrics"],
        needs=["one"],
        crds={"from": "files", "files": ["crds/monitoring.yml"]},
        files={"crds/monitoring.yml": kinds},
    )
    assert not world.run("one").get("failed")
    result = world.run("one", "watch")
    assert result["addons"]["one.monitoring"]["state"] == "ready", world.lines
    assert result["addons"]["one"]["state"] == "unchanged"
    assert world.get("prometheusrules", "groundwork-one-one") is not None
    assert not world.run("one", "watch")["changed"]


def test_objects_beside_the_chart_take_the_sites_settings(world: World) -> None:
    config = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "beside", "namespace": "addons"},
        "data": {"kept": "yes", "changed": "no"},
    }
    world.catalog.addon("one", files={"resources/beside.yml": config})
    more = {"apiVersion": "v1", "data": {"added": "yes"}}
    given = {"one": {"ConfigMap/beside": {"data": {"changed": "yes"}}, "ConfigMap/addons/more": more}}
    world.run("one", resources=given)
    beside, added = world.get("configmap", "beside"), world.get("configmap", "more")
    assert beside is not None and beside["data"] == {"kept": "yes", "changed": "yes"}
    assert added is not None
    world.run("one", resources={"one": {"ConfigMap/beside": None}})
    assert world.get("configmap", "beside") is None
    assert world.get("configmap", "more") is None


def test_a_charts_own_definitions_are_the_engines(world: World) -> None:
    """Those in crds/, and those that templates have only where values say so: none are in the release."""
    folder = yaml.safe_dump(definition("Colour"))
    template = "{{- if .Values.crds.enabled }}\n" + yaml.safe_dump(definition("Depth")) + "{{- end }}\n"
    values = yaml.safe_dump({"colour": "red", "crds": {"enabled": False}})
    world.catalog.addon(
        "kinds",
        {"config.yaml": CONFIG, "crd.yaml": template},
        chart_files={"crds/colour.yaml": folder, "values.yaml": values},
        crds={"from": "chart", "values": {"crds": {"enabled": True}}},
        files={"resources/all.yml": [custom("Colour", "red"), custom("Depth", "deep")]},
    )
    told = world.run("kinds", check=True, diff=True)
    shown = {shown["after_header"] for shown in told["diff"]}
    assert "CustomResourceDefinition colours.tests.example.com (create)" in shown
    assert "Depth addons/deep (create)" in shown
    result = world.run("kinds")
    assert not result.get("failed"), result
    assert world.get("depths.tests.example.com", "deep") is not None
    held = world.helm_command("get", "manifest", "kinds", "--namespace", "addons")
    assert "CustomResourceDefinition" not in held
    record = world.record("kinds")
    assert record is not None and len(record["crds"]) == 2
    world.run(state="absent")
    assert world.get("customresourcedefinition", "depths.tests.example.com") is not None


def test_manifests_without_a_chart(world: World) -> None:
    config = {"apiVersion": "v1", "kind": "ConfigMap", "data": {"colour": "red"}}
    config["metadata"] = {"name": "plain", "namespace": "addons"}
    text = yaml.safe_dump_all([config, definition("Colour")])
    world.catalog.mirror.mkdir()
    (world.catalog.mirror / "plain-v1.0.0.yml").write_text(text)
    world.kubectl("create", "namespace", "addons", check=False)
    world.catalog.entry(
        "plain",
        {"resources/red.yml": custom("Colour", "red")},
        manifests={"version": "v1.0.0", "url": "https://example.com/v1.0.0/all.yaml"},
        crds={"from": "manifests"},
        health=[
            {
                "condition": {
                    "api_version": "apiextensions.k8s.io/v1",
                    "kind": "CustomResourceDefinition",
                    "name": "colours.tests.example.com",
                    "type": "Established",
                }
            }
        ],
    )
    result = world.run("plain")
    assert not result.get("failed"), result
    assert world.colour("plain") == "red"
    again = world.run("plain")
    assert (again["changed"], again["stats"]["calls"], again["stats"]["processes"]) == (False, 2, 0)
    world.kubectl("delete", "configmap", "plain", "--namespace=addons")
    missing = {"addon": "plain", "kind": "create", "object": "ConfigMap addons/plain"}
    assert world.run("plain", state="drift")["drift"] == [missing]
    world.run("plain", repair=True)
    world.run(state="absent")
    assert world.colour("plain") is None


def test_resources_wait_for_the_webhook(world: World) -> None:
    configuration = {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "ValidatingWebhookConfiguration",
        "metadata": {"name": "gate"},
        "webhooks": [
            {
                "name": "gate.tests.example.com",
                "clientConfig": {
                    "caBundle": "e30=",
                    "service": {"name": "gate", "namespace": "addons", "path": "/"},
                },
                "failurePolicy": "Ignore",
                "timeoutSeconds": 1,
                "rules": [],
                "sideEffects": "None",
                "admissionReviewVersions": ["v1"],
            }
        ],
    }
    beside = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "beside", "namespace": "addons"}}
    world.catalog.addon(
        "gate",
        {"webhook.yaml": yaml.safe_dump(configuration)},
        waits=[{"webhook": "gate"}],
        files={"resources/beside.yml": beside},
    )
    endpoint = {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {
            "name": "gate-1",
            "namespace": "addons",
            "labels": {"kubernetes.io/service-name": "gate"},
        },
        "addressType": "IPv4",
        "endpoints": [{"addresses": ["192.0.2.1"], "conditions": {"ready": True}}],
        "ports": [{"port": 443}],
    }

    def comes_up() -> None:
        while not any("has no endpoint that is ready" in line for line in world.lines):
            time.sleep(0.05)
        assert world.get("configmap", "beside") is None
        world.create(endpoint)

    controller = threading.Thread(target=comes_up)
    controller.start()
    result = world.run("gate")
    controller.join()
    assert not result.get("failed"), result
    assert world.get("configmap", "beside") is not None
    world.run(state="absent")


def test_an_api_service_and_an_object_are_waited_for_by_their_conditions(world: World) -> None:
    world.catalog.addon(
        "one",
        {"main.yaml": DEPLOYMENT},
        waits=[{"apiservice": "v1.apps"}, {"deployment": "one"}],
        health=[
            {
                "condition": {
                    "api_version": "apps/v1",
                    "kind": "Deployment",
                    "name": "one",
                    "type": "Available",
                }
            }
        ],
    )
    assert not world.run("one").get("failed"), world.lines
    world.catalog.addon("two", waits=[{"apiservice": "v1.nowhere.example.com"}], timeout="1s")
    result = world.run("one", "two")
    assert "two: failed: apiservice v1.nowhere.example.com: is not there" in result["msg"]
