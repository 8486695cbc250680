"""Where the lab keeps what outlives a checkout: images, keys, known hosts."""

from __future__ import annotations

import os
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parent.parent


def cache() -> Path:
    """The cache directory, made 0700 on first use (``GROUNDWORK_CACHE`` moves it)."""
    path = Path(os.environ.get("GROUNDWORK_CACHE", "~/.cache/groundwork")).expanduser()
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    return path


def private_key() -> Path:
    """The key that opens every lab host; made by :mod:`lab.hosts` on first use."""
    return cache() / "lab_ed25519"


def ssh_config(network: str) -> Path:
    """A configuration for ssh, scp and testinfra in which the hosts of one network have their names."""
    return cache() / f"{network}.ssh_config"


def kubeconfig(network: str) -> Path:
    """The administrator's way into the cluster of one network: ``lab/kubeconfig`` for ``groundwork-lab``."""
    return cache() / network.removeprefix("groundwork-") / "kubeconfig"


def known_hosts() -> Path:
    """The host keys of all lab hosts, learned from inside the containers, never over the network."""
    return cache() / "lab_known_hosts"


def facts() -> Path:
    """Ansible's cache of facts; parts of the tests that run side by side have one each."""
    return Path(os.environ.get("ANSIBLE_CACHE_PLUGIN_CONNECTION", cache() / "facts"))
