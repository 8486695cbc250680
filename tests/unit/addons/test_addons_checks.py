"""What addons ask of each other and can't have is refused in the plan, with variable, value and rule."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from ansible_collections.groundwork.platform.plugins.module_utils.addons import checks, layers
from ansible_collections.groundwork.platform.plugins.module_utils.addons.checks import Asked
from ansible_collections.groundwork.platform.plugins.module_utils.addons.model import Entry

ZONES = {"domainFilters": ["example.com", ".only-below.org"], "excludeDomains": ["internal.example.com"]}
ANNOTATION = "external-dns.alpha.kubernetes.io/hostname"
CONTROLLER = "external-dns.alpha.kubernetes.io/controller"


def addon(name: str, values: dict[str, Any] | None = None, *objects: dict[str, Any], **entry: Any) -> Asked:
    return Asked(replace(Entry(name, "", "networking", ""), **entry), values or {}, objects)


def thing(
    kind: str, name: str = "one", annotations: dict[str, str] | None = None, **body: Any
) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": kind,
        "metadata": {"name": name, "annotations": annotations or {}},
        **body,
    }


DNS = addon("external-dns", ZONES, provides=("dns",))
FIRST = addon("first", {"class": {"default": True}}, default_ingress_class="class.default")
SECOND = addon("second", {"default": True}, default_ingress_class="default")


def test_two_default_ingress_classes_are_refused() -> None:
    assert checks.violations([FIRST, SECOND]) == [
        "k8s_addons_values.first.class.default and k8s_addons_values.second.default are true: only one class "
        "can be the default of all Ingress objects"
    ]


def test_a_class_among_the_objects_counts_too() -> None:
    default = {"ingressclass.kubernetes.io/is-default-class": "true"}
    (line,) = checks.violations([FIRST, addon("third", {}, thing("IngressClass", "own", default))])
    assert "k8s_addons_resources.third.IngressClass/own" in line


@pytest.mark.parametrize(
    "other",
    [
        replace(SECOND, values={"default": False}),
        replace(SECOND, values={}),
        addon(
            "third",
            {},
            thing("IngressClass", "own", {"ingressclass.kubernetes.io/is-default-class": "false"}),
        ),
        addon(
            "third", {}, thing("ConfigMap", "own", {"ingressclass.kubernetes.io/is-default-class": "true"})
        ),
    ],
)
def test_one_default_is_none_too_many(other: Asked) -> None:
    assert checks.violations([FIRST, other]) == []


OUTSIDE: dict[str, tuple[Asked, str]] = {
    "an ingress in values": (
        addon("shop", {"server": {"ingress": {"enabled": True, "hosts": ["shop.example.org"]}}}),
        "k8s_addons_values.shop.server.ingress.hosts[0] is shop.example.org",
    ),
    "an ingress in values, by host": (
        addon("shop", {"ingress": {"hosts": [{"host": "shop.example.org", "paths": []}]}}),
        "k8s_addons_values.shop.ingress.hosts[0].host is shop.example.org",
    ),
    "TLS of an ingress in values": (
        addon("shop", {"ingress": {"tls": [{"hosts": ["a.example.com", "b.example.net"]}]}}),
        "k8s_addons_values.shop.ingress.tls[0].hosts[1] is b.example.net",
    ),
    "a route in values": (
        addon("shop", {"route": {"main": {"hostnames": ["shop.example.org"]}}}),
        "k8s_addons_values.shop.route.main.hostnames[0] is shop.example.org",
    ),
    "an annotation in values": (
        addon("shop", {"service": {"annotations": {ANNOTATION: "a.example.com, b.example.org"}}}),
        f"k8s_addons_values.shop.service.annotations[{ANNOTATION}] is b.example.org",
    ),
    "an annotation of an object": (
        addon("shop", {}, thing("Service", "way", {ANNOTATION: "b.example.org"})),
        f"k8s_addons_resources.shop.Service/way.metadata.annotations[{ANNOTATION}] is b.example.org",
    ),
    "an Ingress": (
        addon("shop", {}, thing("Ingress", spec={"rules": [{"host": "a.example.com"}, {"host": "b.org"}]})),
        "k8s_addons_resources.shop.Ingress/one.spec.rules[1].host is b.org",
    ),
    "an HTTPRoute": (
        addon("shop", {}, thing("HTTPRoute", spec={"hostnames": ["*.example.org"]})),
        "k8s_addons_resources.shop.HTTPRoute/one.spec.hostnames[0] is *.example.org",
    ),
    "a listener": (
        addon("shop", {}, thing("Gateway", spec={"listeners": [{"name": "a"}, {"hostname": "b.org"}]})),
        "k8s_addons_resources.shop.Gateway/one.spec.listeners[1].hostname is b.org",
    ),
    "a record": (
        addon("shop", {}, thing("DNSEndpoint", spec={"endpoints": [{"dnsName": "b.org"}]})),
        "k8s_addons_resources.shop.DNSEndpoint/one.spec.endpoints[0].dnsName is b.org",
    ),
    "a domain that is left out": (
        addon("shop", {"ingress": {"hosts": ["a.internal.example.com"]}}),
        "is a.internal.example.com",
    ),
    "a zone that has only what is below": (
        addon("shop", {"ingress": {"host": "only-below.org"}}),
        "is only-below.org",
    ),
    "a name that only ends alike": (
        addon("shop", {"ingress": {"host": "badexample.com"}}),
        "is badexample.com",
    ),
}


@pytest.mark.parametrize("case", OUTSIDE)
def test_a_hostname_outside_of_the_zones_is_refused(case: str) -> None:
    asked, place = OUTSIDE[case]
    (line,) = checks.violations([DNS, asked])
    assert place in line
    assert "must be in one of the zones of k8s_addons_values.external-dns.domainFilters, example.com" in line
    # Without DNS in the selection nobody knows the zones.
    assert checks.violations([asked]) == []


@pytest.mark.parametrize(
    "asked",
    [
        addon("shop", {"ingress": {"hosts": ["example.com", "shop.Example.com", "a.b.example.com."]}}),
        addon("shop", {"ingress": {"hosts": ["*.example.com", "x.only-below.org"]}}),
        addon("shop", {"ingress": {"enabled": False, "hosts": ["shop.example.org"]}}),
        addon("shop", {"ingress": {"hosts": ["{{ .Values.host }}.example.org", "10.0.0.1", "localhost"]}}),
        addon("shop", {"gateway": {"host": "web.shop.svc", "hosts": ["web.shop.svc.cluster.local"]}}),
        addon("shop", {"database": {"host": "db.example.org"}, "hosts": ["ntp.example.org"]}),
        addon("shop", {"ingress": {"annotations": {CONTROLLER: "none"}, "hosts": ["shop.lan.example"]}}),
        addon("shop", {}, thing("Ingress", "one", {CONTROLLER: "none"}, spec={"rules": [{"host": "b.org"}]})),
        addon("shop", {}, thing("ConfigMap", spec={"hostnames": ["b.org"]})),
        addon("shop", {}, thing("Ingress", spec={"defaultBackend": {}})),
    ],
)
def test_what_is_within_or_nobody_writes_records_of_is_not(asked: Asked) -> None:
    assert checks.violations([DNS, asked]) == []


def alerts(route: Any, receivers: Any = None) -> Asked:
    config = {"route": route, **({"receivers": receivers} if receivers is not None else {})}
    return addon("metrics", {"alertmanager": {"config": config}})


SLACK = [{"name": "slack"}, {"name": "null"}]
AT = "k8s_addons_values.metrics.alertmanager.config"
ASTRAY: dict[str, tuple[Asked, str]] = {
    "the root": (
        alerts({"receiver": "pager"}, SLACK),
        f"{AT}.route.receiver is pager: must be one of the receivers",
    ),
    "below": (
        alerts(
            {"receiver": "slack", "routes": [{"receiver": "slack", "routes": [{"receiver": "pager"}]}]}, SLACK
        ),
        f"{AT}.route.routes[0].routes[0].receiver is pager: must be one of the receivers: null, slack",
    ),
    "no receiver at all": (
        alerts({"routes": [{"receiver": "slack"}]}, SLACK),
        f"{AT}.route.receiver is missing: alerts that no other route takes need a receiver",
    ),
    "no receivers at all": (alerts({"receiver": "slack"}), f"{AT}.route.receiver is slack"),
    "an empty list": (alerts({"receiver": "slack"}, []), "must be one of the receivers: none"),
    "a receiver twice": (
        alerts({"receiver": "a"}, [{"name": "a"}, {"name": "a"}]),
        f"{AT}.receivers has a twice",
    ),
    "an object": (
        addon(
            "metrics",
            {},
            thing("AlertmanagerConfig", spec={"route": {"receiver": "pager"}, "receivers": SLACK}),
        ),
        "k8s_addons_resources.metrics.AlertmanagerConfig/one.spec.route.receiver is pager",
    ),
}


@pytest.mark.parametrize("case", ASTRAY)
def test_a_route_without_its_receiver_is_refused(case: str) -> None:
    asked, place = ASTRAY[case]
    (line,) = checks.violations([asked])
    assert place in line


@pytest.mark.parametrize(
    "asked",
    [
        alerts({"receiver": "slack", "routes": [{"matchers": ["a=b"]}, {"receiver": "null"}]}, SLACK),
        # The chart's own root, receiver and list are below what a site says.
        alerts({"receiver": "null", "routes": []}),
        alerts({"group_by": ["job"]}),
        addon("web", {"route": {"main": {"hostnames": []}}}),
        addon("web", {"route": "receiver"}),
    ],
)
def test_routes_that_lead_somewhere_are_not(asked: Asked) -> None:
    assert checks.violations([asked]) == []


def test_a_secret_among_the_objects_is_refused() -> None:
    (line,) = checks.violations([addon("shop", {}, thing("Secret", "login", stringData={"word": "x"}))])
    assert line.startswith(
        "k8s_addons_resources.shop.Secret/login has word as it is: must not be in plain text"
    )
    assert "'x'" not in line
    assert checks.violations([addon("shop", {}, thing("Secret", "token", type="t"))]) == []


@pytest.mark.parametrize(
    "value",
    [
        "https://hooks.slack.com/services/" + "T000/B000/abcdef",
        "12345678:" + "a" * 35,
        "AKIA" + "A" * 16,
        "ghp_" + "a" * 36,
        "glpat-" + "a" * 20,
        "xoxb-" + "1" * 12,
        "hvs." + "a" * 24,
    ],
)
def test_what_looks_like_a_token_is_one_whatever_it_is_called(value: str) -> None:
    assert layers.secrets_in({"receivers": [{"api_url": value}]}) == ["receivers[0].api_url"]
