"""What is there, written as a model: no secret in it, and nothing to do for the next run."""

from __future__ import annotations

from typing import Any

import pytest
import yaml
from ansible_collections.groundwork.platform.plugins.module_utils.gitlab.model import RefusedError

from tests.integration.gitlab.test_converge import SECRETS, whole
from tests.integration.gitlab.world import World, acme, public_key


def filled(model: Any) -> dict[str, Any]:
    """The model as Ansible would see it while nobody has filled the references: they are null."""
    text = yaml.safe_load(yaml.safe_dump(model))

    def walk(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: walk(item) for key, item in value.items()}
        if isinstance(value, list):
            return [walk(item) for item in value]
        return None if isinstance(value, str) and value.startswith("{{") else value

    walked = walk(text)
    assert isinstance(walked, dict)
    return walked


def test_an_export_is_clean(either: World) -> None:
    either.run(whole())
    exported = either.export()
    model = filled(exported)
    either.again(model["gitlab_config_groups"], instance=model.get("gitlab_config_instance"), digest_key="")


def test_it_is_everything(ce: World) -> None:
    """Enforced removal with the exported model would remove nothing."""
    ce.run(whole())
    model = filled(ce.export("acme"))
    sections = ("members", "labels", "hooks", "badges", "deploy_keys", "protected_branches", "protected_tags")
    more = ("schedules", "mirrors", "integrations", "shares", "job_token", "variables")
    ce.again(model["gitlab_config_groups"], enforce=dict.fromkeys((*sections, *more), "remove"))


def test_no_secret_is_in_it(ce: World) -> None:
    ce.run(whole())
    text = yaml.safe_dump(ce.export())
    for secret in (*SECRETS, "https://dev.example", ce.project().variables.get("PULL").value):
        assert secret not in text
    assert "gitlab_config_values" in text


def test_what_python_gitlab_made_is_exported_too(ce: World) -> None:
    group = ce.root.groups.create({"name": "Legacy", "path": "legacy", "visibility": "public"})
    sub = ce.root.groups.create({"name": "Sub", "path": "sub", "parent_id": group.id})
    for name in ("one", "two"):
        project = ce.root.projects.create({"name": name, "namespace_id": sub.id, "merge_method": "ff"})
        project.labels.create({"name": "old", "color": "#123456"})
        project.keys.create({"title": name, "key": public_key(7)})
        project.pipelineschedules.create({"description": "weekly", "ref": "main", "cron": "0 0 * * 0"})
    archived = ce.root.projects.create({"name": "past", "namespace_id": sub.id})
    archived.archive()
    model = ce.export("legacy")["gitlab_config_groups"]
    assert model[0]["defaults"]["projects"]["settings"]["request_access_enabled"] is True
    projects = {project["path"]: project for project in model[0]["groups"][0]["projects"]}
    assert projects["one"]["labels"] == {"old": "#123456"}
    assert projects["past"]["archived"] is True
    ce.again(model)


def test_an_unknown_group_is_refused(ce: World) -> None:
    ce.run(acme())
    with pytest.raises(RefusedError, match='is "nowhere": must be the path of a top group'):
        ce.export("acme", "nowhere")
