# Copyright (c) 2026 Groundwork contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The peers' file on the controller's disk: read, locked and replaced as a whole."""

from __future__ import annotations

import contextlib
import fcntl
import os
import tempfile
import time
from collections.abc import Iterator, Mapping
from typing import Any

import yaml
from ansible.errors import AnsibleActionFail
from ansible_collections.groundwork.platform.plugins.module_utils.wireguard.reading import Network
from ansible_collections.groundwork.platform.plugins.module_utils.wireguard.validate import pools_of

_LOCK_SECONDS = 60
_POLICY = "wireguard.yml"
# What the loader in C gives for 1,000 peers in 100 ms, the one in Python gives in 2 s.
_BASE: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class _Loader(_BASE):  # type: ignore[misc]
    """YAML without times, which stay text, and without keys that say two things."""

    yaml_implicit_resolvers = {  # noqa: RUF012  # because that is how PyYAML takes them
        first: [(tag, pattern) for tag, pattern in found if tag != "tag:yaml.org,2002:timestamp"]
        for first, found in _BASE.yaml_implicit_resolvers.items()
    }

    def construct_mapping(self, node: Any, deep: bool = False) -> dict[Any, Any]:
        # Two heads of one list are what a merge that went wrong leaves: one of them would be forgotten.
        keys = [key.value for key, _value in node.value]
        if len(set(keys)) < len(keys):
            twice = next(key for key in keys if keys.count(key) > 1)
            raise yaml.constructor.ConstructorError(None, None, f"{twice} is there twice", node.start_mark)
        found: dict[Any, Any] = super().construct_mapping(node, deep)
        return found


class _Lenient(_Loader):
    """For what Ansible reads and this does not have to: tags of its own are nothing here."""


_Lenient.add_constructor(None, lambda _loader, _node: None)


class PeersFile:
    """One file. A missing one reads as nothing."""

    def __init__(self, path: str) -> None:
        # A link stays a link.
        self.path = os.path.realpath(os.path.expanduser(path))

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Keep others on this machine from writing; the folder is what is locked, as it is never replaced."""
        folder = os.path.dirname(self.path)
        os.makedirs(folder, exist_ok=True)
        handle = os.open(folder, os.O_RDONLY)
        try:
            deadline = time.monotonic() + _LOCK_SECONDS
            while True:
                try:
                    fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    break
                except BlockingIOError:
                    if time.monotonic() > deadline:
                        raise AnsibleActionFail(
                            f"{self.path}: another run has been writing it for {_LOCK_SECONDS} seconds"
                        ) from None
                    time.sleep(0.05)
            yield
        finally:
            os.close(handle)

    def read(self) -> tuple[str, Mapping[str, Any]]:
        """Its text and content; an error says what is wrong with the file as a whole."""
        try:
            with open(self.path, encoding="utf-8") as file:
                text = file.read()
        except FileNotFoundError:
            return "", {}
        except (OSError, UnicodeDecodeError) as error:
            raise AnsibleActionFail(f"wireguard_peers_file is {self.path}: can't be read: {error}") from error
        if text.startswith("$ANSIBLE_VAULT"):
            raise AnsibleActionFail(
                f"wireguard_peers_file is {self.path}: must not be encrypted; nothing in it is secret,"
                " and what changed has to be readable in git"
            )
        try:
            content = yaml.load(text, Loader=_Loader)  # noqa: S506  # because it is a SafeLoader
        except yaml.YAMLError as error:
            raise AnsibleActionFail(
                f"wireguard_peers_file is {self.path}: must be YAML without conflicts of a merge;"
                f" {' '.join(str(error).split())}"
            ) from error
        if content is not None and not isinstance(content, Mapping):
            raise AnsibleActionFail(
                f"wireguard_peers_file is {self.path}: must define wireguard_peers and the like"
            )
        return text, content or {}

    def write(self, text: str) -> None:
        """Replace the file, whole or not at all."""
        handle, name = tempfile.mkstemp(prefix=".", dir=os.path.dirname(self.path))
        try:
            with os.fdopen(handle, "w", encoding="utf-8") as file:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
            os.chmod(name, 0o644)
            os.replace(name, self.path)
        except BaseException:
            os.unlink(name)
            raise

    def environments(self, own: str) -> dict[str, list[Network]]:
        """Pools of the environments beside the own one: ``inventories/*/group_vars/all/wireguard.yml``.

        Nothing where the file is in no inventory of that shape. A policy that is broken is passed over: its
        own environment refuses it, and holds it against this one once it is mended.
        """
        folders = os.path.dirname(self.path).split(os.sep)
        if folders[-2:] != ["group_vars", "all"] or len(folders) < 4:
            return {}
        inventories = os.sep.join(folders[:-3]) or os.sep
        found: dict[str, list[Network]] = {}
        for name in sorted(os.listdir(inventories)):
            path = os.path.join(inventories, name, "group_vars", "all", _POLICY)
            if name == folders[-3] or not os.path.isfile(path):
                continue
            with (
                contextlib.suppress(OSError, ValueError, AttributeError, yaml.YAMLError),
                open(path, "rb") as file,
            ):
                document = yaml.load(file, Loader=_Lenient)  # noqa: S506  # because it is a SafeLoader
                # A copy of this environment is not beside it.
                if document.get("wireguard_environment") != own:
                    found[name] = list(pools_of(document))
        return found
