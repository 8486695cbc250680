"""The catalog's objects, as a real API takes them with the real definitions, strictly."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.groundwork.platform.plugins.module_utils.addons import catalog

from lab import process
from lab.kubernetes import build, client
from tests.unit.catalog.entries import the_catalog
from tests.unit.catalog.shipped import CATALOG, load_all

FILES = sorted(
    path for kind in ("policies", "resources", "monitors") for path in CATALOG.glob(f"*/{kind}/*.yml")
)
ADMISSION = "admissionregistration.k8s.io/v1"


@pytest.mark.parametrize("path", FILES, ids=[str(path.relative_to(CATALOG)) for path in FILES])
def test_the_api_takes_it(path: Path, definitions: Path) -> None:
    client.kubectl(
        definitions, "apply", "--server-side", "--dry-run=server", "--validate=strict", f"--filename={path}"
    )


def test_the_api_takes_all_alerts(definitions: Path) -> None:
    rules = [rule for entry in the_catalog().values() for rule in catalog.alerts(entry)]
    assert rules
    listing = {"apiVersion": "v1", "kind": "List", "items": rules}
    client.kubectl(
        definitions,
        *("apply", "--server-side", "--dry-run=server", "--validate=strict", "--filename=-"),
        stdin=json.dumps(listing),
    )


REQUESTS = {"requests": {"cpu": "1m", "memory": "1Mi"}, "limits": {"memory": "1Mi"}}
CASES: dict[str, tuple[str, dict[str, Any], bool]] = {
    "a tag": ("images-have-a-version", {"image": "registry:5000/x/y:1.2"}, True),
    "a digest": ("images-have-a-version", {"image": f"x/y@sha256:{'0' * 64}"}, True),
    "no tag, but a port": ("images-have-a-version", {"image": "registry:5000/y"}, False),
    "latest": ("images-have-a-version", {"image": "y:latest"}, False),
    "latest, to begin with": ("images-have-a-version", {"first": "y:latest"}, False),
    "requests and a limit": ("containers-have-requests", {"resources": REQUESTS}, True),
    "nothing": ("containers-have-requests", {"resources": {}}, False),
    "no limit": ("containers-have-requests", {"resources": {"requests": REQUESTS["requests"]}}, False),
    "in default": ("nothing-in-default", {"namespace": "default"}, False),
    "elsewhere": ("nothing-in-default", {}, True),
    "an address": ("services-claim-no-addresses", {"addresses": ["192.0.2.1"]}, False),
    "no address": ("services-claim-no-addresses", {"addresses": []}, True),
}


def an_object(
    image: str = "y:1",
    first: str = "",
    resources: Any = REQUESTS,
    namespace: str = "web",
    addresses: list[str] | None = None,
) -> dict[str, Any]:
    """A pod; a service where addresses are given."""
    metadata = {"name": "demo", "namespace": namespace}
    if addresses is not None:
        spec = {"ports": [{"port": 80}], "externalIPs": addresses}
        return {"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": spec}
    security = {
        "runAsNonRoot": True,
        "allowPrivilegeEscalation": False,
        "capabilities": {"drop": ["ALL"]},
        "seccompProfile": {"type": "RuntimeDefault"},
    }
    container = {"name": "demo", "image": image, "resources": resources, "securityContext": security}
    before = [{**container, "name": "first", "image": first}] if first else []
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": metadata,
        "spec": {"containers": [container], "initContainers": before},
    }


@pytest.fixture(scope="package")
def rules(cluster: Path) -> Path:
    """Kyverno's policies as the API server's own: expressions and matching are the same for both."""
    made: list[dict[str, Any]] = []
    for path in sorted(CATALOG.glob("kyverno/resources/*.yml")):
        for policy in load_all(path):
            name = {"name": policy["metadata"]["name"]}
            kept = ("matchConstraints", "variables", "validations")
            spec = {key: policy["spec"][key] for key in kept if key in policy["spec"]}
            made += [
                {
                    "apiVersion": ADMISSION,
                    "kind": "ValidatingAdmissionPolicy",
                    "metadata": name,
                    "spec": {"failurePolicy": "Fail", **spec},
                },
                {
                    "apiVersion": ADMISSION,
                    "kind": "ValidatingAdmissionPolicyBinding",
                    "metadata": name,
                    # A warning names the policy, and lets all of them be asked at once.
                    "spec": {"policyName": name["name"], "validationActions": ["Warn"]},
                },
            ]
    client.apply(cluster, made)
    probe = json.dumps(an_object(addresses=["192.0.2.1"]))
    for _attempt in range(60):
        if "services-claim-no-addresses" in warnings(cluster, probe):
            return cluster
        client.kubectl(cluster, "get", "--raw=/readyz")
    raise AssertionError("the API server does not know the policies yet")


def warnings(kubeconfig: Path, text: str) -> str:
    done = process.run(
        str(build.program("kubectl")),
        f"--kubeconfig={kubeconfig}",
        "create",
        "--dry-run=server",
        "--filename=-",
        stdin=text,
    )
    return done.stderr


@pytest.mark.parametrize("case", CASES)
def test_policies_say_what_they_are_for(case: str, rules: Path) -> None:
    policy, change, allowed = CASES[case]
    said = warnings(rules, json.dumps(an_object(**change)))
    assert (f"'{policy}'" not in said) == allowed, said
