"""Entries, schema, lock, versions, and charts as files."""

from __future__ import annotations

import datetime
import json
import os
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.groundwork.platform.plugins.module_utils.addons import (
    catalog,
    charts,
    lease,
    lock,
    releases,
    schema,
    versions,
)
from ansible_collections.groundwork.platform.plugins.module_utils.addons.model import (
    AddonError,
    Chart,
    Entry,
    Probe,
)

ROOT = Path(__file__).resolve().parents[3]
CATALOG = ROOT / "roles/k8s_addons/files/catalog"
SCHEMA = CATALOG / "addon.schema.json"
DOCUMENT: dict[str, Any] = {
    "id": "web",
    "category": "applications",
    "description": "What the tests need of it.",
    "kubernetes": ">=1.30",
    "chart": {"name": "web", "version": "1.0.0", "repository": "https://charts.example.com"},
    "release": "web",
    "namespace": {"name": "apps", "pod_security": "restricted"},
    "crds": {"from": "none"},
    "waits": [{"webhook": "web"}],
    "health": [
        {"deployment": "web"},
        {"condition": {"api_version": "v1", "kind": "Web", "name": "w", "type": "Ready"}},
    ],
    "timeout": "2m",
}


def read(folder: Path, name: str = "web", **changes: Any) -> Entry:
    document = {key: value for key, value in {**DOCUMENT, **changes}.items() if value is not None}
    (folder / name).mkdir(exist_ok=True)
    (folder / name / "addon.yml").write_text(yaml.safe_dump(document))
    return catalog.read_catalogs([str(folder)], str(SCHEMA))[name]


def test_an_entry_is_read(tmp_path: Path) -> None:
    entry = read(tmp_path)
    assert (entry.version(), entry.source(), entry.timeout) == ("1.0.0", "https://charts.example.com", 120)
    assert entry.waits == (Probe("webhook", "web"),)
    assert entry.health[0] == Probe("deployment", "web", "apps")
    assert entry.health[1].title() == "Web apps/w, Ready=True"


@pytest.mark.parametrize(
    ("changes", "rule"),
    [
        ({"colour": "red"}, "colour: is not known"),
        ({"category": "toys"}, "category: 'toys' must be one of"),
        ({"kubernetes": "1.30"}, "kubernetes: '1.30' must match"),
        ({"release": None}, "release: is missing; chart needs it"),
        ({"description": "short"}, "description: its size must be at least 10"),
        ({"health": [{"deployment": "a"}, {"deployment": "a"}]}, "health: must not name anything twice"),
        ({"health": [{"deployments": "a"}]}, "health[0]"),
        ({"crds": {"from": "files"}}, "crds.files: is missing"),
        ({"id": "other"}, "id is other: must be the folder's name"),
    ],
)
def test_an_entry_that_breaks_the_schema_is_refused(
    tmp_path: Path, changes: dict[str, Any], rule: str
) -> None:
    with pytest.raises(AddonError) as caught:
        read(tmp_path, **changes)
    assert f"{tmp_path}/web/addon.yml: {rule}" in str(caught.value)


def test_a_keyword_of_the_schema_that_is_not_known_is_an_error() -> None:
    with pytest.raises(ValueError, match="maximum"):
        list(schema.violations(1, {"maximum": 2}, {}))


def test_every_entry_of_the_catalog_is_read() -> None:
    entries = catalog.read_catalogs([str(CATALOG)], str(SCHEMA))
    assert entries
    assert lock.violations(entries, lock.read([str(CATALOG)])) == []


@pytest.mark.parametrize(
    ("version", "comparisons", "holds"),
    [
        ("v1.36.3", ">=1.30", True),
        ("v1.36.3", ">=1.30 <1.36", False),
        ("v1.30.0-gke.100", ">=1.30", True),
        ("v1.29.9+k3s1", ">=1.30", False),
        ("v1.36.3", "<=1.36.3 >1.36.2", True),
    ],
)
def test_versions(version: str, comparisons: str, holds: bool) -> None:
    assert versions.satisfies(version, comparisons) is holds


def test_entry_and_lock_have_to_agree(tmp_path: Path) -> None:
    entry = read(tmp_path)
    pinned = lock.Locked("1.0.0", "https://charts.example.com", f"sha256:{'0' * 64}")
    assert lock.violations({"web": entry}, {"web": pinned}) == []
    (line,) = lock.violations({"web": entry}, {"web": lock.Locked("0.9.0", pinned.source)})
    assert (
        line == "web: its entry has version 1.0.0, the lock 0.9.0: run playbooks/addons_lock.yml and commit"
    )


def test_a_refreshed_lock_keeps_what_it_could_not_look_up(tmp_path: Path) -> None:
    entries = {"web": read(tmp_path)}
    pinned = lock.Locked("1.0.0", "https://charts.example.com", f"sha256:{'1' * 64}")
    kept = lock.refreshed(entries, {}, {"web": pinned})
    assert lock.parse(kept, "lock.yml") == {"web": pinned}
    newer = lock.refreshed(entries, {}, {"web": lock.Locked("0.9.0", pinned.source, pinned.digest)})
    assert newer["charts"]["web"]["digest"] == ""


def test_a_lock_with_half_a_digest_is_refused() -> None:
    document = {"charts": {"web": {"version": "1", "repository": "https://a", "digest": "sha256:12"}}}
    with pytest.raises(AddonError, match=r"charts\.web\.digest is sha256:12"):
        lock.parse(document, "lock.yml")


def chart(folder: Path) -> Path:
    for name, text in {
        "Chart.yaml": "{apiVersion: v2, name: web, version: 1.0.0, dependencies: [{name: db, alias: store}]}",
        "values.yaml": "colour: red",
        "values.schema.json": json.dumps({"properties": {"size": {}}}),
        "charts/db/Chart.yaml": "{apiVersion: v2, name: db, version: 1.0.0}",
        "charts/db/values.yaml": "depth: 1",
        "templates/values.yaml": "colour: not this one",
    }.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return folder


def test_a_chart_is_packed_to_the_same_bytes_whenever(tmp_path: Path) -> None:
    first = charts.packed(str(chart(tmp_path / "a")), "web")
    for path in (tmp_path / "a").rglob("*"):
        os.utime(path, (1, 1))
    assert charts.packed(str(tmp_path / "a"), "web") == first


def test_what_a_chart_says_of_its_values(tmp_path: Path) -> None:
    packed = tmp_path / "web.tgz"
    packed.write_bytes(charts.packed(str(chart(tmp_path / "a")), "web"))
    found = charts.keys(str(packed))
    assert found.defaults == {"colour": "red"}
    assert found.schema == {"properties": {"size": {}}}
    assert found.subcharts["store"].defaults == {"depth": 1}
    entry = Entry("web", "", "applications", "", chart=Chart("web", "2.0.0"))
    with pytest.raises(AddonError, match=r"is the chart web 1\.0\.0, not web 2\.0\.0"):
        charts.check_metadata(str(packed), entry)


def test_a_release_is_read_as_helm_writes_it() -> None:
    release = {"name": "web", "info": {"status": "pending-install"}, "manifest": "é"}
    assert releases.decode({"data": {"release": releases.encode(release)}}) == release


def test_a_lease_holds_until_it_is_over() -> None:
    now = datetime.datetime(2026, 1, 1, 12, 0, 10, tzinfo=datetime.timezone.utc)
    spec = {"holderIdentity": "alice", "leaseDurationSeconds": 30, "renewTime": "2026-01-01T12:00:00.000000Z"}
    assert lease.seconds_left({"spec": spec}, now) == 20
    assert lease.seconds_left({"spec": {**spec, "holderIdentity": ""}}, now) == 0


def test_only_a_process_of_this_machine_is_known_to_be_dead() -> None:
    own = lease.process()
    boot, space, _pid, started = own.split("/")
    alive = {os.getpid(): own, 7: f"{boot}/{space}/7/100"}.get
    assert not lease.is_dead(own, alive)
    assert not lease.is_dead(f"{boot}/{space}/7/100", alive)
    assert lease.is_dead(f"{boot}/{space}/7/{started}1", alive)
    assert lease.is_dead(f"{boot}/{space}/8/1", alive)
    assert not lease.is_dead("another-boot/1/8/1", alive)
    assert not lease.is_dead("", alive)
