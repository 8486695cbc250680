"""The exporter, scraped by those who may and those who may not, in clear text, over TLS, with passwords."""

from __future__ import annotations

import base64
import http.client
import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from attack import Target, find, probe_from_here
from testinfra.host import Host

PORT = 9100
UNIT = "prometheus-node-exporter.service"
TEXTFILES = "/var/lib/prometheus/node-exporter"
KNOWN = "only-for-the-test"
BCRYPT = "$2b$10$2x.TagyFotsEJy/aHf3F/esBsZiZ/pIkOUgvuxD2vkjPH5w9UxGJ2"

# An authority, a certificate of the exporter's and one of a scraper's, as PEM on standard output.
AUTHORITY = r"""
set -e
folder=$(mktemp -d); cd "$folder"
exec 2>/dev/null
curve="-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes"
openssl req -x509 $curve -days 2 -subj /CN=authority -keyout ca.key -out ca.crt
for name in exporter scraper; do
  openssl req $curve -subj /CN=$name -keyout $name.key -out $name.csr
  echo "subjectAltName=IP:{address},IP:{address6}" >$name.ext
  openssl x509 -req -days 2 -in $name.csr -extfile $name.ext -out $name.crt \
    -CA ca.crt -CAkey ca.key -CAcreateserial
done
for file in ca.crt exporter.crt exporter.key scraper.crt scraper.key; do cat $file; echo =====; done
rm -r "$folder"
"""


@pytest.fixture(scope="module")
def outsider(request: pytest.FixtureRequest) -> Target:
    return find(request.config.option.ansible_inventory, "outsider")


@pytest.fixture(scope="module")
def pem(target: Target, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    made = target.output(AUTHORITY.format(address=target.address, address6=target.address6)).split("=====")
    folder = tmp_path_factory.mktemp("pem")
    names = ("ca.crt", "exporter.crt", "exporter.key", "scraper.crt", "scraper.key")
    for name, text in zip(names, made, strict=False):
        (folder / name).write_text(text.strip() + "\n")
    return {name: folder / name for name in names}


@pytest.fixture
def changed(target: Target, tmp_path: Path) -> Iterator[Path]:
    """Where a test puts other input; afterwards the inventory's holds again."""
    yield tmp_path / "changed.yml"
    (tmp_path / "inventory.yml").write_text("{}\n")
    played = target.play(["host_metrics"], tmp_path / "inventory.yml")
    assert played.returncode == 0, played.stdout


def scrape(address: str, context: ssl.SSLContext | None = None, login: str = "") -> tuple[int, str]:
    """Status and text of one scrape."""
    connection = (
        http.client.HTTPSConnection(address, PORT, timeout=5, context=context)
        if context
        else http.client.HTTPConnection(address, PORT, timeout=5)
    )
    headers = {"Authorization": f"Basic {login}"} if login else {}
    connection.request("GET", "/metrics", headers=headers)
    answer = connection.getresponse()
    text = answer.read().decode()
    connection.close()
    return answer.status, text


def basic(password: str) -> str:
    return base64.b64encode(f"prometheus:{password}".encode()).decode()


def encrypted(pem: dict[str, Path], variables: Path, **more: object) -> None:
    variables.write_text(
        yaml.safe_dump(
            {
                "host_metrics_tls_certificate": pem["exporter.crt"].read_text(),
                "host_metrics_tls_key": pem["exporter.key"].read_text(),
                **more,
            }
        )
    )


def test_those_who_may_scrape_by_both_protocols(target: Target) -> None:
    for address in (target.address, target.address6):
        status, text = scrape(address)
        assert status == 200
        assert "node_load1 " in text


def test_those_who_may_not_get_no_answer(target: Target, outsider: Target) -> None:
    assert probe_from_here(target, PORT) == ["open", "open"]
    assert outsider.probe(target, PORT) == ["silent", "silent"]


def test_collectors_are_those_that_were_asked_for(target: Target) -> None:
    text = scrape(target.address)[1]
    assert 'node_scrape_collector_success{collector="systemd"}' in text
    assert 'collector="infiniband"' not in text
    assert 'mountpoint="/tmp"' not in text


def test_the_sandbox_hides_nothing_that_is_measured(target: Target) -> None:
    text = scrape(target.address)[1]
    for collector in ("cpu", "diskstats", "filesystem", "meminfo", "netdev", "textfile", "timex"):
        assert f'node_scrape_collector_success{{collector="{collector}"}} 1' in text
    assert "node_filesystem_readonly" in text
    assert [
        line
        for line in text.splitlines()
        if line.startswith("node_filesystem_readonly") and line.endswith(" 1")
    ] == []


def test_metrics_of_others_show_up(target: Target) -> None:
    target.output(f"echo 'molecule_metric 42' > {TEXTFILES}/molecule.prom")
    try:
        text = scrape(target.address)[1]
    finally:
        target.output(f"rm {TEXTFILES}/molecule.prom")
    assert "molecule_metric 42" in text
    assert "node_textfile_scrape_error 0" in text


def test_the_exporter_can_not_write_where_others_report(host: Host) -> None:
    assert (host.file(TEXTFILES).user, host.file(TEXTFILES).mode) == ("root", 0o755)
    pid = host.check_output(f"systemctl show --value --property=MainPID {UNIT}")
    assert host.check_output(f"ps -o user= -p {pid}") == "prometheus"
    assert host.run(f"nsenter --target {pid} --mount touch {TEXTFILES}/attack.prom").rc != 0


def test_it_is_confined(host: Host) -> None:
    rated = host.check_output(f"systemd-analyze security --no-pager {UNIT} | tail -1")
    assert float(rated.split(":")[1].split()[0]) < 2.5


def test_debians_collectors_are_not_there(host: Host) -> None:
    assert not host.package("prometheus-node-exporter-collectors").is_installed


def test_it_starts_at_boot_and_comes_back_after_a_crash(host: Host) -> None:
    assert host.service(UNIT).is_enabled
    shown = host.check_output(f"systemctl show --property=Restart,StartLimitIntervalUSec {UNIT}")
    assert set(shown.split()) == {"Restart=always", "StartLimitIntervalUSec=0"}


def test_tls_is_the_only_way_in(target: Target, host: Host, pem: dict[str, Path], changed: Path) -> None:
    encrypted(pem, changed)
    played = target.play(["host_metrics"], changed, "--diff")
    assert played.returncode == 0, played.stdout
    assert pem["exporter.key"].read_text().splitlines()[1] not in played.stdout
    context = ssl.create_default_context(cafile=str(pem["ca.crt"]))
    for address in (target.address, target.address6):
        assert scrape(address, context)[0] == 200
        assert scrape(address)[0] == 400
    old = ssl.create_default_context(cafile=str(pem["ca.crt"]))
    old.maximum_version = ssl.TLSVersion.TLSv1_2
    with pytest.raises(ssl.SSLError):
        scrape(target.address, old)
    key = host.file("/etc/prometheus/node-exporter/tls.key")
    assert (key.user, key.group, key.mode) == ("root", "prometheus", 0o640)


def test_passwords_are_asked_for(target: Target, host: Host, pem: dict[str, Path], changed: Path) -> None:
    encrypted(pem, changed, host_metrics_basic_auth_users=[{"name": "prometheus", "password_hash": BCRYPT}])
    played = target.play(["host_metrics"], changed, "--diff")
    assert played.returncode == 0, played.stdout
    assert BCRYPT not in played.stdout
    config = host.file("/etc/prometheus/node-exporter/web.yml")
    assert (config.user, config.group, config.mode) == ("root", "prometheus", 0o640)
    context = ssl.create_default_context(cafile=str(pem["ca.crt"]))
    assert scrape(target.address, context)[0] == 401
    assert scrape(target.address, context, basic(KNOWN + "x"))[0] == 401
    assert scrape(target.address, context, basic(KNOWN))[0] == 200


def test_certificates_of_scrapers_are_asked_for(target: Target, pem: dict[str, Path], changed: Path) -> None:
    encrypted(pem, changed, host_metrics_tls_client_ca=pem["ca.crt"].read_text())
    played = target.play(["host_metrics"], changed)
    assert played.returncode == 0, played.stdout
    context = ssl.create_default_context(cafile=str(pem["ca.crt"]))
    with pytest.raises((ssl.SSLError, ConnectionError)):
        scrape(target.address, context)
    context.load_cert_chain(pem["scraper.crt"], pem["scraper.key"])
    assert scrape(target.address, context)[0] == 200


def test_it_listens_only_where_it_should(target: Target, changed: Path) -> None:
    changed.write_text(yaml.safe_dump({"host_metrics_listen_addresses": [target.address, "::1"]}))
    played = target.play(["host_metrics"], changed)
    assert played.returncode == 0, played.stdout
    listening = target.output(f"ss -Htln 'sport = {PORT}' | awk '{{print $4}}'").split()
    assert sorted(listening) == sorted([f"{target.address}:{PORT}", f"[::1]:{PORT}"])
    assert probe_from_here(target, PORT) == ["open", "refused"]


def test_others_are_let_in_by_network(target: Target, outsider: Target, changed: Path) -> None:
    changed.write_text(
        yaml.safe_dump({"host_metrics_scrapers": [f"{outsider.address}/32", f"{outsider.address6}/128"]})
    )
    played = target.play(["host_metrics"], changed)
    assert played.returncode == 0, played.stdout
    assert outsider.probe(target, PORT) == ["open", "open"]
    assert probe_from_here(target, PORT) == ["silent", "silent"]


@pytest.mark.parametrize("mistake", ["key", "collector", "address"])
def test_what_the_exporter_would_refuse_changes_nothing(
    target: Target, pem: dict[str, Path], changed: Path, mistake: str
) -> None:
    before = target.output(f"systemctl show --property=MainPID {UNIT}; systemctl cat {UNIT} | sha256sum")
    said = {
        "key": "private key does not match",
        "collector": "unknown long flag '--collector.nonsense'",
        "address": "cannot assign requested address",
    }
    if mistake == "key":
        encrypted(pem, changed, host_metrics_tls_key=pem["scraper.key"].read_text())
    elif mistake == "collector":
        changed.write_text(yaml.safe_dump({"host_metrics_collectors_enabled": ["nonsense"]}))
    else:
        changed.write_text(yaml.safe_dump({"host_metrics_listen_addresses": ["192.0.2.1"]}))
    played = target.play(["host_metrics"], changed)
    assert played.returncode != 0
    assert said[mistake] in played.stdout, played.stdout
    after = target.output(f"systemctl show --property=MainPID {UNIT}; systemctl cat {UNIT} | sha256sum")
    assert after == before


def test_a_port_that_is_taken_is_an_error_and_the_old_one_stays(target: Target, changed: Path) -> None:
    target.output(
        "systemd-run --quiet --unit=taken /usr/bin/python3 -c"
        " 'import socket, time; s = socket.create_server((\"\", 9199)); time.sleep(600)'"
    )
    try:
        changed.write_text(yaml.safe_dump({"host_metrics_port": 9199}))
        played = target.play(["host_metrics"], changed)
    finally:
        target.output("systemctl stop taken")
    assert played.returncode != 0, played.stdout
    assert scrape(target.address)[0] == 200
