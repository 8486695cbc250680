# Copyright (c) 2026 Groundwork contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Checks a role's input on the controller and reports everything that is wrong at once."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from typing import Any

from ansible.errors import AnsibleActionFail, AnsibleError, AnsibleUndefinedVariable
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible.plugins.action import ActionBase
from ansible_collections.groundwork.platform.plugins.module_utils.inputs import shown

REQUIRED = ("variable", "that", "rule")
OPTIONAL = ("each", "label", "secret")


class ActionModule(ActionBase):
    """Evaluates each rule, for each element where it says so; one failure carries all violations."""

    TRANSFERS_FILES = False
    _requires_connection = False

    @classmethod
    def finalize_task_arg(cls, name: str, value: Any, templar: Any, context: Any) -> Any:
        """Rules stay as written: ``label`` and ``that`` are about an ``item`` that does not exist yet."""
        if name == "rules":
            return value
        return super().finalize_task_arg(name, value, templar, context)

    def run(self, tmp: Any = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        result: dict[str, Any] = super().run(tmp, task_vars)
        self._variables = task_vars or {}
        rules = self._rules()
        # Rules may rely on the types of what they look at.
        violations = self._specification_violations() or [
            line for rule in rules for line in self._violations(rule)
        ]
        result["changed"] = False
        if violations:
            result["failed"] = True
            result["violations"] = violations
            result["msg"] = "\n".join(violations)
        else:
            result["msg"] = "All inputs are valid"
        return result

    def _specification_violations(self) -> list[str]:
        """What the role's own argument specification refuses; nothing outside of a role.

        ansible-core checks it too, but only when the role's turn has come: after others changed the host.
        """
        role = self._task._role
        path = os.path.join(role._role_path, "meta", "argument_specs.yml") if role else ""
        if not os.path.exists(path):
            return []
        options = self._loader.load_from_file(path)["argument_specs"]["main"].get("options", {})
        given = self._templar.template(
            {name: self._variables[name] for name in options if name in self._variables}
        )
        return list(
            ArgumentSpecValidator(options).validate(given, validate_role_argument_spec=True).error_messages
        )

    def _rules(self) -> list[Mapping[str, Any]]:
        unknown = sorted(set(self._task.args) - {"rules"})
        if unknown:
            raise AnsibleActionFail(
                f"assert_inputs knows no option {', '.join(unknown)}; it has only 'rules'"
            )
        rules = self._task.args.get("rules")
        if not isinstance(rules, list) or not rules:
            raise AnsibleActionFail("rules must be a list of rules, written out in the task")
        for number, rule in enumerate(rules, start=1):
            if not isinstance(rule, Mapping):
                raise AnsibleActionFail(
                    f"rules, entry {number}: must be a mapping with {', '.join(REQUIRED)}"
                )
            wrong = [f"{key} is missing" for key in REQUIRED if not rule.get(key)]
            wrong += [f"{key} is not known" for key in rule if key not in REQUIRED + OPTIONAL]
            if "label" in rule and "each" not in rule:
                wrong.append("label needs each")
            if wrong:
                raise AnsibleActionFail(f"rules, entry {number} ({rule.get('variable')}): {', '.join(wrong)}")
        return rules

    def _violations(self, rule: Mapping[str, Any]) -> Iterator[str]:
        """The lines for one rule; a rule that can't be evaluated is a violation that says why."""
        try:
            if "each" in rule:
                yield from self._each(rule)
            elif not self._holds(rule, {}):
                yield f"{rule['variable']} {self._value(rule)}: {self._rule_text(rule, {})}"
        except AnsibleError as error:
            reason = self._reason(error, self._secret(rule))
            yield f"{rule['variable']}: the rule '{rule['rule']}' can't be evaluated: {reason}"

    def _each(self, rule: Mapping[str, Any]) -> Iterator[str]:
        elements = self._templar.template(rule["each"])
        if not isinstance(elements, list):
            given = shown(elements, self._secret(rule))
            raise AnsibleError(
                f"each must give a list, it gave {given}; for a mapping use the dict2items filter"
            )
        for index, item in enumerate(elements):
            scope = {"item": item, "index": index}
            try:
                if self._holds(rule, scope):
                    continue
                problem = f"is {shown(item, self._secret(rule))}: {self._rule_text(rule, scope)}"
            except AnsibleError as error:
                reason = self._reason(error, self._secret(rule))
                problem = f"the rule '{rule['rule']}' can't be evaluated: {reason}"
            yield f"{rule['variable']}[{self._label(rule, scope)}] {problem}"

    def _holds(self, rule: Mapping[str, Any], scope: dict[str, Any]) -> bool:
        that = rule["that"]
        if isinstance(that, bool):
            return that
        if not isinstance(that, str) or "{{" in that:
            raise AnsibleError("that must be a condition as in 'when', without braces")
        outcome = self._templar.evaluate_expression(that, local_variables=scope)
        if not isinstance(outcome, bool):
            raise AnsibleError(f"that must give true or false, it gave {shown(outcome, self._secret(rule))}")
        return outcome

    def _value(self, rule: Mapping[str, Any]) -> str:
        try:
            value = self._templar.evaluate_expression(rule["variable"])
        except AnsibleUndefinedVariable:
            return "is undefined"
        return f"is {shown(value, self._secret(rule))}"

    def _label(self, rule: Mapping[str, Any], scope: dict[str, Any]) -> str:
        try:
            return str(self._scoped(rule["label"], scope)) if "label" in rule else str(scope["index"])
        except AnsibleError:
            # What is wrong with the element may well be that its label is missing.
            return str(scope["index"])

    def _rule_text(self, rule: Mapping[str, Any], scope: dict[str, Any]) -> str:
        return str(self._scoped(rule["rule"], scope))

    def _scoped(self, template: Any, scope: dict[str, Any]) -> Any:
        return self._templar.copy_with_new_env(available_variables={**self._variables, **scope}).template(
            template
        )

    def _secret(self, rule: Mapping[str, Any]) -> bool:
        return bool(rule.get("secret", False))

    def _reason(self, error: AnsibleError, secret: bool) -> str:
        """The error's own words; those about a secret may quote it and are left out."""
        return type(error).__name__ if secret else " ".join(str(error).split())
