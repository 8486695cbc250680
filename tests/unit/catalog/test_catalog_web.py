"""The chart that this project wrote itself: its own schema, and what Helm makes of it."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.groundwork.platform.plugins.module_utils.addons.known import unknown
from jsonschema import Draft7Validator

from .entries import ENVIRONMENTS, chart_keys, merged, the_catalog
from .shipped import FILES, load

CHART = FILES / "charts" / "web"


def helm(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Helm of the machine, or the one that the lab built."""
    cache = Path(os.environ.get("GROUNDWORK_CACHE", "~/.cache/groundwork")).expanduser()
    found = shutil.which("helm") or shutil.which("helm", path=str(cache / "kubernetes" / "bin"))
    if found is None:
        pytest.skip("helm is not there: the lab builds it")
    return subprocess.run([found, *arguments], capture_output=True, text=True, check=False)


def rendered(*arguments: str) -> dict[str, dict[str, Any]]:
    done = helm("template", "web", str(CHART), "--namespace", "web", *arguments)
    assert done.returncode == 0, done.stderr
    return {thing["kind"]: thing for thing in yaml.safe_load_all(done.stdout) if thing}


def test_entry_and_chart_are_of_the_same_version() -> None:
    chart = load(CHART / "Chart.yaml")
    entry = the_catalog()["web"]
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


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_it_knows_the_values_of_its_entry(environment: str) -> None:
    assert unknown(merged("web", environment), chart_keys(CHART), the_catalog()["web"].free_form) == []


def test_helm_finds_nothing_wrong() -> None:
    done = helm("lint", "--strict", str(CHART))
    assert done.returncode == 0, done.stdout + done.stderr


def test_it_meets_the_level_of_its_namespace() -> None:
    pod = rendered()["Deployment"]["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert container["securityContext"]["allowPrivilegeEscalation"] is False
    assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}


def test_it_has_an_ingress_only_with_hosts() -> None:
    assert "Ingress" not in rendered()
    made = rendered("--set", "ingress.hosts={a.example.com}", "--set", "ingress.tlsSecret=web-tls")
    spec = made["Ingress"]["spec"]
    assert spec["tls"] == [{"secretName": "web-tls", "hosts": ["a.example.com"]}]
    (rule,) = spec["rules"]
    (path,) = rule["http"]["paths"]
    backend = path["backend"]["service"]
    assert backend["name"] == made["Service"]["metadata"]["name"]
    assert backend["port"]["name"] in [port["name"] for port in made["Service"]["spec"]["ports"]]


def test_a_digest_counts_before_a_tag() -> None:
    digest = f"sha256:{'0' * 64}"
    made = rendered("--set", f"image.digest={digest}", "--set", "image.tag=other")
    (container,) = made["Deployment"]["spec"]["template"]["spec"]["containers"]
    assert container["image"].endswith(f"/web@{digest}")


def test_a_value_that_it_does_not_know_is_refused() -> None:
    done = helm("template", "web", str(CHART), "--set", "replica=1")
    assert done.returncode != 0
    assert "replica" in done.stderr
