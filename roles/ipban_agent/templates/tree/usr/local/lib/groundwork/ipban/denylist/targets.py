"""The objects that carry the deny list: what each looks like, and how much fits.

ingress-nginx   the key ``block-cidrs`` of the controller's ConfigMap, which denies in front of all hosts.
envoy-gateway   a SecurityPolicy of its own for Gateways: whoever is in no rule is let in.
cilium          a CiliumCIDRGroup of its own, which a policy of the cluster refers to.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ipban.denylist.settings import Target

ANNOTATIONS = "groundwork.platform/ipban-"
KEY = "block-cidrs"
# The API server's limit for all data of a ConfigMap.
_CONFIG_MAP_BYTES = 1024 * 1024
_PLACES = {
    "ingress-nginx": ("v1", "ConfigMap", "/api/v1/namespaces/{namespace}/configmaps/{name}"),
    "envoy-gateway": (
        "gateway.envoyproxy.io/v1alpha1",
        "SecurityPolicy",
        "/apis/gateway.envoyproxy.io/v1alpha1/namespaces/{namespace}/securitypolicies/{name}",
    ),
    "cilium": ("cilium.io/v2", "CiliumCIDRGroup", "/apis/cilium.io/v2/ciliumcidrgroups/{name}"),
}


def path(target: Target) -> str:
    return _PLACES[target.kind][2].format(namespace=target.namespace, name=target.name)


def ours(target: Target) -> bool:
    """Whether the object is this program's, to be made and deleted; else it is the ingress's own."""
    return target.kind != "ingress-nginx"


def document(
    target: Target, networks: Sequence[str] | None, notes: Mapping[str, str], version: str | None
) -> dict[str, Any]:
    """What is applied. Without networks it lays claim to nothing, so that the list goes away.

    ``version``: the resourceVersion that the object must still have.
    """
    api_version, kind, _path = _PLACES[target.kind]
    metadata: dict[str, Any] = {"name": target.name}
    if target.namespace:
        metadata["namespace"] = target.namespace
    if notes:
        metadata["annotations"] = {f"{ANNOTATIONS}{key}": value for key, value in notes.items()}
    if version is not None:
        metadata["resourceVersion"] = version
    made: dict[str, Any] = {"apiVersion": api_version, "kind": kind, "metadata": metadata}
    if networks is None:
        return made
    if target.kind == "ingress-nginx":
        made["data"] = {KEY: ",".join(networks)}
    elif target.kind == "cilium":
        made["spec"] = {"externalCIDRs": list(networks)}
    else:
        rule = {"name": "ipban", "action": "Deny", "principal": {"clientCIDRs": list(networks)}}
        made["spec"] = {
            "targetRefs": [
                {"group": "gateway.networking.k8s.io", "kind": "Gateway", "name": name}
                for name in target.gateways
            ],
            # A rule without networks might be one that holds for everybody.
            "authorization": {"defaultAction": "Allow", "rules": [rule] if networks else []},
        }
    return made


def carried(target: Target, live: Mapping[str, Any]) -> tuple[str, ...]:
    """The networks that an object has now."""
    if target.kind == "ingress-nginx":
        text = (live.get("data") or {}).get(KEY) or ""
        return tuple(text.split(",")) if text else ()
    spec = live.get("spec") or {}
    if target.kind == "cilium":
        return tuple(spec.get("externalCIDRs") or ())
    rules = (spec.get("authorization") or {}).get("rules") or ()
    return tuple(cidr for rule in rules for cidr in (rule.get("principal") or {}).get("clientCIDRs") or ())


def notes(live: Mapping[str, Any]) -> dict[str, str]:
    """What was noted in an object when the list was written into it."""
    annotations = (live.get("metadata") or {}).get("annotations") or {}
    return {
        key[len(ANNOTATIONS) :]: value for key, value in annotations.items() if key.startswith(ANNOTATIONS)
    }


def size(networks: Sequence[str]) -> int:
    """Bytes of a list: a comma, or quotes and a comma, for each are within the room that is left free."""
    return sum(map(len, networks)) + 3 * len(networks)


def room(target: Target, live: Mapping[str, Any] | None) -> int:
    """Bytes that a list may have in this object, beside what else is in it."""
    if target.kind != "ingress-nginx" or live is None:
        return target.max_bytes
    others = sum(
        len(key) + len(value.encode()) for key, value in (live.get("data") or {}).items() if key != KEY
    )
    others += sum(len(key) + len(value) for key, value in (live.get("binaryData") or {}).items())
    return max(0, min(target.max_bytes, _CONFIG_MAP_BYTES - others - 4096))
