"""OpenBao and Vault: names that certificate, configuration, jobs and READMEs have to agree on."""

from __future__ import annotations

import re
from typing import Any

import pytest

from .entries import ENVIRONMENTS, merged
from .shipped import CATALOG, load, load_all

STORES = ("openbao", "vault")


def certificate(name: str) -> dict[str, Any]:
    (found,) = load_all(CATALOG / name / "resources" / "certificate.yml")
    return dict(found["spec"])


@pytest.mark.parametrize("name", STORES)
def test_the_certificate_is_good_for_every_address_in_use(name: str) -> None:
    folder = CATALOG / name
    texts = [path.read_text() for path in folder.rglob("*") if path.is_file()]
    used = {host for text in texts for host in re.findall(r"https://([a-z0-9.-]+):8200", text)}
    used |= {host for text in texts for host in re.findall(r"serverName: (\S+)", text)}
    names = certificate(name)["dnsNames"]
    assert len(used) >= 5
    assert {
        host for host in used if host not in names and f"*.{host.partition('.')[2]}" not in names
    } == set()


@pytest.mark.parametrize("environment", ENVIRONMENTS)
@pytest.mark.parametrize("name", STORES)
def test_nothing_speaks_in_the_clear(name: str, environment: str) -> None:
    values = merged(name, environment)
    config = values["server"]["ha"]["raft"]["config"]
    mount = f"/{name}/tls"
    assert values["global"]["tlsDisable"] is False
    assert "tls_disable" not in config
    for key, file in (("tls_cert_file", "tls.crt"), ("tls_key_file", "tls.key")):
        assert re.search(rf'{key} *= "{mount}/{file}"', config)
    assert config.count("leader_api_addr") == config.count(f'leader_ca_cert_file = "{mount}/ca.crt"') == 3
    (volume,) = values["server"]["volumes"]
    assert volume["secret"]["secretName"] == certificate(name)["secretName"]


@pytest.mark.parametrize("name", STORES)
def test_all_run_the_same_image(name: str) -> None:
    (image,) = load(CATALOG / name / "addon.yml")["images"]
    (beside,) = merged(name, "")["server"]["extraContainers"]
    things = load_all(CATALOG / name / "resources" / "snapshot.yml")
    (job,) = [thing for thing in things if thing["kind"] == "CronJob"]
    (container,) = job["spec"]["jobTemplate"]["spec"]["template"]["spec"]["containers"]
    assert beside["image"] == container["image"] == image


@pytest.mark.parametrize("name", STORES)
def test_the_image_is_of_the_charts_version(name: str, contracts: Any) -> None:
    (image,) = load(CATALOG / name / "addon.yml")["images"]
    assert image.rpartition(":")[2] == load(contracts / name / "Chart.yaml")["appVersion"].removeprefix("v")
