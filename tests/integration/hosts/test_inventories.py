"""The inventories are documentation that runs: each environment's data passes every role's rules."""

from __future__ import annotations

import pytest

from tests.integration.support import ROOT, play

# What lies in the vault, or in the environment, at a user's place.
SECRETS = {
    "vault_alice_password": "$y$j9T$c29tZXNhbHQ$7Zs3GqDz5vYcW1uXo4mJkQxN0pRtLbHfEaVdKiUy2M8",
    "vault_backup_password": "a-password-for-the-test",
    "vault_backup_repository_secret": "a-secret-for-the-test",
    "vault_grafana_admin_password": "a-password-for-the-test",
    "vault_ipban_seed": "a-seed-for-the-test",
    "vault_slack_url": "https://slack.example.com/for-the-test",
    "vault_telegram_token": "a-token-for-the-test",
}


@pytest.mark.parametrize("environment", ["lab", "dev", "stage", "prod"])
def test_an_environments_data_passes_every_rule(environment: str) -> None:
    secrets = " ".join(f"{name}='{value}'" for name, value in SECRETS.items())
    played = play(
        ROOT / "playbooks" / "site.yml",
        # Only what checks input; the hosts' part is played by this machine, which nothing touches.
        *("--tags", "always", "--connection", "local", "--check"),
        *("--extra-vars", f"{secrets} ansible_become=false ansible_connection=local"),
        inventory=ROOT / "inventories" / environment,
        ANSIBLE_CACHE_PLUGIN="ansible.builtin.memory",
        # Only that there is one is looked at.
        KUBECONFIG=__file__,
    )
    assert played.returncode == 0, played.output
    assert len(played.stats) > 1
