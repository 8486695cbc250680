"""The routes of alerts that the inventories show, as Alertmanager's own program reads them."""

from __future__ import annotations

import re
import subprocess
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests import tools

from .shipped import CATALOG, ROOT, load

ROUTES = ROOT / "inventories" / "dev" / "group_vars" / "clusters" / "alert_routes.yml"
SELECTION = ROUTES.parent / "k8s_addons.yml"
# Where the values of both stacks mount the Secret.
MOUNT = "/etc/alertmanager-receivers/"
STACKS = {"kube-prometheus-stack": "alertmanagerSpec", "victoria-metrics-k8s-stack": "spec"}


def the_routes() -> dict[str, Any]:
    """What Alertmanager gets: Ansible takes its own marks away."""
    text = re.sub(r"\{% (end)?raw %\}", "", ROUTES.read_text())
    found: dict[str, Any] = yaml.safe_load(text)["alert_routes"]
    return found


@cache
def amtool() -> str:
    found = tools.find("amtool")
    if found is None:
        pytest.skip("amtool is not there: it comes with Debian's package prometheus-alertmanager")
    return found


@pytest.fixture(scope="module")
def configuration(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The routes as a file of Alertmanager's."""
    routes = the_routes()
    version = re.search(r"version (\d+)\.(\d+)", said("--version")[1])
    if version and (int(version[1]), int(version[2])) < (0, 26):
        # Debian 12's knows no files with tokens; where alerts go does not depend on them.
        for receiver in routes["receivers"]:
            for telegram in receiver.get("telegram_configs", ()):
                telegram["bot_token"] = telegram.pop("bot_token_file")
    path = tmp_path_factory.mktemp("routes") / "alertmanager.yml"
    path.write_text(yaml.safe_dump(routes))
    return path


def said(*arguments: str) -> tuple[int, str]:
    done = subprocess.run([amtool(), *arguments], capture_output=True, text=True, check=False)
    return done.returncode, done.stdout + done.stderr


def test_alertmanager_takes_them(configuration: Path) -> None:
    status, output = said("check-config", str(configuration))
    assert status == 0, output
    assert "3 receivers" in output


@pytest.mark.parametrize(
    ("labels", "receivers"),
    [
        ("alertname=RequestLatencyCritical severity=critical signal=latency", "on-call,chat"),
        ("alertname=VeleroBackupTooOld severity=critical", "on-call,chat"),
        ("alertname=RequestErrorsHigh severity=warning signal=errors", "chat"),
        ("alertname=SomebodyForgotTheSeverity", "chat"),
        ("alertname=PrometheusKeepsLessThanAsked severity=info", "nowhere"),
        ("alertname=Watchdog severity=none", "nowhere"),
    ],
)
def test_an_alert_goes_where_it_should(labels: str, receivers: str, configuration: Path) -> None:
    command = ("config", "routes", "test", f"--config.file={configuration}")
    status, output = said(*command, f"--verify.receivers={receivers}", *labels.split())
    assert status == 0, output


def test_a_route_to_nobody_is_found(configuration: Path, tmp_path: Path) -> None:
    broken = tmp_path / "alertmanager.yml"
    broken.write_text(configuration.read_text().replace("receiver: on-call", "receiver: nobody"))
    status, output = said("check-config", str(broken))
    assert status != 0
    assert "nobody" in output


def test_no_token_stands_in_them() -> None:
    """Slack's address is one too: whoever has it can write."""
    files = [
        value
        for receiver in the_routes()["receivers"]
        for kind in ("slack_configs", "telegram_configs")
        for settings in receiver.get(kind, ())
        for key, value in settings.items()
        if key in ("api_url", "api_url_file", "bot_token", "bot_token_file")
    ]
    assert files == [f"{MOUNT}slack-url", f"{MOUNT}telegram-token"]


@pytest.mark.parametrize("stack", STACKS)
def test_both_stacks_have_the_files(stack: str) -> None:
    """The Secret that the entry names, with the keys that it names, where the routes look for them."""
    (secret,) = (
        secret
        for secret in load(CATALOG / stack / "addon.yml")["secrets"]
        if secret["name"] == "alertmanager-receivers"
    )
    assert secret["keys"] == ["slack-url", "telegram-token"]
    specification = load(CATALOG / stack / "values.yml")["alertmanager"][STACKS[stack]]
    (volume,) = specification["volumes"]
    (mount,) = specification["volumeMounts"]
    assert volume["secret"] == {"secretName": secret["name"], "optional": True}
    assert (mount["name"], f"{mount['mountPath']}/") == (volume["name"], MOUNT)


def test_the_selection_brings_the_files() -> None:
    given = load(SELECTION)["k8s_addons_secrets"]["kube-prometheus-stack"]["alertmanager-receivers"]
    assert set(given) == {"slack-url", "telegram-token"}


def test_what_is_critical_silences_the_warning_of_the_same_thing() -> None:
    """Every label that says what an alert of a signal is about has to be equal."""
    told = {tuple(rule["source_matchers"]): rule["equal"] for rule in the_routes()["inhibit_rules"]}
    (equal,) = (labels for matchers, labels in told.items() if any("signal" in text for text in matchers))
    fired = [
        alert["exp_labels"]
        for case in load(Path(__file__).parent / "alerts" / "platform-alerts.yml")["tests"]
        for tried in case["alert_rule_test"]
        for alert in tried.get("exp_alerts", ())
        if "signal" in alert["exp_labels"]
    ]
    for signal in ("latency", "errors", "cpu"):
        severities = {labels["severity"] for labels in fired if labels["signal"] == signal}
        assert severities == {"warning", "critical"}
    assert {label for labels in fired for label in labels} - {"severity"} == set(equal)
