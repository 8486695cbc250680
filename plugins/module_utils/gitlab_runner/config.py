# Copyright (c) 2026 Groundwork contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The config.toml of gitlab-runner: written from the declaration, with the tokens that are there kept.

gitlab-runner writes the file too, when it renews a token. So files are compared by what they mean: what the
declaration has must be there, what it does not have must be a zero value.
"""

from __future__ import annotations

import copy
import datetime
from dataclasses import dataclass
from typing import Any, Dict, List, Mapping, Optional, Sequence, Tuple

from . import toml
from .model import KUBERNETES, Runner, is_ours

try:
    import tomllib

    MISSING = ""
except ImportError:
    MISSING = "Python 3.11 or newer is needed where config.toml is, for tomllib"

# What GitLab gave, and nobody declares.
CREDENTIALS = ("id", "token", "token_obtained_at", "token_expires_at")
NEVER = datetime.datetime(1, 1, 1, tzinfo=datetime.timezone.utc)
PODMAN_SOCKET = "unix:///run/groundwork-podman/podman.sock"

Document = Dict[str, Any]


class ConfigError(Exception):
    """A config.toml that can't be read, or that would be incomplete."""


@dataclass(frozen=True)
class Settings:
    """What all runners of a place share."""

    url: str
    concurrent: int = 0
    listen_address: str = ""
    log_level: str = "info"
    shutdown_timeout: int = 0
    ca_path: str = ""
    cache: Optional[Mapping[str, Any]] = None


@dataclass(frozen=True)
class Known:
    """A runner that a config.toml has. ``expires_at`` is None for a token that does not end."""

    runner_id: int
    expires_at: Optional[datetime.datetime]
    complete: bool


def parse(text: str) -> Document:
    """A config.toml. Raises :exc:`ConfigError`."""
    if MISSING:
        raise ConfigError(MISSING)
    try:
        return tomllib.loads(text)
    except ValueError as error:
        raise ConfigError(f"config.toml is no TOML: {error}") from error


def known(document: Mapping[str, Any]) -> Dict[str, Known]:
    """Our runners in it, by label, without their tokens."""
    return {
        str(runner.get("name")): Known(
            int(runner.get("id", 0)),
            _end(runner.get("token_expires_at")),
            bool(runner.get("token")) and bool(runner.get("id")),
        )
        for runner in document.get("runners", [])
        if is_ours(str(runner.get("name", "")))
    }


def _end(value: Any) -> Optional[datetime.datetime]:
    return value if isinstance(value, datetime.datetime) and value > NEVER else None


def desired(runners: Sequence[Runner], place: str, settings: Settings) -> Document:
    """The whole file of one place, without credentials."""
    sections = [section(runner, place, settings) for runner in runners]
    return {
        "concurrent": settings.concurrent or max(1, sum(runner.concurrency for runner in runners)),
        "check_interval": 3,
        "log_level": settings.log_level,
        "log_format": "json",
        "shutdown_timeout": settings.shutdown_timeout,
        **({"listen_address": settings.listen_address} if settings.listen_address else {}),
        "runners": sections,
    }


def section(runner: Runner, place: str, settings: Settings) -> Document:
    """The section of one runner."""
    found: Document = {
        "name": runner.label(place),
        "url": settings.url,
        "executor": "docker" if runner.executor == "podman" else runner.executor,
        "limit": runner.concurrency,
        "request_concurrency": 1,
    }
    if settings.ca_path:
        found["tls-ca-file"] = settings.ca_path
    if runner.environment:
        found["environment"] = [f"{key}={value}" for key, value in sorted(runner.environment.items())]
    if runner.executor == "shell":
        found["builds_dir"] = f"/var/lib/gitlab-runner/builds/{runner.name}"
        found["cache_dir"] = f"/var/lib/gitlab-runner/cache/{runner.name}"
        # Nothing of a job stays for the next one to find.
        found["feature_flags"] = {"FF_ENABLE_JOB_CLEANUP": True}
    elif runner.executor == KUBERNETES:
        # A field of its own config.toml does not have; Pod Security `restricted` asks for it.
        found["feature_flags"] = {"FF_USE_ADVANCED_POD_SPEC_CONFIGURATION": True}
        found["kubernetes"] = _kubernetes(runner)
    else:
        found["docker"] = _docker(runner)
    if settings.cache:
        found["cache"] = _cache(runner, settings.cache)
    return found


def _docker(runner: Runner) -> Document:
    host = {"host": PODMAN_SOCKET} if runner.executor == "podman" else {}
    return {
        **host,
        "image": runner.image,
        "privileged": False,
        "services_privileged": False,
        # What installing packages does not need; without any, no image of a distribution could be built on.
        "cap_drop": ["AUDIT_WRITE", "MKNOD", "NET_RAW", "SETPCAP", "SYS_CHROOT"],
        "security_opt": ["no-new-privileges"],
        # A cache volume would be shared by all jobs of the host, whose ever they are.
        "disable_cache": True,
        "volumes": [],
        "pull_policy": list(runner.pull_policies),
        "allowed_pull_policies": list(runner.pull_policies),
        "allowed_images": list(runner.allowed_images),
        "allowed_services": list(runner.allowed_services),
        **({"memory": runner.memory} if runner.memory else {}),
        **({"cpus": runner.cpus} if runner.cpus else {}),
    }


def namespace(runner: Runner) -> str:
    """Where the jobs of a runner in a cluster run: one for each runner."""
    return f"ci-{runner.name}"


def _kubernetes(runner: Runner) -> Document:
    container = {
        "privileged": False,
        "allow_privilege_escalation": False,
        "run_as_non_root": True,
        "run_as_user": 1000,
        "run_as_group": 1000,
        "capabilities": {"drop": ["ALL"]},
    }
    closed = dict.fromkeys(
        (
            "namespace_overwrite_allowed",
            "service_account_overwrite_allowed",
            "node_selector_overwrite_allowed",
            "node_tolerations_overwrite_allowed",
            "pod_labels_overwrite_allowed",
            "pod_annotations_overwrite_allowed",
        ),
        "",
    )
    parts = ("build", "helper", "service", "init_permissions")
    limits = {"memory_limit": runner.memory, "cpu_limit": runner.cpus}
    return {
        "namespace": namespace(runner),
        "namespace_per_job": False,
        "service_account": "job",
        "automount_service_account_token": False,
        "image": runner.image,
        "privileged": False,
        "allow_privilege_escalation": False,
        "bearer_token_overwrite_allowed": False,
        **closed,
        "pull_policy": list(runner.pull_policies),
        "allowed_pull_policies": list(runner.pull_policies),
        "allowed_images": list(runner.allowed_images),
        "allowed_services": list(runner.allowed_services),
        "cap_drop": ["ALL"],
        **{key: value for key, value in limits.items() if value},
        "pod_security_context": {
            "run_as_non_root": True,
            "run_as_user": 1000,
            "run_as_group": 1000,
            "fs_group": 1000,
        },
        **{f"{part}_container_security_context": copy.deepcopy(container) for part in parts},
        "pod_spec": [
            {
                "name": "seccomp",
                "patch_type": "strategic",
                "patch": "securityContext: {seccompProfile: {type: RuntimeDefault}}\n",
            }
        ],
    }


def _cache(runner: Runner, cache: Mapping[str, Any]) -> Document:
    """A place of its own for each runner, so that nobody reads or poisons the cache of another."""
    return {
        "Type": "s3",
        "Path": runner.name,
        "Shared": False,
        "s3": {
            "ServerAddress": cache["address"],
            "BucketName": cache["bucket"],
            "BucketLocation": cache.get("region", "us-east-1"),
            "Insecure": bool(cache.get("insecure", False)),
            **(
                {"AccessKey": cache["access_key"], "SecretKey": cache["secret_key"]}
                if cache.get("access_key")
                else {"AuthenticationType": "iam"}
            ),
        },
    }


def merged(
    wanted: Mapping[str, Any], present: Mapping[str, Any], given: Mapping[str, Mapping[str, Any]]
) -> Document:
    """The file to be: what is declared, with credentials that are there or were given just now.

    Runners of others stay as they are. Raises :exc:`ConfigError` for a runner without a token.
    """
    there = {str(runner.get("name")): runner for runner in present.get("runners", [])}
    sections = []
    for runner in wanted.get("runners", []):
        label = str(runner["name"])
        found = given.get(label) or there.get(label, {})
        credentials = {
            key: _time(found.get(key)) if key.endswith("_at") else found.get(key) for key in CREDENTIALS
        }
        if not credentials.get("token"):
            raise ConfigError(f"there is no token for the runner {label}")
        head = {key: runner[key] for key in ("name", "url")}
        sections.append({**head, **{key: value for key, value in credentials.items() if value}, **runner})
    others = [dict(runner) for label, runner in there.items() if not is_ours(label)]
    return {**{key: value for key, value in wanted.items() if key != "runners"}, "runners": sections + others}


def _time(value: Any) -> Any:
    """A time as TOML has it, of the texts that came as JSON."""
    return datetime.datetime.fromisoformat(value) if isinstance(value, str) else value


def same(wanted: Any, present: Any) -> bool:
    """Whether a file means what it should: all that is wanted is there, and what is more is a zero value."""
    if isinstance(wanted, Mapping) and isinstance(present, Mapping):
        return all(
            same(wanted[key], present[key]) if key in present else _zero(wanted[key]) for key in wanted
        ) and all(_zero(value) for key, value in present.items() if key not in wanted)
    if isinstance(wanted, list) and isinstance(present, list):
        return len(wanted) == len(present) and all(same(a, b) for a, b in zip(wanted, present))
    return bool(wanted == present)


def _zero(value: Any) -> bool:
    if isinstance(value, Mapping):
        return all(_zero(entry) for entry in value.values())
    return not value or value == NEVER


def without_secrets(document: Mapping[str, Any]) -> Document:
    """The file as it may be shown."""
    shown = copy.deepcopy(dict(document))
    for runner in shown.get("runners", []):
        for holder, key in _secret_places(runner):
            holder[key] = "(secret)"
    return shown


def _secret_places(runner: Document) -> List[Tuple[Document, str]]:
    s3 = runner.get("cache", {}).get("s3", {})
    return [
        (holder, key)
        for holder, key in ((runner, "token"), (runner, "environment"), (s3, "SecretKey"), (s3, "AccessKey"))
        if holder.get(key)
    ]


def text(document: Mapping[str, Any], head: str = "") -> str:
    """The file's content."""
    return head + toml.dumps(document)
