"""Selections: order, what is missing, what can't be."""

from __future__ import annotations

import pytest
from ansible_collections.groundwork.platform.plugins.module_utils.addons import resolve
from ansible_collections.groundwork.platform.plugins.module_utils.addons.model import AddonError, Entry


def entry(name: str, **about: tuple[str, ...]) -> Entry:
    return Entry(name, "", "applications", "", **about)  # type: ignore[arg-type]


ENTRIES = {
    each.id: each
    for each in (
        entry("traefik", needs=("gateway-api",), provides=("ingress",)),
        entry("nginx", provides=("ingress",), conflicts=("traefik",)),
        entry("gateway-api-crds", provides=("gateway-api",)),
        entry("cert-manager", provides=("certificates",)),
        entry("shop", needs=("ingress", "certificates")),
        entry("left", needs=("right",)),
        entry("right", needs=("middle",)),
        entry("middle", needs=("left",)),
        entry("lonely", needs=("nowhere",)),
        entry("exclusive", conflicts=("certificates",)),
    )
}


def refused(*selection: str) -> list[str]:
    with pytest.raises(AddonError) as caught:
        resolve.resolve(selection, ENTRIES)
    return caught.value.reasons


def test_each_comes_after_what_it_needs_whatever_the_selections_order() -> None:
    graph = resolve.resolve(["shop", "traefik", "cert-manager", "gateway-api-crds"], ENTRIES)
    assert list(graph) == ["cert-manager", "gateway-api-crds", "traefik", "shop"]
    assert graph["shop"] == ("cert-manager", "traefik")


def test_an_unknown_addon_is_named_with_what_is_near() -> None:
    assert refused("trafik") == [
        "k8s_addons_selection has trafik: no catalog has an addon of this name; did you mean traefik?"
    ]


def test_the_same_twice() -> None:
    assert refused("traefik", "traefik") == ["k8s_addons_selection has traefik twice"]


def test_what_is_missing_is_told_with_the_path_to_it() -> None:
    assert refused("shop", "cert-manager", "gateway-api-crds") == [
        "k8s_addons_selection has shop, which needs shop -> ingress, but nothing selected provides ingress: "
        "select nginx or traefik"
    ]
    assert refused("traefik")[0].endswith("select gateway-api-crds")
    assert "no catalog has one" in refused("lonely")[0]


def test_a_cycle_is_told_as_a_path() -> None:
    assert refused("left", "right", "middle") == [
        "k8s_addons_selection has a cycle: left -> right -> middle -> left"
    ]


def test_conflicts_by_name_and_by_capability() -> None:
    assert refused("traefik", "nginx", "gateway-api-crds") == [
        "k8s_addons_selection has nginx and traefik: they can't be in the same cluster"
    ]
    assert refused("exclusive", "cert-manager") == [
        "k8s_addons_selection has exclusive and cert-manager, which provides certificates: "
        "they can't be in the same cluster"
    ]
