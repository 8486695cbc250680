# Copyright (c) 2026 Groundwork contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A whole run: read the model, read GitLab, refuse or plan, carry out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Callable, Dict, List, Mapping, Optional

from ..plan import Meter, diff
from . import structure
from .apply import Applier
from .client import Client
from .context import Context
from .instance import instance_steps
from .model import Model, Node, Violations, parse
from .read import locate, read_sections, who_asks
from .secrets import Digester
from .sections import NAMES, of
from .steps import CLOSING, Step, section_steps

Say = Callable[[str], None]


class FailedError(Exception):
    """Some changes failed; ``result`` has what was done, what failed and what was left."""

    def __init__(self, result: Dict[str, Any]) -> None:
        super().__init__(result["msg"])
        self.result = result


@dataclass(frozen=True)
class Request:
    """What is asked for, as the module's options have it."""

    groups: Any
    instance: Any
    defaults: Any
    enforce: Any
    confirm_deletion: List[str]
    digest_key: str
    # How files of the controller are reached: a template with variables to a text, and a picture to its path.
    render: Optional[Callable[[str, Mapping[str, Any]], str]] = None
    find: Optional[Callable[[str], str]] = None


def modelled(request: Request) -> Model:
    """The model, or all that is wrong with it as far as that shows without a GitLab."""
    violations = Violations()
    model = parse(request.groups, request.instance, request.defaults, request.enforce, NAMES, violations)
    for node in _all(model):
        _fetch(node, request, violations)
        for section in of(node.kind):
            if section.name in node.options:
                for place, value, rule, secret in section.validate(node):
                    violations.add(place, value, rule, secret)
    paths = {node.path for node in model.nodes if node.absent}
    for path in request.confirm_deletion:
        if path not in paths:
            violations.add(
                "gitlab_config_confirm_deletion",
                path,
                "must be the full path of something with state: absent",
            )
    violations.finish()
    return model


def _fetch(node: Node, request: Request, violations: Violations) -> None:
    """Fill in what stands in files of the controller: rendered templates, and the path of the picture."""
    picture = node.options.get("avatar")
    if request.find is not None and isinstance(picture, str):
        try:
            node.options["avatar"] = request.find(picture)
        except Exception as error:  # because ansible-core raises several kinds, none of them documented
            violations.add(f"{node.place}.avatar", picture, f"can't be read: {error}")
    files = node.options.get("files")
    if not isinstance(files, Mapping):
        return
    about = {"path": node.path, "name": node.name, "group": node.parent.path if node.parent else ""}
    filled: Dict[str, Any] = {}
    for path, item in files.items():
        filled[path] = item
        if not isinstance(item, Mapping) or "template" not in item:
            continue
        rest = {name: value for name, value in item.items() if name != "template"}
        place = f"{node.place}.files[{path}].template"
        if "content" in item:
            violations.add(place, item["template"], "must not be given with content; the file is one of both")
        elif request.render is not None:
            try:
                rest["content"] = request.render(str(item["template"]), {"gitlab_project": about})
            except Exception as error:  # because whatever is wrong with a template is the input's fault
                violations.add(place, item["template"], f"can't be rendered: {error}")
                rest["content"] = "-"
        filled[path] = rest
    node.options["files"] = filled


def _all(model: Model) -> List[Node]:
    return [*model.nodes, *([model.instance] if model.instance else [])]


def converge(
    request: Request, client: Client, meter: Meter, check_mode: bool, say: Optional[Say] = None
) -> Dict[str, Any]:
    """Bring GitLab to the model; the result of the module. Raises RefusedError, FailedError and ApiError."""
    model = modelled(request)
    context = Context(client, model, Digester(request.digest_key), Violations(), request.confirm_deletion)
    steps = planned(context, check_mode)
    applier = Applier(context, say or (lambda _line: None))
    if not check_mode:
        applier.run(steps)
    changes = [step.change for step in steps]
    result: Dict[str, Any] = {
        "changed": bool(changes) if check_mode else bool(applier.applied),
        "plan": [change.public() for change in changes],
        "diff": diff(changes),
        "unlisted": sorted(context.unlisted, key=lambda one: (one["object"], one["section"], one["key"])),
        "warnings": context.warnings,
        "stats": {**meter.stats(), "reads": client.reads, "writes": client.writes},
    }
    if applier.failures:
        first = applier.failures[0]
        more = f" (and {len(applier.failures) - 1} more)" if len(applier.failures) > 1 else ""
        result.update(applier.outcome(), failed=True, msg=f"{first['change']}: {first['reason']}{more}")
        raise FailedError(result)
    return result


def planned(context: Context, check_mode: bool) -> List[Step]:
    """All steps, after everything that is wrong was told in one go."""
    who_asks(context, check_mode)
    context.violations.finish()
    stock = locate(context)
    structure.check(context, stock)
    active, rows = read_sections(context)
    context.resolve({name for node, section in active for name in section.users(node)})
    for node, section in active:
        for place, value, rule, secret in section.resolve(context, node):
            context.violations.add(place, value, rule, secret)
    context.violations.finish()
    steps: List[Step] = []
    by_node: Dict[int, List[Step]] = {}
    for (node, section), actual in zip(active, rows):
        by_node.setdefault(id(node), []).extend(section_steps(context, node, section, actual))
    if context.model.instance is not None:
        steps += [
            *instance_steps(context, context.model.instance),
            *by_node.get(id(context.model.instance), []),
        ]
    for node in context.model.nodes:
        steps += [*structure.steps(context, node), *by_node.get(id(node), [])]
    structure.unlisted(context, stock)
    context.violations.finish()
    return sorted(steps, key=lambda step: step.phase == CLOSING)
