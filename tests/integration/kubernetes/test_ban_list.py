"""The ban list in the cluster: a ban in PostgreSQL holds at the node's ports and in a deny list."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from typing import Any

import pytest

from lab.kubernetes import build, client
from tests.integration.support import RealHost
from tests.unit.catalog.shipped import CONTRACTS, NO_CONTRACTS, load, there

from .ban_list import CONTROLLER, INGRESS, NEIGHBOURS, PREPARE, BanList, bring_store
from .clusters import Cluster, deployment, eventually, service

HOST = f"{NEIGHBOURS}.2"
DEFINITIONS = {
    "cilium": ("ciliumcidrgroups.cilium.io", "ciliumclusterwidenetworkpolicies.cilium.io"),
    "envoy-gateway": ("securitypolicies.gateway.envoyproxy.io",),
}
WRITER = "system:serviceaccount:ipban:ipban-denylist"


@pytest.fixture(scope="module")
def addon(cluster: Cluster, node_host: RealHost, tmp_path_factory: pytest.TempPathFactory) -> BanList:
    """The addon as the catalog has it, an ingress that has settings of its own, and a service to reach."""
    node_host.output(PREPARE)
    made = BanList(cluster, bring_store(node_host), tmp_path_factory.mktemp("ban-list"))
    made.store.clear()
    cluster.apply(
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": INGRESS}},
        {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": CONTROLLER, "namespace": INGRESS},
            "data": {"use-http2": "true"},
        },
        deployment("shop"),
        service("shop", "NodePort"),
    )
    cluster.settled("deployment", "shop")
    played = made.converge()
    assert played.returncode == 0, played.output
    return made


@pytest.fixture
def bans(addon: BanList) -> Iterator[BanList]:
    """The same, with nobody banned."""
    yield addon
    addon.end()


@pytest.fixture(scope="module")
def port(addon: BanList) -> int:
    return int(addon.cluster.get("service", "shop")["spec"]["ports"][0]["nodePort"])


def test_a_ban_holds_at_a_node_port_and_in_the_deny_list_until_it_ends(bans: BanList, port: int) -> None:
    assert eventually(lambda: bans.answers(2, port), 30)
    bans.ban(HOST)
    assert eventually(lambda: not bans.answers(2, port), 10)
    assert bans.answers(3, port)
    assert bans.denies(f"{HOST}/32")
    assert bans.controller()["use-http2"] == "true"
    bans.unban(HOST)
    assert eventually(lambda: bans.answers(2, port), 10)
    assert bans.denies()


def test_what_is_allowed_is_neither_dropped_nor_denied(bans: BanList, port: int) -> None:
    bans.store.call("SELECT ipban.allow(%s::text[], 'a friend')", [f"{NEIGHBOURS}.3"])
    try:
        bans.ban(f"{NEIGHBOURS}.2/31")
        assert bans.denies(f"{HOST}/32")
        assert eventually(lambda: not bans.answers(2, port), 10)
        assert bans.answers(3, port)
    finally:
        bans.store.call("SELECT ipban.disallow(%s::text[])", [f"{NEIGHBOURS}.3"])


def test_a_deny_list_that_somebody_has_changed_is_put_back(bans: BanList) -> None:
    bans.ban("203.0.113.0/24")
    assert bans.denies("203.0.113.0/24")
    change = json.dumps({"data": {"block-cidrs": "192.0.2.1/32"}})
    bans.cluster.kubectl("patch", "configmap", CONTROLLER, f"--namespace={INGRESS}", f"--patch={change}")
    assert bans.denies("203.0.113.0/24")
    bans.unban("203.0.113.0/24")
    assert bans.denies()


def test_a_second_run_makes_two_requests(bans: BanList) -> None:
    again = bans.converge()
    assert again.stats["node"]["changed"] == 0
    assert again.results("node")[-1][1]["stats"]["calls"] == 2


def test_it_may_do_what_it_has_to_and_no_more(bans: BanList) -> None:
    def may(*words: str) -> bool:
        command = [str(build.program("kubectl")), f"--kubeconfig={bans.cluster.kubeconfig}", "auth", "can-i"]
        done = subprocess.run(
            [*command, *words, f"--as={WRITER}"], capture_output=True, text=True, check=False
        )
        return done.stdout == "yes\n"

    own = f"--namespace={INGRESS}"
    assert may("patch", f"configmaps/{CONTROLLER}", own)
    for words in (
        ("update", f"configmaps/{CONTROLLER}", own),
        ("patch", "configmaps/another", own),
        ("list", "configmaps", own),
        ("get", "secrets", own),
        ("get", "secrets", "--namespace=ipban"),
        ("patch", f"configmaps/{CONTROLLER}", "--namespace=default"),
    ):
        assert not may(*words), words
    (pod,) = bans.cluster.get("pods", "--namespace=ipban", "--selector=app.kubernetes.io/component=nodes")[
        "items"
    ]
    (container,) = pod["spec"]["containers"]
    assert container["securityContext"]["capabilities"] == {"add": ["NET_ADMIN"], "drop": ["ALL"]}
    process = "grep -h CapEff $(grep -la 'ipban.*run' /proc/[0-9]*/cmdline | head -1 | xargs dirname)/status"
    assert int(bans.host.output(process).split()[1], 16) == 1 << 12


def test_both_tell_prometheus(bans: BanList) -> None:
    bans.ban("203.0.113.0/25", "203.0.113.128/25")
    assert bans.denies("203.0.113.0/24")
    (pod,) = bans.cluster.get("pods", "--namespace=ipban", "--selector=app.kubernetes.io/component=denylist")[
        "items"
    ]
    written = bans.metrics(pod["status"]["podIP"], 9102)
    target = f'{{target="ingress-nginx/{INGRESS}/{CONTROLLER}"}}'
    name = "groundwork_ipban_denylist"
    assert (written[f"{name}_banned"], written[f"{name}_entries{target}"]) == (2, 1)
    assert (written[f"{name}_left_out{target}"], written[f"{name}_store_up"]) == (0, 1)
    node = bans.metrics(bans.host.address, 9101)
    assert node['groundwork_ipban_entries{family="4",kind="network",place="database"}'] == 2


def test_what_does_not_fit_is_told_and_the_newest_are_denied(bans: BanList) -> None:
    """As a CronJob, which writes when it is time and not when something changes."""
    few = {"mode": "cronjob", "ingressNginx": {"maxEntries": 2}}
    played = bans.converge(denylist=few)
    assert played.returncode == 0, played.output
    for last in (1, 5, 9):
        bans.ban(f"203.0.113.{last}")
    namespace = "--namespace=ipban"
    bans.cluster.kubectl("create", "job", "now", "--from=cronjob/ipban-denylist", namespace)
    bans.cluster.kubectl("wait", "job/now", "--for=condition=Complete", "--timeout=60s", namespace)
    assert bans.denied() == ["203.0.113.5/32", "203.0.113.9/32"]
    assert bans.object()["metadata"]["annotations"]["groundwork.platform/ipban-left-out"] == "1"
    log = bans.cluster.kubectl("logs", "job/now", namespace)
    assert "event=denylist_too_long" in log
    assert "of 3 bans only the newest 2 fit into 2 entries" in log


@pytest.fixture(scope="module")
def others(addon: BanList) -> dict[str, Any]:
    """Values for ingresses whose own kinds carry the list; none where the real definitions can't be had."""
    if not there():
        return {}
    found = [
        load(CONTRACTS / chart / "crds" / f"{name}.yaml")
        for chart, names in DEFINITIONS.items()
        for name in names
    ]
    client.apply(addon.cluster.kubeconfig, found)
    names = [f"crd/{definition['metadata']['name']}" for definition in found]
    addon.cluster.kubectl("wait", "--for=condition=Established", *names, "--timeout=30s")
    return {
        "envoyGateway": {"enabled": True, "namespace": INGRESS, "gateways": ["public"]},
        "cilium": {"enabled": True},
    }


def test_other_ingresses_are_told_as_well(bans: BanList, others: dict[str, Any]) -> None:
    if not others:
        pytest.skip(NO_CONTRACTS)

    def carried() -> tuple[Any, Any]:
        listed = bans.cluster.get("securitypolicies,ciliumcidrgroups", f"--namespace={INGRESS}")["items"]
        specs = {thing["kind"]: thing["spec"] for thing in listed}
        if len(specs) < len(others):
            return (None, None)
        rules = specs["SecurityPolicy"]["authorization"].get("rules", [])
        return [rule["principal"]["clientCIDRs"] for rule in rules], specs["CiliumCIDRGroup"]["externalCIDRs"]

    bans.ban(HOST)
    played = bans.converge(denylist=others)
    assert played.returncode == 0, played.output
    assert eventually(lambda: carried() == ([[f"{HOST}/32"]], [f"{HOST}/32"]), 30)
    bans.unban(HOST)
    assert eventually(lambda: carried() == ([], []), 30)
    assert bans.cluster.kubectl("get", "ciliumclusterwidenetworkpolicy", "ipban", "--output=name")


def test_removal_opens_everything(bans: BanList, port: int, others: dict[str, Any]) -> None:
    bans.ban(HOST)
    assert eventually(lambda: not bans.answers(2, port), 10)
    played = bans.converge(nodes={"state": "absent"}, denylist=others)
    assert played.returncode == 0, played.output
    assert bans.denies(f"{HOST}/32")
    assert bans.host.run("nft list table inet groundwork_ipban").returncode != 0
    assert bans.answers(2, port)
    gone = bans.converge("absent")
    assert gone.returncode == 0, gone.output
    assert bans.controller() == {"use-http2": "true"}
    assert "annotations" not in bans.object()["metadata"]
    roles = bans.cluster.get("roles,rolebindings", f"--namespace={INGRESS}")
    assert roles["items"] == []
    if others:
        left = bans.cluster.get("securitypolicies,ciliumcidrgroups", f"--namespace={INGRESS}")
        assert left["items"] == []
