"""What is planned for a tenant: everything, nothing, what differs, and what goes."""

from __future__ import annotations

from typing import Any

from ansible_collections.groundwork.platform.plugins.module_utils.addons.objects import Ref
from ansible_collections.groundwork.platform.plugins.module_utils.plan import MASK
from ansible_collections.groundwork.platform.plugins.module_utils.tenants import changes, model
from ansible_collections.groundwork.platform.plugins.module_utils.tenants.objects import LABEL, policies

from .world import Memory, keys, tenant

WHOLE: dict[str, Any] = {
    "labels": {"team": "shop"},
    "quota": {"requests.cpu": "0.5", "limits.memory": "1024Mi", "pods": 10},
    "container_limits": {"default": {"memory": "128Mi"}, "max": {"memory": "1Gi", "cpu": 1}},
    "volume_limits": {"max": "20Gi"},
    "network": {"from_namespaces": ["traefik"], "to_namespaces": ["data"], "internet": True},
    "access": [
        {"group": "a", "role": "edit"},
        {"group": "b", "role": "edit"},
        {"group": "c", "role": "view"},
    ],
    "registry_secrets": [
        {"name": "copied", "from_secret": {"namespace": "platform", "name": "registry"}},
        {"name": "fetched", "pull": False, "from_store": {"name": "openbao", "key": "registry/shop"}},
        {"name": "theirs"},
    ],
}


def made(**given: Any) -> Memory:
    memory = Memory()
    memory.make(memory.plan(tenant(**given)))
    return memory


def thing(memory: Memory, kind: str, name: str, namespace: str = "shop") -> dict[str, Any]:
    (found,) = (
        found
        for one, found in memory.things.items()
        if (one.kind, one.namespace, one.name) == (kind, namespace, name)
    )
    return found


def test_a_tenant_of_a_name_is_closed() -> None:
    memory = made()
    assert keys(Memory().plan(tenant())) == [
        ("create", "Namespace shop"),
        ("create", "NetworkPolicy shop/groundwork-default-deny"),
        ("create", "NetworkPolicy shop/groundwork-dns"),
        ("create", "NetworkPolicy shop/groundwork-within"),
    ]
    labels = thing(memory, "Namespace", "shop", "")["metadata"]["labels"]
    assert labels["pod-security.kubernetes.io/enforce"] == "restricted"
    assert labels[LABEL] == "shop"
    closed = thing(memory, "NetworkPolicy", "groundwork-default-deny")["spec"]
    assert closed == {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}


def test_the_namespace_is_bounded_before_anybody_is_let_in() -> None:
    order = [action.ref.kind for action in Memory().plan(tenant(**WHOLE))]
    assert order[0] == "Namespace"
    assert max(
        i for i, kind in enumerate(order) if kind in ("ResourceQuota", "LimitRange", "NetworkPolicy")
    ) < min(i for i, kind in enumerate(order) if kind in ("RoleBinding", "Secret", "ServiceAccount"))


def test_what_is_there_is_left_alone() -> None:
    assert made(**WHOLE).plan(tenant(**WHOLE)) == []


def test_limits_have_what_the_api_server_would_fill_in() -> None:
    (container, claim) = thing(made(**WHOLE), "LimitRange", "groundwork-limits")["spec"]["limits"]
    assert container["default"] == {"memory": "128Mi", "cpu": "1"}
    assert container["defaultRequest"] == {"memory": "128Mi", "cpu": "1"}
    assert claim == {"type": "PersistentVolumeClaim", "max": {"storage": "20Gi"}}


def test_quantities_in_the_words_of_the_api_server_are_no_difference() -> None:
    memory = made(**WHOLE)
    thing(memory, "ResourceQuota", "groundwork-quota")["spec"]["hard"] |= {
        "requests.cpu": "500m",
        "limits.memory": "1Gi",
    }
    assert memory.plan(tenant(**WHOLE)) == []


def test_a_policy_with_the_defaults_of_the_api_server_is_no_difference() -> None:
    rules = {
        "metrics": {"podSelector": {"matchLabels": {}}, "ingress": [{"from": [], "ports": [{"port": 9000}]}]}
    }
    given = {"network": {"policies": rules}}
    memory = made(**given)
    kept = thing(memory, "NetworkPolicy", "metrics")["spec"]
    assert kept == {
        "podSelector": {},
        "policyTypes": ["Ingress"],
        "ingress": [{"ports": [{"port": 9000, "protocol": "TCP"}]}],
    }
    assert memory.plan(tenant(**given)) == []


def test_what_somebody_has_changed_is_put_back() -> None:
    memory = made(**WHOLE)
    thing(memory, "NetworkPolicy", "groundwork-default-deny")["spec"]["ingress"] = [{}]
    thing(memory, "ResourceQuota", "groundwork-quota")["spec"]["hard"]["pods"] = "1000"
    home = thing(memory, "Namespace", "shop", "")
    home["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] = "privileged"
    plan = memory.plan(tenant(**WHOLE))
    assert keys(plan) == [
        ("update", "Namespace shop"),
        ("update", "ResourceQuota shop/groundwork-quota"),
        ("update", "NetworkPolicy shop/groundwork-default-deny"),
    ]
    quota = plan[1].change
    assert (quota.before["spec"]["hard"]["pods"], quota.after["spec"]["hard"]["pods"]) == ("1000", "10")
    memory.make(plan)
    assert memory.plan(tenant(**WHOLE)) == []


def test_labels_of_others_stay_and_ours_that_are_not_wanted_go() -> None:
    memory = made(labels={"team": "shop"})
    thing(memory, "Namespace", "shop", "")["metadata"]["labels"]["theirs"] = "yes"
    assert memory.plan(tenant(labels={"team": "shop"})) == []
    (action,) = memory.plan(tenant())
    assert "team" in action.change.before["labels"]
    assert "theirs" not in action.change.before["labels"]


def test_what_is_wanted_no_more_goes() -> None:
    plan = made(**WHOLE).plan(tenant())
    assert keys(plan)[1:] == [
        ("delete", "RoleBinding shop/groundwork-edit"),
        ("delete", "RoleBinding shop/groundwork-view"),
        ("update", "ServiceAccount shop/default"),
        ("delete", "ExternalSecret shop/fetched"),
        ("delete", "Secret shop/copied"),
        ("delete", "LimitRange shop/groundwork-limits"),
        ("delete", "ResourceQuota shop/groundwork-quota"),
        ("delete", "NetworkPolicy shop/groundwork-from-namespaces"),
        ("delete", "NetworkPolicy shop/groundwork-internet"),
        ("delete", "NetworkPolicy shop/groundwork-to-namespaces"),
    ]
    # The account is the namespace's own: it is let go of, not deleted.
    assert plan[3].apply["metadata"] == {"name": "default", "namespace": "shop"}


def test_groups_of_a_role_share_a_binding() -> None:
    memory = made(**WHOLE)
    binding = thing(memory, "RoleBinding", "groundwork-edit")
    assert [subject["name"] for subject in binding["subjects"]] == ["a", "b"]
    binding["roleRef"]["name"] = "cluster-admin"
    (action,) = memory.plan(tenant(**WHOLE))
    # Kubernetes does not let a binding's role be changed.
    assert (action.delete, action.apply["roleRef"]["name"]) == (True, "edit")


def test_pods_pull_with_those_that_say_so_and_others_of_the_account_stay() -> None:
    memory = made(**WHOLE)
    account = thing(memory, "ServiceAccount", "default")
    assert account["imagePullSecrets"] == [{"name": "copied"}, {"name": "theirs"}]
    account["imagePullSecrets"].append({"name": "somebody-elses"})
    assert memory.plan(tenant(**WHOLE)) == []
    account["imagePullSecrets"].pop(0)
    assert keys(memory.plan(tenant(**WHOLE))) == [("update", "ServiceAccount shop/default")]


def test_a_copy_follows_its_source_and_is_never_shown() -> None:
    memory = made(**WHOLE)
    thing(memory, "Secret", "copied")["data"] = {".dockerconfigjson": "b2xk"}
    (action,) = memory.plan(tenant(**WHOLE))
    assert action.change.public()["before"] == MASK
    assert action.change.public()["after"] == MASK
    memory.make([action])
    thing(memory, "Secret", "copied")["type"] = "Opaque"
    (action,) = memory.plan(tenant(**WHOLE))
    assert action.delete


def test_defaults_of_the_store_are_no_difference() -> None:
    memory = made(**WHOLE)
    spec = thing(memory, "ExternalSecret", "fetched")["spec"]
    spec["target"]["creationPolicy"] = "Owner"
    spec["data"][0]["remoteRef"]["conversionStrategy"] = "Default"
    assert memory.plan(tenant(**WHOLE)) == []
    spec["secretStoreRef"]["name"] = "another"
    assert keys(memory.plan(tenant(**WHOLE))) == [("update", "ExternalSecret shop/fetched")]


def test_a_tenant_goes_with_its_namespace() -> None:
    memory = made(**WHOLE)
    live = memory.live()
    assert changes.unlisted(live, [tenant(name="other")]) == ["shop"]
    assert changes.unlisted(live, [tenant()]) == []
    (action,) = changes.of_removal("shop", live)
    assert (action.change.kind, action.ref, action.delete) == (
        "delete",
        Ref("v1", "Namespace", "", "shop"),
        True,
    )


def test_a_namespace_of_somebody_else_stays_without_what_was_put_into_it() -> None:
    theirs = {
        "apiVersion": "v1",
        "kind": "Namespace",
        "metadata": {"name": "shop", "labels": {"theirs": "yes"}},
    }
    memory = Memory(theirs)
    memory.make(memory.plan(tenant(adopt=True, quota={"pods": 1})))
    assert memory.plan(tenant(adopt=True, quota={"pods": 1})) == []
    plan = changes.of_removal("shop", memory.live())
    assert keys(plan)[0] == ("delete", "ResourceQuota shop/groundwork-quota")
    assert keys(plan)[-1] == ("update", "Namespace shop")
    assert not plan[-1].delete
    assert plan[-1].apply == {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop"}}


def test_the_internet_is_all_but_private_networks() -> None:
    (rule,) = policies(tenant(network={"internet": True}))["groundwork-internet"]["egress"]
    assert [peer["ipBlock"]["cidr"] for peer in rule["to"]] == ["0.0.0.0/0", "::/0"]
    # Where clouds keep the credentials of a machine.
    assert "169.254.0.0/16" in rule["to"][0]["ipBlock"]["except"]


def test_defaults_lie_under_each_tenant() -> None:
    defaults = {
        "quota": {"pods": 10, "requests.cpu": 1},
        "network": {"dns": False, "from_namespaces": ["traefik"], "internet": None},
        "access": [{"group": "all", "role": "view"}],
    }
    given = [
        {"name": "a", "quota": {"pods": None}, "network": {"dns": True, "from_namespaces": None}},
        {"name": "b", "access": [{"group": "b", "role": "edit"}], "pod_security": "baseline", "quota": None},
    ]
    a, b = model.parse(defaults, given)
    assert (a.quota, b.quota) == ({"requests.cpu": "1"}, {"pods": "10", "requests.cpu": "1"})
    assert (a.network.dns, b.network.dns, b.network.within) == (True, False, True)
    assert a.network.from_namespaces == ("traefik",)
    assert (a.pod_security, b.pod_security) == ("restricted", "baseline")
    assert b.access == (model.Access("b", "edit"),)
