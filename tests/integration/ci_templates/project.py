"""The project of CI templates as data, and what of it is generated.

``python -m tests.integration.ci_templates.project`` writes the generated parts: the programs of ``tools/``
where templates carry them (a job has the files of its own project alone), and the README's tables.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, NamedTuple

import yaml

ROOT = Path(__file__).resolve().parents[3]
PROJECT = ROOT / "roles" / "gitlab_config" / "files" / "ci"
CARRIED = {"dockerfile": "dockerfile_check.py", "version": "semantic_version.sh"}
BEGIN, END = "<!-- inputs: {} -->", "<!-- /inputs -->"


class Template(NamedTuple):
    """One template: its text, the inputs it declares, and its one job."""

    name: str
    path: Path
    text: str
    inputs: dict[str, dict[str, Any]]
    job: dict[str, Any]

    @property
    def script(self) -> str:
        return "\n".join(self.job["script"])


def template(path: Path) -> Template:
    text = path.read_text()
    header, content = yaml.safe_load_all(text)
    (job,) = content.values()
    return Template(path.stem, path, text, header["spec"]["inputs"], job)


def templates() -> list[Template]:
    return [template(path) for path in sorted((PROJECT / "templates").glob("*.yml"))]


def with_program(text: str, program: str) -> str:
    """The text of a template with the program that it carries replaced."""
    lines = text.split("\n")
    start = lines.index("  script:") + 2
    if lines[start].endswith("<<'PROGRAM'"):
        start += 1
    end = start
    while not lines[end] or lines[end].startswith("      "):
        if lines[end] == "      PROGRAM":
            break
        end += 1
    carried = [f"      {line}" if line else "" for line in program.rstrip("\n").split("\n")]
    return "\n".join([*lines[:start], *carried, *lines[end:]])


def table(inputs: dict[str, dict[str, Any]]) -> str:
    rows = ["| input | what it is | default | must be |", "|---|---|---|---|"]
    for name, declared in inputs.items():
        if "options" in declared:
            must = " or ".join(f"`{option}`" for option in declared["options"])
        elif "regex" in declared:
            must = "`" + declared["regex"].replace("|", "\\|") + "`"
        else:
            must = f"{declared['type']}"
        if "default" not in declared:
            shown = "none, it has to be given"
        elif declared["default"] in ("", []):
            shown = "empty"
        else:
            value = declared["default"]
            shown = f"`{str(value).lower() if isinstance(value, bool) else value}`"
        rows.append(f"| `{name}` | {declared['description']} | {shown} | {must} |")
    return "\n".join(rows)


def with_tables(text: str, declared: dict[str, dict[str, dict[str, Any]]]) -> str:
    for name, inputs in declared.items():
        block = f"{BEGIN.format(name)}\n\n{table(inputs)}\n\n{END}"
        pattern = re.escape(BEGIN.format(name)) + r".*?" + re.escape(END)
        text = re.sub(pattern, lambda _found, block=block: block, text, flags=re.DOTALL)  # type: ignore[misc]
    return text


def generated() -> dict[Path, str]:
    """What the generated files must hold."""
    files: dict[Path, str] = {}
    for one in templates():
        if one.name in CARRIED:
            files[one.path] = with_program(one.text, (PROJECT / "tools" / CARRIED[one.name]).read_text())
    readme = PROJECT / "README.md"
    files[readme] = with_tables(readme.read_text(), {one.name: one.inputs for one in templates()})
    return files


if __name__ == "__main__":
    for changed, content in generated().items():
        changed.write_text(content)
