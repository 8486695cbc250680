"""The ban list's chart: its own schema, what Helm makes of it, and whether the program takes its settings."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.groundwork.platform.plugins.module_utils.addons.known import unknown
from jsonschema import Draft7Validator

from .crds import strict
from .entries import ENVIRONMENTS, chart_keys, merged, the_catalog
from .shipped import CATALOG, CONTRACTS, FILES, NO_CONTRACTS, ROOT, load, load_all, there
from .test_catalog_web import helm

CHART = FILES / "charts" / "ipban"
PROGRAM = ROOT / "roles" / "ipban_agent" / "templates" / "tree" / "usr" / "local" / "lib" / "groundwork"
ALL = ("ingressNginx.enabled=true", "cilium.enabled=true", "envoyGateway.enabled=true")
EVERY = (*(f"--set=denylist.{given}" for given in ALL), "--set=denylist.envoyGateway.gateways={public}")


@pytest.fixture(scope="module", autouse=True)
def program() -> Iterator[None]:
    """The package as the role ships it."""
    sys.path.insert(0, str(PROGRAM))
    yield
    sys.path.remove(str(PROGRAM))


@cache
def rendered(*arguments: str) -> dict[tuple[str, str], dict[str, Any]]:
    done = helm("template", "ipban", str(CHART), "--namespace=ipban", *arguments)
    assert done.returncode == 0, done.stderr
    return {
        (thing["kind"], thing["metadata"]["name"]): thing
        for thing in yaml.safe_load_all(done.stdout)
        if thing
    }


def test_entry_chart_and_image_are_of_the_same_version() -> None:
    chart = load(CHART / "Chart.yaml")
    entry = the_catalog()["ipban"]
    assert entry.chart is not None
    assert (chart["name"], chart["version"]) == (entry.chart.name, entry.chart.version)
    assert Path(entry.chart.path).resolve() == CHART
    image = load(CHART / "values.yaml")["image"]["repository"]
    assert load(Path(entry.folder) / "addon.yml")["images"] == [f"{image}:{chart['appVersion']}"]


def test_its_schema_has_every_value() -> None:
    schema = load(CHART / "values.schema.json")
    Draft7Validator.check_schema(schema)
    values = load(CHART / "values.yaml")
    assert list(Draft7Validator(schema).iter_errors(values)) == []
    assert set(schema["properties"]) - {"global"} == set(values)
    for key in ("nodes", "denylist", "store", "breaker"):
        assert set(schema["properties"][key]["properties"]) == set(values[key])


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_it_knows_the_values_of_its_entry(environment: str) -> None:
    assert unknown(merged("ipban", environment), chart_keys(CHART), the_catalog()["ipban"].free_form) == []


@pytest.mark.parametrize("mode", ["deployment", "cronjob"])
def test_helm_finds_nothing_wrong(mode: str) -> None:
    done = helm("lint", "--strict", str(CHART), *EVERY, f"--set=denylist.mode={mode}")
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_program_takes_the_settings() -> None:
    from ipban.denylist.settings import check as check_denylist
    from ipban.settings import check as check_agent

    made = rendered(*EVERY, "--set=lists={web}", "--set=nodes.action=reject")
    agent = check_agent(json.loads(made["ConfigMap", "ipban-nodes"]["data"]["agent.json"]))
    assert (agent.lists, agent.action, agent.backend) == (("all", "web"), "reject", "nft")
    assert agent.guard.networks == tuple(load(CHART / "values.yaml")["protected"])
    written = made["ConfigMap", "ipban-denylist"]["data"]["denylist.json"]
    assert written == made["ConfigMap", "ipban-remove"]["data"]["denylist.json"]
    denylist = check_denylist(json.loads(written))
    assert [target.label for target in denylist.targets] == [
        "ingress-nginx/ingress-nginx/ingress-nginx-controller",
        "envoy-gateway/envoy-gateway-system/ipban",
        "cilium/ipban",
    ]
    assert denylist.lists == ("all", "web")


def test_without_an_ingress_there_is_nothing_to_write() -> None:
    kinds = {kind for kind, _name in rendered()}
    assert kinds == {"ConfigMap", "ServiceAccount", "DaemonSet"}
    assert "DaemonSet" not in {kind for kind, _name in rendered(*EVERY, "--set=nodes.enabled=false")}


def test_a_node_is_given_the_right_to_filter_and_no_other() -> None:
    pod = rendered()["DaemonSet", "ipban-nodes"]["spec"]["template"]["spec"]
    assert pod["hostNetwork"] is True
    assert pod["automountServiceAccountToken"] is False
    (container,) = pod["containers"]
    security = container["securityContext"]
    assert security["capabilities"] == {"drop": ["ALL"], "add": ["NET_ADMIN"]}
    assert "privileged" not in security
    assert security["readOnlyRootFilesystem"] is True
    assert security["allowPrivilegeEscalation"] is False
    assert {"hostPID", "hostIPC"} & set(pod) == set()
    paths = {volume["hostPath"]["path"] for volume in pod["volumes"] if "hostPath" in volume}
    assert paths == {"/run/groundwork-ipban", "/var/lib/groundwork-ipban"}


def test_absent_takes_the_sets_out_before_anything_else() -> None:
    pod = rendered("--set=nodes.state=absent")["DaemonSet", "ipban-nodes"]["spec"]["template"]["spec"]
    (first,) = pod["initContainers"]
    assert first["args"] == ["remove"]
    assert first["securityContext"] == pod["containers"][0]["securityContext"]
    assert "args" not in pod["containers"][0]


@pytest.mark.parametrize("mode", ["deployment", "cronjob"])
def test_writers_meet_the_strictest_level(mode: str) -> None:
    made = rendered(*EVERY, f"--set=denylist.mode={mode}")
    workloads = {kind for kind, _name in made} & {"Deployment", "CronJob"}
    assert workloads == {"CronJob" if mode == "cronjob" else "Deployment"}
    assert (("PodDisruptionBudget", "ipban-denylist") in made) == (mode == "deployment")
    (kind,) = workloads
    spec = made[kind, "ipban-denylist"]["spec"]
    pod = (spec if kind == "Deployment" else spec["jobTemplate"]["spec"])["template"]["spec"]
    (container,) = pod["containers"]
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}
    assert container["securityContext"]["allowPrivilegeEscalation"] is False
    assert "hostNetwork" not in pod
    assert ("--once" in container["args"]) == (mode == "cronjob")


def test_rights_are_for_one_object_of_each_kind() -> None:
    made = rendered(*EVERY)
    roles = [thing for (kind, _name), thing in made.items() if kind in ("Role", "ClusterRole")]
    assert len(roles) == 6
    for role in roles:
        for rule in role["rules"]:
            assert "*" not in rule["verbs"] + rule["resources"] + rule["apiGroups"]
            assert "resourceNames" in rule or rule["verbs"] == ["create"]
    # What takes the list away is there for as long as that takes.
    for (_kind, name), thing in made.items():
        hook = thing["metadata"].get("annotations", {}).get("helm.sh/hook")
        assert (hook == "post-delete") == name.startswith("ipban-remove"), name
    job, account = (
        made[kind, "ipban-remove"]["metadata"]["annotations"] for kind in ("Job", "ServiceAccount")
    )
    assert int(account["helm.sh/hook-weight"]) < int(job["helm.sh/hook-weight"])


def test_a_policy_of_cilium_denies_and_lets_in_as_before() -> None:
    policy = rendered(*EVERY)["CiliumClusterwideNetworkPolicy", "ipban"]
    assert policy["spec"]["enableDefaultDeny"] == {"ingress": False, "egress": False}
    assert "CiliumClusterwideNetworkPolicy" not in {
        kind for kind, _name in rendered(*EVERY, "--set=denylist.cilium.policy=false")
    }


def definition(chart: str, plural: str) -> dict[str, Any]:
    if not there():
        pytest.skip(NO_CONTRACTS)
    found: dict[str, Any] = load(CONTRACTS / chart / "crds" / f"{plural}.yaml")
    return found["spec"]


@pytest.mark.parametrize("networks", [[], ["192.0.2.0/24", "2001:db8::/32"]], ids=["none", "some"])
@pytest.mark.parametrize(
    ("kind", "chart", "plural"),
    [
        ("cilium", "cilium", "ciliumcidrgroups.cilium.io"),
        ("envoy-gateway", "envoy-gateway", "securitypolicies.gateway.envoyproxy.io"),
    ],
)
def test_what_is_written_meets_the_real_definitions(
    kind: str, chart: str, plural: str, networks: list[str]
) -> None:
    from ipban.denylist import targets
    from ipban.denylist.settings import check

    made = rendered(*EVERY)["ConfigMap", "ipban-denylist"]["data"]["denylist.json"]
    (target,) = (target for target in check(json.loads(made)).targets if target.kind == kind)
    thing = targets.document(target, networks, {"generation": "1/a"}, None)
    spec = definition(chart, plural)
    group, version = thing["apiVersion"].split("/")
    assert (group, spec["names"]["kind"]) == (spec["group"], thing["kind"])
    assert targets.path(target).split("/")[-2] == spec["names"]["plural"]
    assert ("namespaces" in targets.path(target)) == (spec["scope"] == "Namespaced")
    (served,) = (one for one in spec["versions"] if one["name"] == version and one["served"])
    schema = strict(served["schema"]["openAPIV3Schema"], root=True)
    errors = [
        f"{error.json_path}: {error.message[:200]}" for error in Draft7Validator(schema).iter_errors(thing)
    ]
    assert errors == []


def test_the_policy_meets_its_real_definition() -> None:
    policy = rendered(*EVERY)["CiliumClusterwideNetworkPolicy", "ipban"]
    spec = definition("cilium", "ciliumclusterwidenetworkpolicies.cilium.io")
    (served,) = (one for one in spec["versions"] if one["name"] == "v2")
    schema = strict(served["schema"]["openAPIV3Schema"], root=True)
    assert [error.message[:200] for error in Draft7Validator(schema).iter_errors(policy)] == []


@pytest.mark.parametrize(
    "given",
    [
        "nodes.state=gone",
        "protected={0.0.0.0/0}",
        "denylist.mode=daemon",
        "denylist.cilium.maxEntries=0",
        "denylist.ingress.enabled=true",
        "lists={Web}",
        "store.conninfo=host=x password=secret",
    ],
)
def test_values_that_can_not_be_are_refused(given: str) -> None:
    done = helm("template", "ipban", str(CHART), f"--set={given}")
    assert done.returncode != 0
    assert "values don't meet the specifications of the schema" in done.stderr


def test_envoy_needs_to_know_its_gateways() -> None:
    assert helm("template", "ipban", str(CHART), "--set=denylist.envoyGateway.enabled=true").returncode != 0


def test_ports_of_policies_and_monitors_are_those_of_the_chart() -> None:
    values = load(CHART / "values.yaml")
    policies = load_all(CATALOG / "ipban" / "policies" / "network.yml")
    (writer,) = (policy for policy in policies if policy["metadata"]["name"] == "denylist")
    assert writer["spec"]["ingress"][0]["ports"][0]["port"] == values["denylist"]["port"]
    made = rendered(*EVERY)
    for kind, name in (("DaemonSet", "ipban-nodes"), ("Deployment", "ipban-denylist")):
        template = made[kind, name]["spec"]["template"]
        (port,) = template["spec"]["containers"][0]["ports"]
        assert port["name"] == "metrics"
        (monitor,) = load_all(CATALOG / "ipban" / "monitors" / "ipban.yml")
        assert monitor["spec"]["selector"]["matchLabels"].items() <= template["metadata"]["labels"].items()
